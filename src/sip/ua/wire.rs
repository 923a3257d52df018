//! Bytes in and out: messages parsed and handed to whom they concern, streams framed.

use super::hop::{Connection, DomainId, Hop, SIP_PORT};
use super::{Transport, UaOutput, UserAgent};
use crate::sip::framing::{Frame, PONG};
use crate::sip::message::{HeaderName, Message, Method, ParseError, Request, Response, Via};
use std::net::SocketAddr;
use std::time::Instant;

/// Connections followed at once; more than that is nobody we know.
const STREAM_LIMIT: usize = 64;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub request: Request,
    pub back: Return,
    /// Our address as the sender reaches it.
    pub local: SocketAddr,
    /// Where it came from.
    pub remote: SocketAddr,
}

/// Where responses go (RFC 3261 18.2.2, RFC 3581 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Return {
    pub transport: Transport,
    pub remote: SocketAddr,
    /// Proved by the other end of the connection it came over.
    pub domain: Option<DomainId>,
}

impl Return {
    /// Over the connection it came by.
    fn over(connection: Connection) -> Self {
        let Connection {
            transport,
            remote,
            domain,
        } = connection;
        Self {
            transport,
            remote,
            domain,
        }
    }
}

impl Arrived {
    /// The peer's tag; empty where it has none.
    pub fn remote_tag(&self) -> String {
        let from = self.request.headers.from().ok();
        let tag = from.as_ref().and_then(|from| from.tag());
        tag.map(|tag| tag.into_owned()).unwrap_or_default()
    }
}

impl UserAgent {
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        bytes: &[u8],
    ) {
        if !self.admit(now, Transport::Udp, remote, bytes) {
            return;
        }
        let from = Connection {
            transport: Transport::Udp,
            remote,
            domain: None,
        };
        self.handle_message(now, from, local, Message::parse(bytes));
    }

    /// Bytes of a connection.
    pub(super) fn handle_stream(
        &mut self,
        now: Instant,
        connection: Connection,
        local: SocketAddr,
        bytes: &[u8],
    ) {
        let Connection {
            transport, remote, ..
        } = connection;
        let crowded = !self.streams.contains_key(&connection) && self.streams.len() >= STREAM_LIMIT;
        if crowded || !self.admit(now, transport, remote, bytes) {
            return;
        }
        let mut framer = self.streams.remove(&connection).unwrap_or_default();
        framer.push(bytes);
        while let Some(frame) = framer.poll() {
            match frame {
                Frame::Message(message) => self.handle_message(now, connection, local, Ok(message)),
                // Where the next message starts is unknown; whatever else comes on this connection is lost, and
                // the daemon closes it when the peer does.
                Frame::Rejected(error) | Frame::Broken(error) => {
                    self.handle_message(now, connection, local, Err(error));
                }
                Frame::Ping => self.send_back(Return::over(connection), PONG.to_vec()),
                Frame::Pong => self.pong(connection),
            }
        }
        self.streams.insert(connection, framer);
    }

    pub(super) fn transmit(&mut self, transport: Transport, remote: SocketAddr, bytes: Vec<u8>) {
        if !self.may_send(transport, remote, bytes.len()) {
            return;
        }
        self.outputs.push_back(UaOutput::Transmit {
            transport,
            remote,
            bytes,
        });
    }

    /// Sends something of ours over a hop.
    pub(super) fn send_over(&mut self, hop: Hop, bytes: Vec<u8>) {
        self.prepare(hop);
        self.transmit(hop.transport, hop.remote, bytes);
    }

    /// Sends a response.
    pub(super) fn send_back(&mut self, back: Return, bytes: Vec<u8>) {
        self.choose(back.transport, back.remote, back.domain);
        self.transmit(back.transport, back.remote, bytes);
    }

    /// What has to be there before something goes out over a hop.
    pub(super) fn prepare(&mut self, hop: Hop) {
        self.choose(hop.transport, hop.remote, hop.domain);
    }

    /// Of several connections to one address, the one that is meant.
    fn choose(&mut self, transport: Transport, remote: SocketAddr, domain: Option<DomainId>) {
        let domain = domain.and_then(|id| self.domains.get(usize::from(id.0)));
        if let (Transport::Tls, Some(domain)) = (transport, domain) {
            self.outputs.push_back(UaOutput::ConnectTls {
                remote,
                domain: domain.clone(),
            });
        }
    }

    fn handle_message(
        &mut self,
        now: Instant,
        from: Connection,
        local: SocketAddr,
        parsed: Result<Message, ParseError>,
    ) {
        let remote = from.remote;
        match &parsed {
            Err(ParseError::Garbage(fault)) => self.look_at_fault(remote, fault),
            Err(ParseError::BadRequest(bad)) => self.look_at_fault(remote, &bad.fault),
            Ok(_) | Err(ParseError::KeepAlive) => {}
        }
        match parsed {
            Ok(Message::Response(response)) => self.handle_response(now, response),
            Ok(Message::Request(mut request)) => {
                let Ok(mut via) = request.headers.via_top() else {
                    return;
                };
                let back = note_source(&mut via, from);
                request
                    .headers
                    .replace_first_element(&HeaderName::VIA, &via.to_string());
                let arrived = Arrived {
                    request,
                    back,
                    local,
                    remote,
                };
                self.compare_request(&arrived);
                self.handle_request(now, arrived);
            }
            Err(ParseError::KeepAlive | ParseError::Garbage(_)) => {}
            Err(ParseError::BadRequest(mut bad)) => {
                let Ok(mut via) = bad.headers.via_top() else {
                    return;
                };
                if bad.method == Method::Ack {
                    return;
                }
                let back = note_source(&mut via, from);
                bad.headers
                    .replace_first_element(&HeaderName::VIA, &via.to_string());
                let tag = self.stateless_tag(&bad.headers);
                let mut response = Response::to_request(&bad.headers, bad.status, Some(&tag));
                if bad.status.code() == 400 {
                    response.reason = bad.fault.to_string();
                }
                self.transmit_response(back, response);
            }
        }
    }

    /// Sends a response outside of any transaction.
    pub(super) fn transmit_response(&mut self, back: Return, response: Response) {
        let response = self.with_server(response);
        if let Some(bytes) = self.fitted(back.transport, back.remote, response) {
            self.choose(back.transport, back.remote, back.domain);
            self.outputs.push_back(UaOutput::Transmit {
                transport: back.transport,
                remote: back.remote,
                bytes,
            });
        }
    }

    /// Sends a response of a transaction; gives the bytes back.
    pub(super) fn transmit_kept(&mut self, back: Return, response: Response) -> Vec<u8> {
        let bytes = self.with_server(response).to_bytes();
        self.send_back(back, bytes.clone());
        bytes
    }

    fn with_server(&self, mut response: Response) -> Response {
        if !self.config.user_agent.is_empty() {
            response
                .headers
                .set(HeaderName::SERVER, self.config.user_agent.as_str());
        }
        response
    }
}

/// Adds what the Via doesn't know of its sender: `received` and `rport`.
fn note_source(via: &mut Via, from: Connection) -> Return {
    let Connection {
        transport, remote, ..
    } = from;
    let by_rport = via.wants_rport();
    if by_rport || via.host.ip() != Some(remote.ip().to_canonical()) {
        via.params
            .set("received", &remote.ip().to_canonical().to_string());
    }
    if by_rport {
        via.params.set("rport", &remote.port().to_string());
    }
    let remote = match transport {
        // Without rport, to the port the Via names (RFC 3261 18.2.2), at the address it really came from.
        Transport::Udp if !by_rport => SocketAddr::new(remote.ip(), via.port.unwrap_or(SIP_PORT)),
        Transport::Udp | Transport::Tcp | Transport::Tls => remote,
    };
    Return {
        remote,
        ..Return::over(from)
    }
}
