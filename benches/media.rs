//! What one talking line costs: `cargo bench --bench media`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tipring::dsp::FRAME;
use tipring::media::srtp::{EXPANSION_BYTES_MAX, Inbound, MasterKey, Outbound, Suite};
use tipring::media::{
    Codec, Direction, DtmfRelay, SessionParams, TransmitKind, VoiceCommand, VoiceConfig, VoicePath,
};

fn params() -> SessionParams {
    let remote = SocketAddr::from(([192, 0, 2, 1], 4000));
    SessionParams {
        remote_rtp: remote,
        remote_rtcp: remote,
        codec: Codec::Pcma,
        payload_type: 8,
        telephone_event: Some(101),
        packet_time_ms: 20,
        direction: Direction::SendReceive,
        dtmf_relay: DtmfRelay::Rfc4733,
        rtp_timeout_ms: 30_000,
        awaits_path: false,
        rtcp_mux: false,
    }
}

/// One turn of 10 ms of a line whose own packets come back to it: playback, DTMF detector, capture, and every
/// other turn a packet each way. `lose`: every tenth packet is lost and concealed.
fn turns(criterion: &mut Criterion) {
    for (name, lose) in [("turn", false), ("turn_with_10_percent_loss", true)] {
        let mut path = VoicePath::new(&VoiceConfig::default(), 1);
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs an instant to count from"
        )]
        let mut now = Instant::now();
        path.handle_command(now, VoiceCommand::OffHook(true));
        path.handle_command(now, VoiceCommand::Session(params()));
        let mut phase = 0u32;
        let mut packets = 0u32;
        let mut datagram = [0; 512];
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                now += Duration::from_millis(10);
                let mut frame = [0; FRAME];
                path.playback(now, &mut frame);
                for sample in &mut frame {
                    phase = phase.wrapping_add(31);
                    *sample = (phase % 8000) as i16 - 4000;
                }
                path.capture(now, &frame);
                let mut length = 0;
                while let Some(packet) = path.poll_transmit() {
                    if packet.kind == TransmitKind::Rtp {
                        length = packet.bytes.len();
                        datagram[..length].copy_from_slice(packet.bytes);
                    }
                }
                if length > 0 {
                    packets += 1;
                    if !(lose && packets.is_multiple_of(10)) {
                        path.handle_rtp(now, params().remote_rtp, &datagram[..length]);
                    }
                }
                while path.poll_event().is_some() {}
                frame
            });
        });
    }
}

/// A packet of 20 ms of G.711, there and back under every suite. Opening is measured with the protecting that a fresh
/// packet needs.
fn srtp(criterion: &mut Criterion) {
    const LENGTH: usize = 172;
    for suite in Suite::ALL {
        let master = MasterKey::random(suite, &mut StdRng::seed_from_u64(1));
        let (mut outbound, mut inbound) = (Outbound::new(&master), Inbound::new(&master, 0));
        let mut packet = [0x55; LENGTH + EXPANSION_BYTES_MAX];
        packet[..2].copy_from_slice(&[0x80, 8]);
        let mut sequence = 0u16;
        let mut protect = move |packet: &mut [u8]| {
            sequence = sequence.wrapping_add(1);
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            outbound.protect_rtp(packet, LENGTH)
        };
        criterion.bench_function(&format!("srtp_protect/{}", suite.name()), |bencher| {
            bencher.iter(|| protect(&mut packet));
        });
        criterion.bench_function(
            &format!("srtp_protect_and_unprotect/{}", suite.name()),
            |bencher| {
                bencher.iter(|| {
                    let length = protect(&mut packet).unwrap_or_default();
                    inbound.unprotect_rtp(&mut packet[..length])
                });
            },
        );
    }
}

criterion_group!(benches, turns, srtp);
criterion_main!(benches);
