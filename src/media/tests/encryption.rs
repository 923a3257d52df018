//! Sessions protected by SRTP: everything that works in the clear works, and nothing passes without the key.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::world::{Link, World, talker};
use crate::dsp::Key;
use crate::dsp::dtmf::Generator;
use crate::media::srtp::{MasterKey, SrtpKeys, Suite};
use crate::media::{FlowReport, OneWay, Protection, TransmitKind, VoiceCommand, VoiceConfig, VoiceEvent};

/// The keys of both sides, drawn from a seed.
fn keys(suite: Suite, seed: u64) -> [Protection; 2] {
    let mut random = StdRng::seed_from_u64(seed);
    let mut key = || MasterKey::random(suite, &mut random);
    let (one, other) = (key(), key());
    let keys = |local: &MasterKey, remote: &MasterKey| {
        Protection::Srtp(SrtpKeys {
            local: local.clone(),
            remote: remote.clone(),
            remote_mki_bytes: 0,
        })
    };
    [keys(&one, &other), keys(&other, &one)]
}

fn protect(world: &mut World, protections: [Protection; 2]) {
    for (side, protection) in protections.into_iter().enumerate() {
        world.command(side, VoiceCommand::Protect(protection));
    }
}

fn world(suite: Suite) -> World {
    let mut world = World::new(5, VoiceConfig::default(), 4_300, 0.0);
    world.sides[0].telephone = talker();
    protect(&mut world, keys(suite, 1));
    world
}

/// What side 1 hears of side 0's talker on this network.
fn heard(protected: Option<Suite>, link: Link) -> Vec<i16> {
    let mut world = World::new(5, VoiceConfig::default(), 4_300, 0.0);
    world.sides[0].telephone = talker();
    world.sides[0].link = link;
    if let Some(suite) = protected {
        protect(&mut world, keys(suite, 1));
    }
    world.run(20_000_000);
    let stats = world.sides[1].path.stats().unwrap();
    assert_eq!(stats.unauthentic_packets, 0);
    world.sides[1].heard.clone()
}

/// The same sound, to the sample, as without encryption: on a clean network and on a bad one.
#[test]
fn speech_is_the_same_as_in_the_clear() {
    let bad = Link {
        delay_us: 30_000,
        jitter_us: 40_000,
        loss: 0.05,
        // A second copy tells the jitter buffer of a delay; as a replay it doesn't get so far.
        doubled: 0.0,
    };
    for link in [Link::default(), bad] {
        let clear = heard(None, link);
        for suite in Suite::ALL {
            assert!(heard(Some(suite), link) == clear, "{suite:?} {link:?}");
        }
    }
}

#[test]
fn the_wire_shows_nothing_of_it() {
    let mut world = world(Suite::AesCm128HmacSha1_80);
    world.run(3_000_000);
    let said: Vec<_> = {
        let mut clear = World::new(5, VoiceConfig::default(), 4_300, 0.0);
        clear.sides[0].telephone = talker();
        clear.run(3_000_000);
        clear.sides[0].sent.clone()
    };
    let sent = &world.sides[0].sent;
    assert_eq!(sent.len(), said.len());
    for ((_, kind, sealed), (_, _, plain)) in sent.iter().zip(&said) {
        let (clear, tag) = match kind {
            TransmitKind::Rtp => (12, 10),
            TransmitKind::Rtcp => (8, 14),
        };
        assert_eq!(sealed.len(), plain.len() + tag);
        assert_eq!(sealed[..clear], plain[..clear], "the header stays readable");
        assert_ne!(sealed[clear..plain.len()], plain[clear..]);
    }
}

#[test]
fn keys_and_reports_get_through() {
    for suite in Suite::ALL {
        let mut world = world(suite);
        let mut dialler = Generator::new();
        world.sides[0].telephone = Box::new(move |now_us, _| {
            let mut frame = [0; 80];
            if now_us == 5_000_000 {
                dialler.play(Key::ALL[5], -8.0, 100, 100);
            }
            dialler.mix(&mut frame);
            frame
        });
        world.sides[0].link.delay_us = 20_000;
        world.sides[1].link.delay_us = 20_000;
        world.run(20_000_000);
        assert_eq!(
            world.remote_keys(1),
            Key::ALL[5].as_char().to_string(),
            "{suite:?}"
        );
        for side in &world.sides {
            let round_trip_ms = side.path.stats().unwrap().round_trip_ms.unwrap();
            assert!((round_trip_ms - 40.0).abs() < 2.0, "{suite:?} {round_trip_ms}");
        }
        world.command(0, VoiceCommand::EndSession);
        let (_, kind, goodbye) = world.sides[0].sent.last().unwrap();
        assert_eq!(*kind, TransmitKind::Rtcp);
        assert!(
            goodbye.len() > 8 + 14 && goodbye[goodbye.len() - 4..] != goodbye[4..8],
            "no BYE in the clear"
        );
    }
}

#[test]
fn who_has_another_key_or_none_is_not_heard_but_counted() {
    let [_, listener] = keys(Suite::AesCm128HmacSha1_80, 1);
    let [stranger, _] = keys(Suite::AesCm128HmacSha1_80, 2);
    for talker_has in [stranger, Protection::Clear] {
        let mut world = world(Suite::AesCm128HmacSha1_80);
        protect(&mut world, [talker_has, listener.clone()]);
        world.run(10_000_000);
        let side = &world.sides[1];
        assert!(side.heard.iter().all(|sample| *sample == 0));
        assert!(
            !side
                .events
                .iter()
                .any(|(_, event)| *event == VoiceEvent::FirstRtp)
        );
        let stats = side.path.stats().unwrap();
        assert_eq!(stats.received_packets, 0);
        assert!(stats.unauthentic_packets >= 490, "{stats:?}");
    }
}

#[test]
fn nothing_leaves_and_nothing_is_heard_before_the_keys_are_there() {
    let mut world = world(Suite::AeadAes128Gcm);
    let [keys, _] = keys(Suite::AeadAes128Gcm, 1);
    world.command(0, VoiceCommand::Protect(Protection::Awaited));
    world.run(5_000_000);
    assert!(world.sides[0].sent.is_empty());
    // That nothing comes is no fault of the network's so far.
    assert_eq!(world.sides[0].events, []);
    world.command(0, VoiceCommand::Protect(keys));
    world.run(10_000_000);
    assert!(world.sides[0].sent.len() > 240);
    assert!(
        world.sides[1]
            .events
            .iter()
            .any(|(_, event)| *event == VoiceEvent::FirstRtp)
    );
}

#[test]
fn silence_is_told_3_s_after_the_keys_have_come() {
    let mut world = world(Suite::AeadAes128Gcm);
    let [keys, _] = keys(Suite::AeadAes128Gcm, 1);
    world.sides[1].link.loss = 1.0;
    world.command(0, VoiceCommand::Protect(Protection::Awaited));
    world.run(5_000_000);
    world.command(0, VoiceCommand::Protect(keys));
    world.run(10_000_000);
    let told = |event: &VoiceEvent| {
        matches!(
            event,
            VoiceEvent::Flow(FlowReport::OneWay(OneWay::NothingComes { .. }))
        )
    };
    let [(at_us, event)] = &world.sides[0].events[..] else {
        panic!("{:?}", world.sides[0].events);
    };
    assert!(told(event), "{event:?}");
    assert!((7_900_000..8_200_000).contains(at_us), "{at_us}");
}

#[test]
fn new_keys_in_the_middle_of_a_call() {
    let mut world = world(Suite::AesCm128HmacSha1_80);
    world.run(5_000_000);
    protect(&mut world, keys(Suite::Aes256CmHmacSha1_80, 7));
    world.run(10_000_000);
    // The same again changes nothing: the numbers go on.
    protect(&mut world, keys(Suite::Aes256CmHmacSha1_80, 7));
    world.run(15_000_000);
    let stats = world.sides[1].path.stats().unwrap();
    assert_eq!((stats.lost_packets, stats.unauthentic_packets), (0, 0));
    assert!(stats.received_packets >= 740, "{stats:?}");
}

#[test]
fn the_next_call_begins_in_the_clear() {
    let mut world = world(Suite::AesCm128HmacSha1_80);
    world.run(1_000_000);
    for side in 0..2 {
        world.command(side, VoiceCommand::EndSession);
    }
    world.run(1_500_000);
    for side in 0..2 {
        world.sides[side].sent.clear();
        world.command(side, VoiceCommand::Session(super::world::params(1 - side)));
    }
    world.run(3_000_000);
    assert!(world.sides[0].sent.iter().any(|(_, _, bytes)| bytes.len() == 172));
    assert!(world.sides[1].path.stats().unwrap().received_packets > 50);
}
