//! What one talking line costs: `cargo bench --bench media`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tipring::dsp::FRAME;
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

criterion_group!(benches, turns);
criterion_main!(benches);
