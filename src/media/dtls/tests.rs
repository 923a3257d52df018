use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::media::srtp::{SrtpKeys, Suite};
use crate::testing::epoch;

fn identity(seed: u64) -> Identity {
    Identity::repeatable(seed)
}

/// Two ends and what lies between them.
struct Pair {
    now: Instant,
    ends: [Handshake; 2],
    came: [Option<HandshakeEvent>; 2],
    sent: usize,
}

impl Pair {
    /// A client and a server that expect these certificates of each other.
    fn new(expected_by_client: &Identity, expected_by_server: &Identity) -> Self {
        let now = epoch();
        let agreement = |role, expected: &Identity| Agreement {
            role,
            fingerprints: vec![Fingerprint::of(b"another of theirs"), expected.fingerprint()],
        };
        Self {
            now,
            ends: [
                Handshake::new(now, &identity(1), agreement(Role::Client, expected_by_client)),
                Handshake::new(now, &identity(2), agreement(Role::Server, expected_by_server)),
            ],
            came: [None, None],
            sent: 0,
        }
    }

    /// Runs until nothing is left to happen before `end`; `lost` says which datagrams never arrive.
    fn run(&mut self, end: Duration, mut lost: impl FnMut(usize) -> bool) {
        let end = self.now + end;
        loop {
            for from in [0, 1] {
                while let Some(datagram) = self.ends[from].poll_transmit() {
                    assert!(is_dtls(&datagram) && datagram.len() <= 1200);
                    self.sent += 1;
                    if !lost(self.sent) {
                        self.ends[1 - from].handle_datagram(self.now, &datagram);
                    }
                    for end in [0, 1] {
                        let event = self.ends[end].poll_event();
                        assert!(event.is_none() || self.came[end].is_none(), "told twice");
                        self.came[end] = self.came[end].take().or(event);
                    }
                }
            }
            if self.ends.iter_mut().any(|end| !end.transmit_is_empty()) {
                continue;
            }
            let due = self.ends.iter().filter_map(Handshake::poll_timeout).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                return;
            };
            assert!(due > self.now, "a timer stands still");
            self.now = due;
            for at in [0, 1] {
                self.ends[at].handle_timeout(due);
                let event = self.ends[at].poll_event();
                self.came[at] = self.came[at].take().or(event);
            }
        }
    }

    fn keys(&self) -> [&SrtpKeys; 2] {
        self.came.each_ref().map(|came| match came {
            Some(HandshakeEvent::Keys(keys)) => keys,
            other => panic!("{other:?}"),
        })
    }
}

#[test]
fn both_ends_get_each_others_keys_in_no_time() {
    let mut pair = Pair::new(&identity(2), &identity(1));
    pair.run(Duration::from_millis(100), |_| false);
    let [client, server] = pair.keys();
    assert_eq!(client.local, server.remote);
    assert_eq!(client.remote, server.local);
    assert_ne!(client.local, client.remote);
    assert_eq!(client.local.suite(), Suite::AeadAes256Gcm);
    // HelloVerifyRequest, then three flights.
    assert!(pair.sent <= 8, "{}", pair.sent);
}

#[test]
fn lost_datagrams_are_sent_again() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut pair = Pair::new(&identity(2), &identity(1));
        pair.run(Duration::from_secs(9), |_| random.random_bool(0.2));
        let [client, server] = pair.keys();
        assert_eq!(client.local, server.remote, "seed {seed}");
    }
}

#[test]
fn each_single_datagram_may_be_lost() {
    for number in 1..=8 {
        let mut pair = Pair::new(&identity(2), &identity(1));
        pair.run(Duration::from_secs(3), |sent| sent == number);
        let [client, server] = pair.keys();
        assert_eq!(client.local, server.remote, "datagram {number}");
    }
}

#[test]
fn another_certificate_than_the_one_agreed_on_brings_no_keys() {
    let stranger = identity(3);
    let mut pair = Pair::new(&stranger, &identity(1));
    pair.run(Duration::from_secs(20), |_| false);
    let shown = identity(2).fingerprint();
    assert_eq!(
        pair.came[0],
        Some(HandshakeEvent::Failed(DtlsError::Fingerprint(shown)))
    );
    assert!(!matches!(pair.came[1], Some(HandshakeEvent::Keys(_))));
    assert!(pair.ends[0].has_failed());

    let mut pair = Pair::new(&identity(2), &stranger);
    pair.run(Duration::from_secs(20), |_| false);
    let shown = identity(1).fingerprint();
    assert_eq!(
        pair.came[1],
        Some(HandshakeEvent::Failed(DtlsError::Fingerprint(shown)))
    );
    assert!(!matches!(pair.came[0], Some(HandshakeEvent::Keys(_))));
}

#[test]
fn nobody_there_is_a_failure_after_ten_seconds_at_the_latest() {
    let mut pair = Pair::new(&identity(2), &identity(1));
    pair.run(Duration::from_secs(10), |_| true);
    for came in &pair.came {
        assert_eq!(*came, Some(HandshakeEvent::Failed(DtlsError::TimedOut)));
    }
    assert!(pair.ends.iter().all(|end| end.poll_timeout().is_none()));
    assert!((4..=8).contains(&pair.sent), "{} flights", pair.sent);
}

#[test]
fn replayed_and_damaged_datagrams_change_nothing() {
    let mut pair = Pair::new(&identity(2), &identity(1));
    let mut random = StdRng::seed_from_u64(5);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for _ in 0..200 {
        for from in [0, 1] {
            while let Some(datagram) = pair.ends[from].poll_transmit() {
                let mut damaged = datagram.clone();
                // Not the record's head: a length that lies cuts a datagram short, as a loss would.
                let at = random.random_range(RECORD_HEADER_BYTES..damaged.len());
                damaged[at] ^= 0x10;
                if datagram[3..5] != [0, 0] {
                    // Sealed: the damage shows.
                    pair.ends[1 - from].handle_datagram(pair.now, &damaged);
                }
                pair.ends[1 - from].handle_datagram(pair.now, &datagram);
                pair.ends[1 - from].handle_datagram(pair.now, &[0x16; 40]);
                seen.push(datagram);
            }
        }
    }
    for datagram in &seen {
        for end in &mut pair.ends {
            end.handle_datagram(pair.now, datagram);
            while end.poll_transmit().is_some() {}
        }
    }
    for end in [0, 1] {
        pair.came[end] = pair.ends[end].poll_event();
    }
    let [client, server] = pair.keys();
    assert_eq!(client.local, server.remote);
    pair.run(Duration::from_secs(60), |_| false);
    assert!(
        pair.ends.iter().all(|end| end.poll_timeout().is_none()),
        "nothing is left to do"
    );
}

#[test]
fn both_ends_in_the_same_role_come_to_nothing() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new(&identity(2), &identity(1));
        for (end, other) in [(0, 2), (1, 1)] {
            let fingerprints = vec![identity(other).fingerprint()];
            let own = identity(3 - other);
            pair.ends[end] = Handshake::new(pair.now, &own, Agreement { role, fingerprints });
        }
        pair.run(Duration::from_secs(20), |_| false);
        for came in &pair.came {
            assert!(
                matches!(came, Some(HandshakeEvent::Failed(_))),
                "{role:?}: {came:?}"
            );
        }
    }
}

#[test]
fn fingerprints_as_text() {
    let fingerprint = identity(1).fingerprint();
    let text = fingerprint.to_string();
    assert_eq!(text.len(), 95);
    assert_eq!(Fingerprint::parse(&text), Some(fingerprint));
    assert_eq!(Fingerprint::parse(&text.to_ascii_lowercase()), Some(fingerprint));
    for wrong in [
        "",
        ":",
        &text[3..],
        &format!("{text}:00"),
        &text.replace(':', ""),
        &text.replacen(':', ":+", 1),
    ] {
        assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
    }
    assert_ne!(identity(1).fingerprint(), identity(2).fingerprint());
}

#[test]
fn dtls_is_told_from_what_else_comes_to_a_media_port() {
    assert!(is_dtls(&[0x16; 13]) && is_dtls(&[20; 13]) && is_dtls(&[63; 13]));
    assert!(!is_dtls(&[0x16; 12]) && !is_dtls(&[19; 13]) && !is_dtls(&[64; 13]) && !is_dtls(&[0x80; 13]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_arrives_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz::operations(&bytes);
    }

    #[test]
    fn no_text_panics(text in ".{0,100}") {
        let _ = Fingerprint::parse(&text);
    }
}
