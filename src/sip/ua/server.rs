//! Server transactions: requests to us matched, repeated answers given from memory, everything else handed on.

use super::hop::Hop;
use super::wire::Arrived;
use super::{CallId, UserAgent};
use crate::sip::message::{HeaderName, Headers, Method, Request, Response, StatusCode};
use crate::sip::transaction::{Expiry, InviteServer, Repeated, Server};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

/// Server transactions at most. Only calls and requests within them make any, so strangers can't fill this.
pub(super) const SERVER_LIMIT: usize = 512;

/// A server transaction's name (RFC 3261 17.2.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerKey {
    branch: String,
    sent_by: String,
    /// INVITE for its ACK as well.
    method: String,
}

impl ServerKey {
    /// The name of the transaction that a request belongs to, by the branch or after RFC 2543.
    pub fn of(request: &Request) -> Option<Self> {
        let method = match request.method {
            Method::Ack => Method::Invite.as_str(),
            _ => request.method.as_str(),
        };
        Self::named(request, method)
    }

    /// The name of the INVITE that a CANCEL is for (RFC 3261 9.2).
    pub fn cancelled_by(request: &Request) -> Option<Self> {
        Self::named(request, Method::Invite.as_str())
    }

    fn named(request: &Request, method: &str) -> Option<Self> {
        let via = request.headers.via_top().ok()?;
        let (branch, sent_by) = match via.rfc3261_branch() {
            Some(branch) => (
                branch.into_owned(),
                format!("{}:{:?}", via.host, via.port).to_lowercase(),
            ),
            None => {
                let headers = &request.headers;
                let from = headers.from().ok()?;
                let number = headers.cseq().ok()?.number;
                let name = format!(
                    "{}|{:?}|{}|{number}",
                    request.uri,
                    from.tag(),
                    headers.call_id().ok()?
                );
                (name, via.to_string())
            }
        };
        Some(Self {
            branch,
            sent_by,
            method: method.to_owned(),
        })
    }
}

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(Server),
}

/// A server transaction with its messages.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    machine: Machine,
    pub arrived: Arrived,
    /// The call it belongs to.
    pub call: CallId,
    last: Option<Vec<u8>>,
}

impl ServerTransaction {
    fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::Other(machine) => machine.poll_timeout(),
        }
    }

    fn is_pending(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_pending(),
            Machine::Other(machine) => machine.is_pending(),
        }
    }
}

impl UserAgent {
    /// A request came in.
    pub(super) fn handle_request(&mut self, now: Instant, arrived: Arrived) {
        let Some(key) = ServerKey::of(&arrived.request) else {
            return;
        };
        if let Some(transaction) = self.servers.get_mut(&key) {
            let repeated = match (&mut transaction.machine, &arrived.request.method) {
                (Machine::Invite(machine), Method::Ack) => {
                    machine.handle_ack(now);
                    // An ACK with the INVITE's branch in a dialog: some clients do that to a 2xx as well.
                    return self.handle_ack(now, &arrived);
                }
                (Machine::Invite(machine), _) => machine.handle_repeated(),
                (Machine::Other(machine), _) => machine.handle_repeated(),
            };
            if let (Repeated::Resend, Some(bytes)) = (repeated, transaction.last.clone()) {
                let back = transaction.arrived.back;
                self.send_back(back, bytes);
            }
            return;
        }
        match arrived.request.method {
            Method::Ack => self.handle_ack(now, &arrived),
            Method::Cancel => self.handle_cancel(now, &arrived),
            _ => match arrived.request.headers.to() {
                Ok(to) if to.tag().is_some() => self.handle_in_dialog(now, key, arrived),
                _ => self.handle_stray(now, key, arrived),
            },
        }
    }

    /// Keeps a request as a transaction of a call. `false`: there are too many.
    pub(super) fn open_transaction(&mut self, key: ServerKey, arrived: Arrived, call: CallId) -> bool {
        if self.servers.len() >= SERVER_LIMIT {
            return false;
        }
        let reliable = arrived.back.transport.is_reliable();
        let machine = match arrived.request.method {
            Method::Invite => Machine::Invite(InviteServer::new(reliable)),
            _ => Machine::Other(Server::new(reliable)),
        };
        self.servers.insert(
            key,
            ServerTransaction {
                machine,
                arrived,
                call,
                last: None,
            },
        );
        true
    }

    /// Sends a response in its transaction; gives the bytes back where it was sent.
    pub(super) fn respond(&mut self, now: Instant, key: &ServerKey, response: Response) -> Option<Vec<u8>> {
        let transaction = self.servers.get_mut(key)?;
        let status = response.status.code();
        let allowed = match &mut transaction.machine {
            Machine::Invite(machine) => machine.respond(now, status),
            Machine::Other(machine) => machine.respond(now, status),
        };
        if !allowed {
            return None;
        }
        let back = transaction.arrived.back;
        let bytes = self.transmit_kept(back, response);
        if let Some(transaction) = self.servers.get_mut(key) {
            transaction.last = Some(bytes.clone());
        }
        Some(bytes)
    }

    /// Answers a transaction's request with a status and nothing more.
    pub(super) fn respond_plainly(
        &mut self,
        now: Instant,
        key: &ServerKey,
        status: StatusCode,
        to_tag: Option<&str>,
    ) {
        let Some(transaction) = self.servers.get(key) else {
            return;
        };
        let response = Response::to_request(&transaction.arrived.request.headers, status, to_tag);
        self.respond(now, key, response);
    }

    /// Answers a request without keeping anything of it: the same request gets the same answer
    /// (RFC 3261 8.2.7).
    pub(super) fn reply(&mut self, arrived: &Arrived, status: StatusCode) {
        let response = self.stateless_response(arrived, status);
        self.transmit_response(arrived.back, response);
    }

    pub(super) fn stateless_response(&self, arrived: &Arrived, status: StatusCode) -> Response {
        let headers = &arrived.request.headers;
        Response::to_request(headers, status, Some(&self.stateless_tag(headers)))
    }

    /// A To tag that follows from the request and a secret.
    pub(super) fn stateless_tag(&self, headers: &Headers) -> String {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        for name in [
            HeaderName::VIA,
            HeaderName::FROM,
            HeaderName::CALL_ID,
            HeaderName::CSEQ,
        ] {
            headers.first(&name).hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }

    /// Whether the same INVITE is under way over another path (RFC 3261 8.2.2.2).
    pub(super) fn is_merged(&self, request: &Request) -> bool {
        let (Ok(call_id), Ok(cseq), Ok(from)) = (
            request.headers.call_id(),
            request.headers.cseq(),
            request.headers.from(),
        ) else {
            return false;
        };
        self.servers.values().any(|transaction| {
            let other = &transaction.arrived.request.headers;
            transaction.is_pending()
                && other.call_id().is_ok_and(|id| id == call_id)
                && other.cseq().is_ok_and(|other| other == cseq)
                && other.from().is_ok_and(|other| other.tag() == from.tag())
        })
    }

    /// Timers of server transactions.
    pub(super) fn servers_timeout(&mut self, now: Instant) {
        let due = |t: &ServerTransaction| t.poll_timeout().is_some_and(|at| at <= now);
        let keys: Vec<ServerKey> = self
            .servers
            .iter()
            .filter(|(_, t)| due(t))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let Some(transaction) = self.servers.get_mut(&key) else {
                continue;
            };
            let expiry = match &mut transaction.machine {
                Machine::Invite(machine) => machine.handle_timeout(now),
                Machine::Other(machine) => machine.handle_timeout(now),
            };
            match expiry {
                Expiry::Nothing => {}
                Expiry::Retransmit => {
                    let back = transaction.arrived.back;
                    if let Some(bytes) = transaction.last.clone() {
                        self.send_back(back, bytes);
                    }
                }
                // A refusal that was never acknowledged (timer H) has nobody to tell.
                Expiry::TimedOut | Expiry::Terminated => {
                    self.servers.remove(&key);
                }
            }
        }
    }

    pub(super) fn servers_poll(&self) -> Option<Instant> {
        self.servers
            .values()
            .filter_map(ServerTransaction::poll_timeout)
            .min()
    }

    /// The hop that leads back to where a request came from.
    pub(super) fn hop_back(arrived: &Arrived) -> Hop {
        Hop {
            transport: arrived.back.transport,
            remote: arrived.remote,
            local_ip: arrived.local.ip(),
            domain: arrived.back.domain,
            secure: arrived.request.uri.as_sip().is_some_and(|uri| uri.secure),
            tier: 0,
        }
    }
}
