//! The audio thread itself, on real ticks and real sockets, with everything going on that can: it never allocates
//! and never frees.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "real ticks, sockets and files are what is tested"
)]

#[path = "support/counting.rs"]
mod counting;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use tipring::daemon::audio::{AudioLine, AudioThread, Command, LineId, PortPair, Report};
use tipring::dsp::dtmf::Generator;
use tipring::dsp::transmission::{KeyTrain, MessageBytes, Modem, Transmission};
use tipring::dsp::{FRAME, Key};
use tipring::gateway::SessionId;
use tipring::line::SlicAction;
use tipring::media::traversal::Relay;
use tipring::media::{
    Codec, Direction, DtmfRelay, SessionParams, TransmitKind, VoiceCommand, VoiceConfig, VoiceEvent,
    VoicePath,
};
use tipring::zone::{TonePlan, ToneStep};
use tipring_hw::virtual_line::wire::MAX_MESSAGE_BYTES;
use tipring_hw::virtual_line::{Decoder, Message, Receiver};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const LINE: LineId = LineId(7);
const SESSION: SessionId = SessionId(1);
const BUSY_FOR: Duration = Duration::from_secs(4);

/// What was seen outside, so that the quiet wasn't idleness.
#[derive(Debug, Default)]
struct Seen {
    edges: u32,
    keys: u32,
    remote_keys: u32,
    transmissions: u32,
    sessions: u32,
    unplugged: u32,
    refused: u32,
    /// Datagrams that aren't media.
    strays: u32,
}

impl Seen {
    fn take(&mut self, report: Report) {
        match report {
            Report::Hook { .. } => self.edges += 1,
            Report::Unplugged { .. } => self.unplugged += 1,
            Report::Refused(_) => self.refused += 1,
            Report::Voice { event, .. } => match event {
                VoiceEvent::Dtmf(_) => self.keys += 1,
                VoiceEvent::RemoteKey(_) => self.remote_keys += 1,
                VoiceEvent::TransmissionDone => self.transmissions += 1,
                VoiceEvent::SessionEnded(stats) => {
                    self.sessions += u32::from(stats.sent_packets > 0 && stats.received_packets > 0);
                }
                VoiceEvent::FirstRtp
                | VoiceEvent::RtpTimeout
                | VoiceEvent::RtpResumed
                | VoiceEvent::Flow(_) => {}
            },
            Report::Plugged(_) | Report::CardStarted(_) | Report::CardLost { .. } | Report::Xrun { .. } => {}
        }
    }
}

fn sockets() -> PortPair {
    let bind = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let rtp = bind();
    // As the daemon's own: the kernel notes the time of arrival.
    setsockopt(&rtp, sockopt::ReceiveTimestampns, &true).expect("a socket");
    PortPair {
        address: rtp.local_addr().expect("bound"),
        rtp,
        rtcp: bind(),
    }
}

fn session(remote: SocketAddr) -> VoiceCommand {
    VoiceCommand::Session(SessionParams {
        remote_rtp: remote,
        remote_rtcp: remote,
        codec: Codec::Pcma,
        payload_type: 8,
        telephone_event: Some(101),
        packet_time_ms: 20,
        direction: Direction::SendReceive,
        dtmf_relay: DtmfRelay::Rfc4733,
        rtp_timeout_ms: 300,
        awaits_path: false,
        rtcp_mux: false,
    })
}

fn busy_tone() -> VoiceCommand {
    let step = ToneStep {
        frequencies_hz: [425.0, 0.0, 0.0, 0.0],
        level_dbm0: -10.0,
        on_ms: Some(330),
        off_ms: 330,
        ..ToneStep::default()
    };
    VoiceCommand::PlayTone(TonePlan::new(&[step; 3], true).expect("three steps"))
}

fn transmission(turn: u32) -> VoiceCommand {
    VoiceCommand::Transmit(if turn.is_multiple_of(2) {
        Transmission::Fsk {
            modem: Modem::V23,
            seizure_bits: 30,
            mark_bits: 80,
            message: MessageBytes::new(&[0x80; 10]).expect("short"),
            level_dbm0: -14.0,
        }
    } else {
        Transmission::Dtmf {
            keys: KeyTrain::new(&Key::ALL[..3]).expect("three"),
            on_ms: 70,
            off_ms: 70,
            level_dbm0: -10.0,
        }
    })
}

/// The telephone: answers each frame with keys, and bounces its hook contact now and then.
fn telephone(mut stream: UnixStream) {
    let (mut decoder, mut dialler) = (Decoder::new(Receiver::Telephone), Generator::new());
    let (mut frames, mut bytes) = (0_u64, [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        let mut rest = &bytes[..length];
        while let Ok(Some(message)) = decoder.decode(&mut rest) {
            if !matches!(message, Message::Audio(_)) {
                continue;
            }
            frames += 1;
            if frames.is_multiple_of(20) {
                dialler.play(Key::ALL[(frames / 20 % 16) as usize], -8.0, 80, 80);
            }
            let mut frame = [0; FRAME];
            dialler.mix(&mut frame);
            let mut answer = Vec::new();
            let mut buffer = [0; MAX_MESSAGE_BYTES];
            answer.extend_from_slice(Message::Audio(frame).encode(&mut buffer));
            if frames.is_multiple_of(30) {
                for bounce in 0..40 {
                    let hook = Message::Hook {
                        closed: bounce % 2 == 0,
                        clock_us: frames * 10_000 + bounce * 200,
                    };
                    answer.extend_from_slice(hook.encode(&mut buffer));
                }
            }
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

/// Sends every packet back, and rubbish after it.
fn echo(socket: &UdpSocket) {
    let mut bytes = [0; 2048];
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a socket");
    while let Ok((length, from)) = socket.recv_from(&mut bytes) {
        let _ = socket.send_to(&bytes[..length], from);
        let _ = socket.send_to(&bytes[..length / 2], from);
        // A Binding request (RFC 8489), for others than the voice path.
        let mut stun = [0; 20];
        stun[1] = 1;
        stun[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
        let _ = socket.send_to(&stun, from);
    }
}

fn plug(audio: &mut AudioThread) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    ours.set_nonblocking(true).expect("a socket");
    audio.command(Command::Plug {
        line: LINE,
        stream: ours,
    });
    std::thread::spawn(move || telephone(theirs));
}

async fn busy(audio: &mut AudioThread, peer: SocketAddr, seen: &mut Seen) {
    let line = LINE;
    let start = Instant::now();
    let mut steps = tokio::time::interval(Duration::from_millis(10));
    let mut step = 0_u32;
    while start.elapsed() < BUSY_FOR {
        tokio::select! {
            _ = steps.tick() => {}
            woken = audio.reported() => woken.expect("an eventfd"),
        }
        while let Some(report) = audio.report() {
            seen.take(report);
        }
        while let Some(stray) = audio.stray() {
            seen.strays += u32::from(stray.bytes().len() == 20);
        }
        let due = (start.elapsed().as_millis() / 10) as u32;
        while step < due {
            step += 1;
            let voice = |command| Command::Voice { line, command };
            let slic = |action| Command::Slic { line, action };
            match step % 100 {
                1 => audio.command(voice(VoiceCommand::OffHook(true))),
                3 => audio.command(voice(busy_tone())),
                5 => audio.command(Command::OpenMedia {
                    line,
                    session: SESSION,
                    sockets: sockets(),
                    parked: false,
                }),
                6 => audio.command(voice(session(peer))),
                // From here on by way of a TURN server, which is the echo itself.
                15 => audio.command(Command::Relay {
                    line,
                    session: SESSION,
                    socket: TransmitKind::Rtp,
                    relay: Some(Relay {
                        server: peer,
                        channel: 0x4000,
                        peer,
                    }),
                }),
                20 => audio.command(voice(VoiceCommand::StopTone)),
                25 => audio.command(voice(transmission(step / 100))),
                30 => audio.command(slic(SlicAction::Ring(true))),
                32 => audio.command(slic(SlicAction::Ring(false))),
                33 => audio.command(slic(SlicAction::Reverse(true))),
                34 => audio.command(slic(SlicAction::Feed(false))),
                35 => audio.command(slic(SlicAction::Feed(true))),
                40..44 => audio.command(voice(VoiceCommand::SendKey {
                    key: Key::ALL[5],
                    duration_ms: 60,
                })),
                // One telephone too many.
                50 => plug(audio),
                85 => audio.command(voice(VoiceCommand::EndSession)),
                90 => audio.command(Command::CloseMedia {
                    line,
                    session: SESSION,
                }),
                95 => audio.command(voice(VoiceCommand::OffHook(false))),
                _ => {}
            }
        }
    }
}

#[test]
fn the_audio_thread_never_allocates() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let remote = peer.local_addr().expect("bound");
    let echo = std::thread::spawn(move || echo(&peer));
    let mut seen = Seen::default();
    runtime.block_on(async {
        let mut audio = AudioThread::start().expect("a thread");
        let started = Instant::now();
        while audio.ticks() < 3 {
            assert!(
                started.elapsed() < Duration::from_secs(3),
                "the thread stands still"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        counting::watch("audio");
        let voice = VoicePath::new(&VoiceConfig::default(), 1);
        audio.command(Command::AddLine(Box::new(AudioLine::virtual_line(LINE, voice))));
        plug(&mut audio);
        busy(&mut audio, remote, &mut seen).await;
        audio.command(Command::RemoveLine(LINE));
        let ticks = audio.ticks();
        let stopped = Instant::now();
        while audio.ticks() < ticks + 5 {
            assert!(
                stopped.elapsed() < Duration::from_secs(3),
                "the thread stands still"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
            while let Some(report) = audio.report() {
                seen.take(report);
            }
        }
        println!(
            "allocations and frees of the audio thread in {} ticks: {} ({seen:?})",
            audio.ticks(),
            counting::count()
        );
        assert_eq!(counting::count(), 0);
    });
    echo.join().expect("the echo ends by itself");
    // It was as busy as it says.
    assert!(seen.strays > 20, "{seen:?}");
    assert!(seen.edges > 200 && seen.keys > 10, "{seen:?}");
    assert!(seen.remote_keys > 3 && seen.transmissions >= 3, "{seen:?}");
    assert!(
        seen.sessions >= 3 && seen.refused >= 3 && seen.unplugged == 1,
        "{seen:?}"
    );
}
