//! Both controlling, one of them lite, consent withdrawn, a nonce gone stale, a restart.

use std::time::Duration;

use super::nat::Kind;
use super::world::{Help, World};
use crate::media::TransmitKind;
use crate::media::ice::Credentials;
use crate::media::stun::{Class, Message, MessageWriter, TransactionId, attribute, method};

proptest::proptest! {
    #[test]
    fn nothing_that_arrives_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        crate::media::traversal::fuzz::operations(&bytes);
    }
}

fn connected(world: &World) -> bool {
    world.hosts.iter().all(|host| host.path.is_some())
}

#[test]
fn a_conflict_of_roles_is_settled_by_the_tie_breaker() {
    for seed in 0..16 {
        for both in [true, false] {
            let mut world = World::new([Kind::PortRestricted, Kind::FullCone], Help::Stun, seed);
            world.run_until(|world| world.hosts.iter().all(|host| host.gathered.is_some()));
            let (one, other) = (world.description(0), world.description(1));
            world.start_ice(0, &other, both, true);
            world.start_ice(1, &one, both, true);
            assert!(world.run_until(connected), "seed {seed}, controlling: {both}");
            world.talk();
            assert!(world.hosts.iter().all(|host| host.media[0] > 0));
        }
    }
}

#[test]
fn a_lite_peer_is_checked_and_told_which_way() {
    // A full agent that is called lite and never checks by itself behaves like one.
    let mut world = World::new([Kind::Symmetric, Kind::Open], Help::Stun, 5);
    world.run_until(|world| world.hosts.iter().all(|host| host.gathered.is_some()));
    let mut lite = world.description(1);
    lite.lite = true;
    let mut nobody = world.description(0);
    nobody.candidates.clear();
    world.start_ice(1, &nobody, true, true);
    // It was called: with a lite peer it controls all the same.
    world.start_ice(0, &lite, false, true);
    assert!(world.run_until(|world| world.hosts[0].path.is_some()));
}

#[test]
fn without_an_answer_for_thirty_seconds_nothing_is_sent_any_more() {
    let mut world = World::new([Kind::FullCone, Kind::FullCone], Help::Stun, 6);
    world.connect(true);
    assert!(world.run_until(connected));
    world.run_for(Duration::from_secs(120));
    assert!(connected(&world), "consent is renewed");
    world.cut = true;
    let cut_at = world.now;
    assert!(world.run_until(|world| world.hosts.iter().all(|host| host.lost > 0)));
    let after = world.now.duration_since(cut_at).as_secs_f64();
    assert!((24.0..=30.1).contains(&after), "{after}");
    let before = world.sent;
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.sent, before, "silence");
}

fn credentials(name: &str) -> Credentials {
    Credentials {
        username_fragment: name.to_owned(),
        password: name.repeat(3),
    }
}

/// The first host prepares an offer that restarts.
fn restart(world: &mut World) {
    let now = world.now;
    let host = &mut world.hosts[0];
    host.gathered = None;
    host.traversal.restart(now, Some(credentials("of_the_offer")));
    assert!(world.run_until(|world| world.hosts[0].gathered.is_some()));
}

#[test]
fn what_was_found_is_known_to_both_by_the_same_addresses() {
    for shared_port in [true, false] {
        for kind in [Kind::Open, Kind::FullCone, Kind::PortRestricted] {
            let mut world = World::new([kind, kind], Help::Stun, 11);
            world.connect(shared_port);
            assert!(world.run_until(connected));
            world.run_for(Duration::from_secs(3));
            let [one, other] = world
                .hosts
                .each_ref()
                .map(|host| host.traversal.settled().unwrap());
            assert_eq!((one.controlling, other.controlling), (true, false));
            assert_eq!(one.rtp.local, other.rtp.remote, "{kind:?}");
            assert_eq!(one.rtp.remote, other.rtp.local, "{kind:?}");
            assert_eq!(one.rtcp.is_none(), shared_port);
            assert_eq!(
                one.rtcp.map(|ends| (ends.local, ends.remote)),
                other.rtcp.map(|ends| (ends.remote, ends.local))
            );
        }
    }
}

#[test]
fn a_restart_that_is_refused_leaves_everything_as_it_was() {
    let mut world = World::new([Kind::FullCone, Kind::FullCone], Help::Stun, 12);
    world.connect(true);
    assert!(world.run_until(connected));
    assert!(world.run_until(|world| world.hosts[0].traversal.settled().is_some()));
    let (first, answer) = (world.hosts[0].traversal.settled(), world.description(1));
    restart(&mut world);
    // The next offer is answered, and it is of before: the same credentials on both sides.
    let mut before = world.hosts[0].gathered.clone().unwrap();
    before.credentials = world.hosts[0].traversal.credentials().cloned();
    world.hosts[0].gathered = Some(before);
    world.start_ice(0, &answer, true, true);
    world.run_for(Duration::from_secs(90));
    assert_eq!(world.hosts[0].traversal.settled(), first);
    assert!(connected(&world) && world.hosts.iter().all(|host| host.lost == 0));
}

#[test]
fn a_restart_finds_a_new_way_and_the_old_one_serves_until_then() {
    let mut world = World::new([Kind::FullCone, Kind::FullCone], Help::Stun, 7);
    world.connect(true);
    assert!(world.run_until(connected));
    let first = world.description(0).credentials;
    restart(&mut world);
    // An answer may be long in coming, and until then all is as it was.
    world.run_for(Duration::from_secs(90));
    assert!(connected(&world) && world.hosts.iter().all(|host| host.lost == 0));
    let mut others = world.hosts[1].gathered.clone().unwrap();
    others.credentials = Some(credentials("of_the_answer"));
    world.hosts[1].gathered = Some(others);
    let (offer, answer) = (world.description(0), world.description(1));
    assert_ne!(offer.credentials, first);
    // The second host's router has lost its mappings: the way is another now.
    world.hosts[1].nat.forget();
    world.start_ice(1, &offer, false, true);
    world.start_ice(0, &answer, true, true);
    world.run_for(Duration::from_secs(5));
    world.talk();
    assert!(world.hosts.iter().all(|host| host.media[0] > 0));
}

#[test]
fn an_allocation_lives_through_stale_nonces_and_is_given_back() {
    let mut world = World::new([Kind::Symmetric, Kind::Symmetric], Help::Turn, 8);
    world.connect(true);
    assert!(world.run_until(connected));
    for _ in 0..5 {
        world.server.change_nonce();
        world.run_for(Duration::from_secs(600));
    }
    assert!(
        connected(&world),
        "refreshed, permitted and bound anew for fifty minutes"
    );
    world.talk();
    assert!(world.hosts.iter().all(|host| host.media[0] > 0));
    assert_eq!(world.server.allocations(), 2, "RTCP's were given back at once");
    for host in &mut world.hosts {
        host.traversal.close(world.now);
    }
    world.drain();
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.allocations(), 0);
}

#[test]
fn a_dead_relay_is_a_lost_way() {
    let mut world = World::new([Kind::Symmetric, Kind::Symmetric], Help::Turn, 9);
    world.connect(true);
    assert!(world.run_until(connected));
    world.server.dead = true;
    assert!(world.run_until(|world| world.hosts.iter().all(|host| host.lost > 0)));
}

#[test]
fn strangers_get_an_error_at_most_and_learn_nothing() {
    let mut world = World::new([Kind::Open, Kind::Open], Help::None, 10);
    world.connect(true);
    let host = &mut world.hosts[0];
    let stranger = "198.51.100.99:9".parse().unwrap();
    let name = host
        .gathered
        .as_ref()
        .unwrap()
        .credentials
        .as_ref()
        .unwrap()
        .username_fragment
        .clone();
    let request = |name: &str, key: &[u8]| {
        MessageWriter::new(Class::Request, method::BINDING, TransactionId([3; 12]))
            .value(attribute::USERNAME, name.as_bytes())
            .number_32(attribute::PRIORITY, 1)
            .seal(key)
            .fingerprint()
            .finish()
    };
    for (bytes, expected) in [
        (request(&format!("{name}:who"), b"guessed"), 401),
        (request("other:who", b"guessed"), 401),
        (
            MessageWriter::new(Class::Request, method::BINDING, TransactionId([3; 12])).finish(),
            400,
        ),
    ] {
        while host.traversal.poll_transmit().is_some() {}
        host.traversal
            .handle_datagram(world.now, TransmitKind::Rtp, stranger, false, &bytes);
        let answer = host.traversal.poll_transmit().unwrap();
        let message = Message::parse(&answer.bytes).unwrap();
        assert_eq!(message.attributes().error(), Some(expected));
        assert!(answer.bytes.len() <= bytes.len() + 28, "no amplifier");
        assert!(
            host.traversal.poll_transmit().is_none(),
            "and no check of the stranger"
        );
    }
}
