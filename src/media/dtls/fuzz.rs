//! Body of a fuzz target: whatever arrives during a handshake, nothing panics, and nobody gets keys who isn't the peer.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Agreement, Fingerprint, Handshake, HandshakeEvent, Identity, Role};

/// Datagrams as they are, datagrams of the other end with damage, and time, for both roles.
pub fn operations(bytes: &[u8]) {
    #[expect(
        clippy::disallowed_methods,
        reason = "only differences matter, and none is measured"
    )]
    let mut now = Instant::now();
    let Ok(identity) = Identity::new(&mut StdRng::seed_from_u64(1)) else {
        return;
    };
    // Nobody has this certificate.
    let agreement = |role| Agreement {
        role,
        fingerprints: vec![Fingerprint::of(b"somebody else")],
    };
    let mut ends = [Role::Client, Role::Server].map(|role| Handshake::new(now, &identity, agreement(role)));
    let mut rest = bytes;
    while let [operation, length, more @ ..] = rest {
        let (body, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        let to = usize::from(operation >> 7);
        match operation % 4 {
            0 => ends[to].handle_datagram(now, body),
            1 => now += Duration::from_millis(u64::from(*length) * 10),
            _ => {
                let Some(mut datagram) = ends[1 - to].poll_transmit() else {
                    continue;
                };
                for pair in body.chunks_exact(2) {
                    let at = usize::from(pair[0]) * 5 % datagram.len();
                    datagram[at] ^= pair[1];
                }
                ends[to].handle_datagram(now, &datagram);
                if operation % 4 == 3 {
                    ends[to].handle_datagram(now, &datagram);
                }
            }
        }
        for end in &mut ends {
            if end.poll_timeout().is_some_and(|due| due <= now) {
                end.handle_timeout(now);
            }
            assert!(
                end.poll_timeout().is_none_or(|due| due > now),
                "a timer stands still"
            );
            let event = end.poll_event();
            assert!(
                !matches!(event, Some(HandshakeEvent::Keys(_))),
                "keys for a stranger"
            );
        }
    }
}
