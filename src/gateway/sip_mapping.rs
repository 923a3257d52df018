//! The address that our SIP socket has outside, asked of the STUN server often enough to keep it alive (RFC 5626 section
//! 3.5.2), and whether it has changed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Output;
use crate::media::stun::{BindingClient, Message, is_stun};
use crate::sip::ua::Transport;

/// Between two questions, at least and at most (RFC 5626 section 4.4.1: 24 to 29 s over UDP).
const ASK_AFTER_MS: std::ops::Range<u64> = 24_000..29_000;

/// What one UDP socket knows of itself.
#[derive(Debug)]
pub(super) struct SipMapping {
    random: StdRng,
    client: Option<BindingClient>,
    known: Option<SocketAddr>,
}

impl SipMapping {
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            random: StdRng::from_seed(seed),
            client: None,
            known: None,
        }
    }

    /// From now on this server is asked, or nobody.
    pub fn set_server(&mut self, now: Instant, server: Option<SocketAddr>) {
        if self.client.as_ref().map(BindingClient::server) == server {
            return;
        }
        self.known = None;
        let every = Duration::from_millis(self.random.random_range(ASK_AFTER_MS));
        self.client = server.map(|server| BindingClient::new(now, server, Some(every), &mut self.random));
    }

    /// Whether a datagram is the server's; otherwise it is SIP, or a stranger's.
    pub fn is_from_server(&self, remote: SocketAddr, bytes: &[u8]) -> bool {
        is_stun(bytes)
            && self
                .client
                .as_ref()
                .is_some_and(|client| client.server() == remote)
    }

    /// Takes the server's answer. `true`: our address outside is another than it was.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let (Some(client), Some(message)) = (&mut self.client, Message::parse(bytes)) else {
            return false;
        };
        client.handle_message(now, &message);
        let mapped = client.mapped();
        let changed = self.known.is_some() && mapped != self.known;
        self.known = mapped;
        changed
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(client) = &mut self.client
            && client.poll_timeout().is_some_and(|due| due <= now)
        {
            client.handle_timeout(now, &mut self.random);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.client.as_ref()?.poll_timeout()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        let client = self.client.as_mut()?;
        let bytes = client.poll_transmit()?;
        Some(Output::Transmit {
            transport: Transport::Udp,
            remote: client.server(),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::stun::{Class, MessageWriter, attribute, method};
    use crate::testing::epoch;

    #[test]
    fn a_changed_mapping_is_noticed_within_half_a_minute() {
        let mut now = epoch();
        let server = SocketAddr::from(([192, 0, 2, 9], 3478));
        let mut mapping = SipMapping::new([1; 32]);
        mapping.set_server(now, Some(server));
        let mut changes = Vec::new();
        for port in [40_000, 40_000, 40_001, 40_001] {
            let Some(Output::Transmit { remote, bytes, .. }) = mapping.poll_output() else {
                panic!("a question");
            };
            assert_eq!(remote, server);
            let id = Message::parse(&bytes).unwrap().transaction();
            let mapped = SocketAddr::from(([203, 0, 113, 7], port));
            let answer = MessageWriter::new(Class::Success, method::BINDING, id)
                .xor_address(attribute::XOR_MAPPED_ADDRESS, mapped)
                .finish();
            assert!(mapping.is_from_server(server, &answer));
            assert!(!mapping.is_from_server(server, b"OPTIONS sip:us SIP/2.0\r\n"));
            changes.push(mapping.handle_datagram(now, &answer));
            let due = mapping.poll_timeout().unwrap();
            let waited = due.duration_since(now).as_secs();
            assert!((24..29).contains(&waited), "{waited} s");
            now = due;
            mapping.handle_timeout(now);
        }
        assert_eq!(changes, [false, false, true, false]);
    }
}
