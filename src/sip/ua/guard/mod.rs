//! Who may speak to us, and how much.
//!
//! The servers of the accounts (whatever addresses DNS names for them, any port), whom we have sent a request to, the
//! peers of dialogs, our own socket, and the networks that `accept_from` lists are heard. Everybody else gets no answer,
//! whatever they send: a scanner doesn't learn that anybody is here. The source is looked at before the message is read,
//! so that a flood costs next to nothing; a message from a strange address that carries a tag of ours, which nobody can
//! guess, is a dialog peer's whose proxy has moved.
//!
//! Where `accept_from` has `any`, sources may be forged (RFC 3261 26.1.5 and 26.3.2.4 have the attacks). What goes to such a source over UDP is
//! bounded by what came from it: never more bytes than it sent in answer to what nothing is kept of, and never more
//! than three times as many in all (the limit of RFC 9000 8.1), until it shows in a dialog that it hears us.

mod network;
mod sources;

pub use network::Network;

use super::call::{Call, Stage};
use super::hop::Hop;
use super::{AccountName, CallId, Transport, UserAgent, Waiter};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderName, Response, Uri};
use sources::{Rate, Sources};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A source that is known may send so much: several calls' worth of everything, and bursts after an outage.
const KNOWN: Rate = Rate {
    per_second: 500.0,
    at_once: 2000.0,
};

/// A source that nothing is known of.
const UNPROVEN: Rate = Rate {
    per_second: 20.0,
    at_once: 40.0,
};

/// Bytes to an unproven source for each one from it: in answer to what nothing is kept of, and in all.
const STATELESS_FACTOR: u64 = 1;
const TOTAL_FACTOR: u64 = 3;

/// Addresses kept of one account's servers. DNS may name others each time it is asked.
const SERVERS_MAX: usize = 32;

/// Tags stand in From and To, among a message's first headers.
const HEAD_BYTES: usize = 4096;

/// Whom to hear beside the accounts' servers and the peers of dialogs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Our own socket as lines of this machine reach each other over it.
    pub own: Option<SocketAddr>,
    /// Whoever it is.
    pub anybody: bool,
    /// These, for every account.
    pub networks: Vec<Network>,
    /// These as if they were the account's own servers.
    pub by_account: BTreeMap<AccountName, Vec<Network>>,
}

/// How well a source is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A server, a peer, ourselves, or one of the networks listed.
    Known,
    /// Only `any` lets it in, and it has not shown that it hears us.
    Unproven,
}

/// What the user agent knows of who may speak to it.
#[derive(Debug, Default)]
pub(super) struct Guard {
    admission: Admission,
    /// What DNS named, newest last.
    servers: BTreeMap<AccountName, Vec<IpAddr>>,
    sources: Sources,
}

impl Guard {
    pub fn set_admission(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// DNS names these addresses for an account's server.
    pub fn learn(&mut self, account: &AccountName, addresses: impl Iterator<Item = IpAddr>) {
        let known = self.servers.entry(account.clone()).or_default();
        for address in addresses.map(|address| address.to_canonical()) {
            known.retain(|other| *other != address);
            if known.len() >= SERVERS_MAX {
                known.remove(0);
            }
            known.push(address);
        }
    }

    /// Forgets the servers of accounts that are gone.
    pub fn keep(&mut self, account: impl Fn(&AccountName) -> bool) {
        self.servers.retain(|name, _| account(name));
    }

    /// Whether an address is one of an account's servers, or listed as one.
    pub fn is_server_of(&self, account: &AccountName, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.servers
            .get(account)
            .is_some_and(|known| known.contains(&address))
            || self
                .admission
                .by_account
                .get(account)
                .is_some_and(|networks| networks.iter().any(|network| network.contains(address)))
    }

    fn is_server(&self, address: IpAddr) -> bool {
        self.servers.values().any(|known| known.contains(&address))
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        let by_account = self.admission.by_account.values().flatten();
        self.admission
            .networks
            .iter()
            .chain(by_account)
            .any(|network| network.contains(address))
    }

    /// Sources whose rate is remembered.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }
}

impl UserAgent {
    /// Whether a datagram from there is worth reading. The daemon asks before it does anything else about it.
    pub fn hears(&self, remote: SocketAddr, datagram: &[u8]) -> bool {
        self.standing(Transport::Udp, remote).is_some() || self.carries_our_tag(datagram)
    }

    /// Whether a connection from there is worth taking.
    pub fn takes_connection(&self, remote: SocketAddr) -> bool {
        self.standing(Transport::Tcp, remote).is_some()
    }

    /// Where a call's messages come from and go.
    pub fn peer_address(&self, call: CallId) -> Option<SocketAddr> {
        match &self.calls.get(&call)?.stage {
            Stage::Up(session) => Some(session.hop.remote),
            Stage::Outgoing(_) | Stage::Incoming(_) => None,
        }
    }

    /// Whether a message from there is read. One that is counts against its source's rate.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        transport: Transport,
        remote: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let rate = match self.standing(transport, remote) {
            _ if self.is_own(transport, remote) => return true,
            Some(Standing::Known) => KNOWN,
            Some(Standing::Unproven) => UNPROVEN,
            None if self.carries_our_tag(bytes) => KNOWN,
            None => return false,
        };
        self.guard.sources.take(now, remote.ip(), bytes.len(), rate)
    }

    /// What DNS says of an account's server. Where a redirection or a peer has led us is not an account's.
    pub(super) fn learn_servers(&mut self, waiter: &Waiter, hops: &[Hop]) {
        let account = match waiter {
            Waiter::Registration(account) | Waiter::Recheck(account) | Waiter::Address(account) => {
                Some(account.clone())
            }
            Waiter::Call(call) => self.calls.get(call).and_then(|call| match &call.stage {
                Stage::Outgoing(outgoing) if !outgoing.redirects.is_under_way() => {
                    call.account.as_ref().map(|account| account.name.clone())
                }
                _ => None,
            }),
        };
        if let Some(account) = account {
            self.guard.learn(&account, hops.iter().map(|hop| hop.remote.ip()));
        }
    }

    /// Whether these bytes may go to where a request came from; see the rule in the module's documentation.
    pub(super) fn may_send(&mut self, transport: Transport, remote: SocketAddr, bytes: usize) -> bool {
        self.within(transport, remote, bytes, TOTAL_FACTOR)
    }

    /// A response that nothing is kept of, as much of it as its receiver is owed.
    pub(super) fn fitted(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        mut response: Response,
    ) -> Option<Vec<u8>> {
        let whole = response.to_bytes();
        if self.within(transport, remote, whole.len(), STATELESS_FACTOR) {
            return Some(whole);
        }
        // What a response may do without (RFC 3261 table 2: none of these is mandatory in it).
        for name in [
            HeaderName::ALLOW,
            HeaderName::ACCEPT,
            HeaderName::ALLOW_EVENTS,
            HeaderName::SUPPORTED,
            HeaderName::SERVER,
        ] {
            response.headers.remove(&name);
        }
        let short = response.to_bytes();
        self.within(transport, remote, short.len(), STATELESS_FACTOR)
            .then_some(short)
    }

    fn within(&mut self, transport: Transport, remote: SocketAddr, bytes: usize, factor: u64) -> bool {
        let unproven = transport == Transport::Udp
            && self.guard.admission.anybody
            && self.standing(transport, remote) == Some(Standing::Unproven);
        !unproven || self.guard.sources.spend(remote.ip(), bytes, factor)
    }

    /// `None`: a stranger.
    fn standing(&self, transport: Transport, remote: SocketAddr) -> Option<Standing> {
        let address = remote.ip().to_canonical();
        let sent_to = || {
            self.clients
                .values()
                .any(|client| client.hop.remote.ip() == address)
        };
        let peer = || self.calls.values().any(|call| call.has_peer(address));
        if self.is_own(transport, remote)
            || self.guard.is_server(address)
            || self.guard.is_listed(address)
            || peer()
            || sent_to()
        {
            return Some(Standing::Known);
        }
        if self.guard.admission.anybody {
            return Some(Standing::Unproven);
        }
        // Let in by a configuration that has changed since.
        let pending = || {
            let mut servers = self.servers.values();
            servers.any(|server| server.arrived.remote.ip().to_canonical() == address)
        };
        pending().then_some(Standing::Known)
    }

    /// Whether it is our own socket that sends: one line of this machine calling another.
    fn is_own(&self, transport: Transport, remote: SocketAddr) -> bool {
        let Some(own) = self.guard.admission.own else {
            return false;
        };
        match transport {
            Transport::Udp => remote == own,
            // Connections leave from any port. Without UDP this is how lines reach each other.
            _ => self.config.udp_port.is_none() && remote.ip() == own.ip(),
        }
    }

    /// Whether a request carries a tag that we gave a dialog: only its peers know it.
    fn carries_our_tag(&self, bytes: &[u8]) -> bool {
        const NAME: &[u8] = b"tag=";
        if self.calls.is_empty() {
            return false;
        }
        let head = &bytes[..bytes.len().min(HEAD_BYTES)];
        let mut places = head.windows(NAME.len()).enumerate();
        places.any(|(at, window)| {
            let tag = &head[at + NAME.len()..];
            window.eq_ignore_ascii_case(NAME) && self.calls.values().any(|call| call.has_local_tag(tag))
        })
    }
}

impl Call {
    /// Whether the call's peer is at that address and has shown that it hears us.
    fn has_peer(&self, address: IpAddr) -> bool {
        let Stage::Up(session) = &self.stage else {
            return false;
        };
        let unacknowledged = session
            .unacknowledged
            .as_ref()
            .is_some_and(|waiting| waiting.initial);
        if unacknowledged && !session.we_called {
            return false;
        }
        let at = |uri: &Uri| uri.as_sip().and_then(|sip| sip.host.ip()) == Some(address);
        session.hop.remote.ip().to_canonical() == address
            || at(session.dialog.next_hop())
            || at(session.dialog.remote_target())
    }

    /// Whether `text` begins with the call's tag of ours.
    fn has_local_tag(&self, text: &[u8]) -> bool {
        let is_ours = |dialog: &Dialog| {
            let tag = dialog.local_tag();
            !tag.is_empty() && text.starts_with(tag.as_bytes())
        };
        match &self.stage {
            Stage::Outgoing(outgoing) => outgoing.early.first().is_some_and(|early| is_ours(&early.dialog)),
            Stage::Incoming(incoming) => is_ours(&incoming.dialog),
            Stage::Up(session) => is_ours(&session.dialog),
        }
    }
}
