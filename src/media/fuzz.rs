//! Bodies of fuzz targets: whatever arrives, nothing panics.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::dsp::{FRAME, Key};

use super::{Codec, Direction, DtmfRelay, SessionParams, VoiceCommand, VoiceConfig, VoicePath};

/// Reads `bytes` as a list of operations on a voice path: datagrams of RTP and RTCP, mostly well-formed heads
/// with arbitrary bodies, turns, and commands.
pub fn datagrams(bytes: &[u8]) {
    #[expect(
        clippy::disallowed_methods,
        reason = "only differences matter, and none is measured"
    )]
    let origin = Instant::now();
    let mut now = origin;
    let address = SocketAddr::from(([192, 0, 2, 1], 4000));
    let params = SessionParams {
        remote_rtp: address,
        remote_rtcp: address,
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        packet_time_ms: 20,
        direction: Direction::SendReceive,
        dtmf_relay: DtmfRelay::Rfc4733,
        rtp_timeout_ms: 1000,
        awaits_path: false,
        rtcp_mux: false,
    };
    let mut path = VoicePath::new(&VoiceConfig::default(), 1);
    path.handle_command(now, VoiceCommand::Session(params));
    path.handle_command(now, VoiceCommand::OffHook(true));
    let mut rest = bytes;
    while let [operation, length, more @ ..] = rest {
        let (body, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        match operation % 8 {
            0..=2 => {
                let mut packet = vec![0x80, [0, 101, 13, 0x80][usize::from(operation / 8 % 4)]];
                packet.extend_from_slice(body);
                path.handle_rtp(now, address, &packet);
            }
            3 => path.handle_rtp(now, address, body),
            4 => path.handle_rtcp(now, address, body),
            5 => {
                let packet_time_ms = body.first().copied().unwrap_or(20);
                path.handle_command(
                    now,
                    VoiceCommand::Session(SessionParams {
                        packet_time_ms,
                        ..params
                    }),
                );
                let key = Key::ALL[usize::from(*length % 16)];
                path.handle_command(now, VoiceCommand::SendKey { key, duration_ms: 70 });
            }
            6 if body.len() < 3 => path.handle_command(now, VoiceCommand::EndSession),
            _ => {
                let mut frame = [0; FRAME];
                for _ in 0..(length % 16) {
                    now += Duration::from_millis(10);
                    path.playback(now, &mut frame);
                    path.capture(now, &frame);
                }
            }
        }
        while path.poll_transmit().is_some() {}
        while path.poll_event().is_some() {}
    }
}
