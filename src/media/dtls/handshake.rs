//! One handshake, from the first flight to the keys.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dimpl::{Dtls, KeyingMaterial, Output, SrtpProfile};
use zeroize::Zeroizing;

use super::{Agreement, DtlsError, Fingerprint, Identity, Role};
use crate::media::srtp::{MasterKey, SrtpKeys, Suite};

/// A handshake that has brought no keys after so long brings none: people say "hello" twice and hang up.
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// An unanswered flight is sent again after so long, then at doubled distances. RFC 6347 section 4.2.4.1 wants 1 s, for
/// the network's sake; but these are some ten small datagrams beside fifty of speech a second, and somebody has just said
/// their name. Browsers begin with 50 ms.
pub(super) const FIRST_RETRY_AFTER: Duration = Duration::from_millis(250);

/// Retransmissions of one flight, those that the peer's own retransmissions ask for included; it is the time above that
/// ends the handshake.
pub(super) const RETRIES_MAX: usize = 8;

/// Room for the records of one datagram.
const DATAGRAM_BYTES: usize = 2048;

/// The peer may ask for our last flight again for so long (RFC 6347 section 4.2.4: twice the longest life of a segment,
/// which is not four minutes in a telephone call).
const ANSWERED_FOR: Duration = Duration::from_secs(30);

/// A timer of dimpl's that is due at once is due so much later, whatever happens.
const SOON: Duration = Duration::from_millis(1);

/// What a handshake came to; one of them comes, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeEvent {
    /// The peer is who SIP said it is, and these are the keys.
    Keys(SrtpKeys),
    /// There are none.
    Failed(DtlsError),
}

/// One handshake. It lives on for a while after its end: the peer may not have got the last flight.
#[derive(Debug)]
pub struct Handshake {
    /// `None`: nothing of it is left to do.
    dtls: Option<Dtls>,
    agreement: Agreement,
    state: State,
    /// It has brought keys by then, or failed; and after that, nobody asks for its last flight any more.
    deadline: Instant,
    due: Option<Instant>,
    transmit: VecDeque<Vec<u8>>,
    event: Option<HandshakeEvent>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// We don't know yet who the peer is.
    Unknown,
    /// Its certificate is one of those agreed on.
    Verified,
    /// It has brought keys.
    Done,
    /// It has not, and won't.
    Failed,
}

impl Handshake {
    /// Begins, or waits for the peer to begin.
    pub fn new(now: Instant, identity: &Identity, agreement: Agreement) -> Self {
        let mut dtls = Dtls::new_12(identity.config.clone(), identity.certificate.clone(), now);
        dtls.set_active(agreement.role == Role::Client);
        let mut handshake = Self {
            dtls: Some(dtls),
            agreement,
            state: State::Unknown,
            deadline: now + WITHIN,
            due: None,
            transmit: VecDeque::new(),
            event: None,
        };
        handshake.handle_timeout(now);
        handshake
    }

    /// Takes a datagram of the peer's. What is no DTLS, damaged, or was here before changes nothing.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) {
        if let Some(dtls) = &mut self.dtls {
            let taken = dtls.handle_timeout(now).and_then(|()| dtls.handle_packet(bytes));
            self.proceed(now, taken);
        }
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(dtls) = &mut self.dtls else { return };
        if now < self.deadline {
            let taken = dtls.handle_timeout(now);
            self.proceed(now, taken);
        } else if self.state == State::Done {
            self.dtls = None;
        } else {
            self.fail(DtlsError::TimedOut);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.dtls.as_ref()?;
        self.due.into_iter().chain([self.deadline]).min()
    }

    /// The next datagram to send to the peer.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }

    /// What it came to.
    pub fn poll_event(&mut self) -> Option<HandshakeEvent> {
        self.event.take()
    }

    /// Whether it has failed: only another one can bring keys.
    pub fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    #[cfg(test)]
    pub(super) fn transmit_is_empty(&self) -> bool {
        self.transmit.is_empty()
    }

    fn proceed(&mut self, now: Instant, taken: Result<(), dimpl::Error>) {
        // What was queued before an error still leaves.
        self.drain(now);
        match taken {
            Ok(()) => {}
            // After any error there is no going on; the keys we have are none the worse for it.
            Err(_) if self.state == State::Done => self.dtls = None,
            Err(dimpl::Error::Timeout(_)) => self.fail(DtlsError::TimedOut),
            Err(other) => self.fail(DtlsError::Failed(other.to_string())),
        }
    }

    fn drain(&mut self, now: Instant) {
        let mut buffer = Zeroizing::new(vec![0; DATAGRAM_BYTES]);
        let mut connected = false;
        while let Some(dtls) = &mut self.dtls {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(bytes) => self.transmit.push_back(bytes.to_vec()),
                Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                Output::PeerCert(certificate) => self.verify(Fingerprint::of(certificate)),
                Output::Connected => connected = true,
                Output::KeyingMaterial(material, profile) => self.keys(now, &material, profile),
                Output::Timeout(at) => {
                    self.due = Some(at.max(now + SOON));
                    if connected && self.state != State::Done {
                        self.fail(DtlsError::NoKeys);
                    }
                    return;
                }
                // Nothing else is wanted; the end of the call is SIP's to tell.
                _ => {}
            }
        }
    }

    fn verify(&mut self, shown: Fingerprint) {
        if self.agreement.fingerprints.contains(&shown) {
            self.state = State::Verified;
        } else {
            self.fail(DtlsError::Fingerprint(shown));
        }
    }

    /// RFC 5764 section 4.2: the client's key, the server's, the client's salt, the server's.
    fn keys(&mut self, now: Instant, material: &KeyingMaterial, profile: SrtpProfile) {
        let verified = self.state == State::Verified;
        let keys = suite(profile).filter(|_| verified).and_then(|suite| {
            let (keys, salts) = material.split_at_checked(2 * suite.key_bytes())?;
            let (client_key, server_key) = keys.split_at(suite.key_bytes());
            let (client_salt, server_salt) = salts.split_at_checked(suite.salt_bytes())?;
            let master = |key: &[u8], salt: &[u8]| {
                let material = Zeroizing::new([key, salt].concat());
                MasterKey::new(suite, &material)
            };
            let client = master(client_key, client_salt)?;
            let server = master(server_key, server_salt)?;
            let (local, remote) = match self.agreement.role {
                Role::Client => (client, server),
                Role::Server => (server, client),
            };
            Some(SrtpKeys {
                local,
                remote,
                remote_mki_bytes: 0,
            })
        });
        match keys {
            Some(keys) => {
                self.state = State::Done;
                self.deadline = now + ANSWERED_FOR;
                self.event = Some(HandshakeEvent::Keys(keys));
            }
            None => self.fail(DtlsError::NoKeys),
        }
    }

    fn fail(&mut self, error: DtlsError) {
        self.state = State::Failed;
        self.dtls = None;
        self.event = Some(HandshakeEvent::Failed(error));
    }
}

/// The suites of dimpl that are ours.
fn suite(profile: SrtpProfile) -> Option<Suite> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(Suite::AesCm128HmacSha1_80),
        SrtpProfile::AEAD_AES_128_GCM => Some(Suite::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Suite::AeadAes256Gcm),
        _ => None,
    }
}
