//! Body of a fuzz target: whatever arrives at a session's sockets, nothing panics and no timer stands still.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Traversal, TraversalConfig};
use crate::media::TransmitKind;
use crate::media::ice::{Candidate, CandidateKind, Credentials, Description, PACE};
use crate::media::stun::{Class, MessageWriter, TransactionId};
use crate::media::turn::TurnServer;

/// Reads `bytes` as a list of operations: datagrams as they are, messages with a well-formed head, time.
pub fn operations(bytes: &[u8]) {
    #[expect(
        clippy::disallowed_methods,
        reason = "only differences matter, and none is measured"
    )]
    let mut now = Instant::now();
    let server = SocketAddr::from(([192, 0, 2, 1], 3478));
    let peer = SocketAddr::from(([192, 0, 2, 2], 4000));
    let config = TraversalConfig {
        ice: true,
        stun_server: Some(server),
        turn_server: Some(TurnServer {
            address: server,
            username: "user".to_owned(),
            password: "word".into(),
        }),
    };
    let mut traversal = Traversal::new(now, &config, 16_384, [7; 32]);
    let remote = Description {
        credentials: Credentials {
            username_fragment: "peer".to_owned(),
            password: "password of the peer".to_owned(),
        },
        lite: false,
        pace: PACE,
        candidates: vec![Candidate {
            foundation: "1".to_owned(),
            component: TransmitKind::Rtp,
            priority: 1,
            address: peer,
            kind: CandidateKind::Host,
            related: None,
        }],
    };
    let mut last_sent = TransactionId([0; 12]);
    let mut rest = bytes;
    while let [operation, length, more @ ..] = rest {
        let (body, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        let socket = if operation & 0x10 == 0 {
            TransmitKind::Rtp
        } else {
            TransmitKind::Rtcp
        };
        let from = if operation & 0x20 == 0 { server } else { peer };
        let relayed = operation & 0x40 != 0;
        match operation % 8 {
            0..=3 => traversal.handle_datagram(now, socket, from, relayed, body),
            // An answer, or a request, with attributes of anybody's choice.
            4 | 5 => {
                let class = [Class::Request, Class::Success, Class::Error, Class::Indication];
                let [kind, method, attribute, value @ ..] = body else {
                    continue;
                };
                let message =
                    MessageWriter::new(class[usize::from(kind % 4)], u16::from(method % 10), last_sent)
                        .value(u16::from(*attribute), value)
                        .seal(b"password of the peer")
                        .fingerprint()
                        .finish();
                traversal.handle_datagram(now, socket, from, relayed, &message);
            }
            6 => {
                let ip = [10, 0, 0, 2].into();
                traversal.connect(now, ip, None, Some(&remote), relayed, *length % 2 == 0);
            }
            _ => {
                now += Duration::from_millis(u64::from(*length) * 10);
                traversal.handle_timeout(now);
                let due = traversal.poll_timeout();
                assert!(due.is_none_or(|due| due > now), "a timer that doesn't move on");
            }
        }
        while let Some(outgoing) = traversal.poll_transmit() {
            if let Some(id) = outgoing.bytes.get(8..20) {
                last_sent.0.copy_from_slice(id);
            }
        }
        while traversal.poll_event().is_some() {}
    }
    traversal.close(now);
}
