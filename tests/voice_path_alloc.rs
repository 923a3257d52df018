//! The audio thread allocates nothing: a busy minute of two voice paths under a counting allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tipring::dsp::dtmf::Generator;
use tipring::dsp::transmission::{KeyTrain, MessageBytes, Modem, Transmission};
use tipring::dsp::{FRAME, Key};
use tipring::media::srtp::{MasterKey, SrtpKeys, Suite};
use tipring::media::{
    Codec, Direction, DtmfRelay, Protection, SessionParams, TransmitKind, VoiceCommand, VoiceConfig,
    VoiceEvent, VoicePath,
};
use tipring::zone::{TonePlan, ToneStep};

struct Counting;

thread_local! {
    /// Allocations of this thread; the harness's own don't count.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // A block freed in the audio thread waits for the allocator's lock as well.
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, side as u8 + 1], 4000))
}

fn params(remote: usize, direction: Direction) -> SessionParams {
    SessionParams {
        remote_rtp: address(remote),
        remote_rtcp: address(remote),
        codec: Codec::Pcma,
        payload_type: 8,
        telephone_event: Some(101),
        packet_time_ms: 20,
        direction,
        dtmf_relay: DtmfRelay::Rfc4733,
        rtp_timeout_ms: 1_000,
        awaits_path: false,
        rtcp_mux: false,
    }
}

/// A packet under way, in a slot of its own.
#[derive(Clone, Copy)]
struct Flying {
    due_turn: u64,
    rtcp: bool,
    length: usize,
    bytes: [u8; 512],
}

const NOTHING: Flying = Flying {
    due_turn: u64::MAX,
    rtcp: false,
    length: 0,
    bytes: [0; 512],
};

#[test]
fn a_busy_minute_allocates_nothing() {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs an instant to count from"
    )]
    let epoch = Instant::now();
    let mut paths = [
        VoicePath::new(&VoiceConfig::default(), 1),
        VoicePath::new(&VoiceConfig::default(), 2),
    ];
    let mut flying = [[NOTHING; 64]; 2];
    let mut dialler = Generator::new();
    let step = ToneStep {
        frequencies_hz: [425.0, 0.0, 0.0, 0.0],
        level_dbm0: -10.0,
        on_ms: Some(330),
        off_ms: 330,
        ..ToneStep::default()
    };
    let tone = TonePlan::new(&[step; 3], true).expect("three steps");
    let message = MessageBytes::new(&[0x80; 40]).expect("short");
    let keys = KeyTrain::new(&Key::ALL).expect("sixteen");
    let transmissions = [
        Transmission::Fsk {
            modem: Modem::V23,
            seizure_bits: 300,
            mark_bits: 180,
            message,
            level_dbm0: -14.0,
        },
        Transmission::Dtmf {
            keys,
            on_ms: 70,
            off_ms: 70,
            level_dbm0: -10.0,
        },
        Transmission::AlertTone {
            on_ms: 100,
            level_dbm0: -20.0,
        },
    ];
    // Every other call is encrypted, each suite in its turn.
    let mut drawing = StdRng::seed_from_u64(3);
    let protections = Suite::ALL.map(|suite| {
        let ends = [0, 1].map(|_| MasterKey::random(suite, &mut drawing));
        [0, 1].map(|side| {
            Protection::Srtp(SrtpKeys {
                local: ends[side].clone(),
                remote: ends[1 - side].clone(),
                remote_mki_bytes: 0,
            })
        })
    });
    let (mut keys_heard, mut ended, mut timeouts, mut done, mut sent) = (0, 0, 0, 0, 0u64);
    let mut random = 12_345u32;

    let before = ALLOCATIONS.get();
    for turn in 0..6_000u64 {
        let now = epoch + Duration::from_millis(turn * 10);
        for side in 0..2 {
            let path = &mut paths[side];
            match turn % 600 {
                0 => path.handle_command(now, VoiceCommand::OffHook(true)),
                5 => path.handle_command(now, VoiceCommand::PlayTone(tone)),
                20 => path.handle_command(
                    now,
                    VoiceCommand::Transmit(transmissions[(turn / 600 % 3) as usize]),
                ),
                150 => path.handle_command(now, VoiceCommand::StopTone),
                39 if turn % 1200 < 600 => {
                    let protection = protections[(turn / 1200 % 5) as usize][side].clone();
                    path.handle_command(now, VoiceCommand::Protect(protection));
                }
                40 => path.handle_command(
                    now,
                    VoiceCommand::Session(params(1 - side, Direction::SendReceive)),
                ),
                350 => path.handle_command(now, VoiceCommand::Session(params(1 - side, Direction::Inactive))),
                380 => path.handle_command(
                    now,
                    VoiceCommand::Session(params(1 - side, Direction::SendReceive)),
                ),
                200..210 => path.handle_command(
                    now,
                    VoiceCommand::SendKey {
                        key: Key::ALL[3],
                        duration_ms: 60,
                    },
                ),
                590 => path.handle_command(now, VoiceCommand::EndSession),
                595 => path.handle_command(now, VoiceCommand::OffHook(false)),
                _ => {}
            }
            // Network: a tenth lost, up to 70 ms late, and rubbish in between. Silent from 450 to 580.
            for slot in 0..flying[side].len() {
                let Flying {
                    due_turn,
                    rtcp,
                    length,
                    bytes,
                } = flying[side][slot];
                if due_turn > turn {
                    continue;
                }
                flying[side][slot] = NOTHING;
                if rtcp {
                    path.handle_rtcp(now, address(1 - side), &bytes[..length]);
                } else {
                    path.handle_rtp(now, address(1 - side), &bytes[..length]);
                }
                path.handle_rtp(now, address(7), &bytes[..length]);
                path.handle_rtcp(now, address(1 - side), &bytes[..length / 2]);
            }
            let mut frame = [0; FRAME];
            path.playback(now, &mut frame);
            if turn % 30 == 0 && side == 0 {
                dialler.play(Key::ALL[(turn / 30 % 16) as usize], -8.0, 80, 80);
            }
            if side == 0 {
                dialler.mix(&mut frame);
            }
            path.capture(now, &frame);
            while let Some(packet) = path.poll_transmit() {
                sent += 1;
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let lost = random >> 16 & 0xFF < 25 || (450..580).contains(&(turn % 600));
                let slot = flying[1 - side].iter_mut().find(|slot| slot.due_turn == u64::MAX);
                if let Some(slot) = slot.filter(|_| !lost) {
                    slot.due_turn = turn + u64::from(random >> 28) / 2;
                    slot.rtcp = packet.kind == TransmitKind::Rtcp;
                    slot.length = packet.bytes.len();
                    slot.bytes[..packet.bytes.len()].copy_from_slice(packet.bytes);
                }
            }
            while let Some(event) = path.poll_event() {
                match event {
                    VoiceEvent::RemoteKey(_) => keys_heard += 1,
                    VoiceEvent::SessionEnded(stats) => ended += u32::from(stats.concealed_ms > 0),
                    VoiceEvent::RtpTimeout => timeouts += 1,
                    VoiceEvent::TransmissionDone => done += 1,
                    VoiceEvent::Dtmf(_)
                    | VoiceEvent::FirstRtp
                    | VoiceEvent::RtpResumed
                    | VoiceEvent::Flow(_) => {}
                }
            }
        }
    }
    let allocations = ALLOCATIONS.get() - before;
    println!("allocations in 60 s of two busy lines: {allocations} ({sent} packets, {keys_heard} keys)");
    assert_eq!(allocations, 0);
    // The minute was as busy as it says.
    assert!(
        keys_heard > 100 && ended >= 19 && timeouts >= 10 && done == 20,
        "{keys_heard} {ended} {timeouts} {done}"
    );
    assert!(sent > 5_000, "{sent}");
}
