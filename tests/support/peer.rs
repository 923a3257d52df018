//! A scripted SIP user agent server, written from RFC 3261 by hand and not with our own transactions, so that both
//! cannot be wrong in the same way.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tipring::sip::message::{HeaderName, Message, Method, Request, Response, StatusCode};

use super::network::Packet;

/// Somebody on the network who is not tipring.
pub trait Peer {
    fn address(&self) -> SocketAddr;
    fn deliver(&mut self, now: Instant, packet: Packet);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_transmit(&mut self) -> Option<Packet>;
    /// For tests that look inside.
    fn as_server(&mut self) -> Option<&mut Server> {
        None
    }
}

/// What the server does with an INVITE, in order, each after a wait.
#[derive(Clone, Debug)]
pub struct Step {
    pub after_ms: u64,
    pub status: u16,
    /// Answer the offer: with this direction attribute.
    pub sdp: Option<&'static str>,
    /// Further header lines.
    pub headers: Vec<(&'static str, String)>,
    /// What becomes of that answer, given the offer.
    pub rewrite: fn(offer: &str, answer: String) -> String,
}

impl Step {
    pub fn new(after_ms: u64, status: u16) -> Self {
        Self {
            after_ms,
            status,
            sdp: None,
            headers: Vec::new(),
            rewrite: |_, answer| answer,
        }
    }

    pub fn rewriting(mut self, rewrite: fn(&str, String) -> String) -> Self {
        self.rewrite = rewrite;
        self
    }

    pub fn with_sdp(mut self) -> Self {
        self.sdp = Some("sendrecv");
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A server that takes registrations, answers INVITEs by script, echoes RTP, and can place calls.
pub struct Server {
    address: SocketAddr,
    /// What the next INVITEs get; the last script stays.
    pub scripts: VecDeque<Vec<Step>>,
    /// Every request seen, retransmissions left out.
    pub requests: Vec<Request>,
    /// Every response seen to our own requests, retransmissions left out.
    pub responses: Vec<Response>,
    pub registrations: usize,
    /// Registration is refused with this status.
    pub refuse_registration: Option<u16>,
    /// RTP comes back as it is.
    pub echo: bool,
    pub rtp_received: usize,
    seen: Vec<Vec<u8>>,
    /// The INVITE of the dialog, and where it came from.
    pub invite: Option<(Request, SocketAddr)>,
    scheduled: Vec<(Instant, Packet)>,
    outgoing: VecDeque<Packet>,
    tag: u32,
    /// The last final response to an INVITE until it is acknowledged: sent again each half second.
    unacknowledged: Option<(Instant, Packet)>,
}

impl Server {
    pub fn new(ip: IpAddr, scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self {
            address: SocketAddr::new(ip, 5060),
            scripts: scripts.into_iter().collect(),
            requests: Vec::new(),
            responses: Vec::new(),
            registrations: 0,
            refuse_registration: None,
            echo: true,
            rtp_received: 0,
            seen: Vec::new(),
            invite: None,
            scheduled: Vec::new(),
            outgoing: VecDeque::new(),
            tag: 100,
            unacknowledged: None,
        }
    }

    /// Requests of this method so far.
    pub fn count(&self, method: &Method) -> usize {
        self.requests
            .iter()
            .filter(|request| request.method == *method)
            .count()
    }

    /// Sends a request as text; lines end as they should by themselves. `Content-Length` is added.
    pub fn send(&mut self, to: SocketAddr, start_and_headers: &str, body: &str) {
        let head: String = start_and_headers
            .trim()
            .lines()
            .map(|line| format!("{}\r\n", line.trim()))
            .collect();
        let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.push(to, text.into_bytes());
    }

    /// INVITE for `user` at a host, with an offer of PCMA.
    pub fn invite(&mut self, to: SocketAddr, user: &str, from: &str, branch: &str) {
        let ip = self.address.ip();
        let head = format!(
            "INVITE sip:{user}@{to} SIP/2.0
            Via: SIP/2.0/UDP {ip}:5060;branch=z9hG4bK{branch};rport
            Max-Forwards: 70
            From: {from};tag=peer{branch}
            To: <sip:{user}@{to}>
            Call-ID: call-{branch}@{ip}
            CSeq: 1 INVITE
            Contact: <sip:peer@{ip}:5060>
            Content-Type: application/sdp"
        );
        self.send(to, &head, &session_description(ip, "sendrecv"));
    }

    /// A request of ours within the dialog that our INVITE opened.
    pub fn within_own_dialog(&mut self, to: SocketAddr, user: &str, method: &str, cseq: u32, branch: &str) {
        let ip = self.address.ip();
        let to_header = self
            .responses
            .iter()
            .rev()
            .find_map(|response| response.headers.first(&HeaderName::TO).map(|to| to.into_owned()))
            .expect("a response with a To tag");
        // An ACK to a 2xx has a branch of its own (RFC 3261 13.2.2.4); a CANCEL has its INVITE's.
        let transaction = if method == "CANCEL" {
            branch.to_owned()
        } else {
            format!("{branch}{method}{cseq}")
        };
        let to_line = if method == "CANCEL" {
            format!("<sip:{user}@{to}>")
        } else {
            to_header
        };
        let head = format!(
            "{method} sip:{user}@{to} SIP/2.0
            Via: SIP/2.0/UDP {ip}:5060;branch=z9hG4bK{transaction};rport
            Max-Forwards: 70
            From: <sip:100@{ip}>;tag=peer{branch}
            To: {to_line}
            Call-ID: call-{branch}@{ip}
            CSeq: {cseq} {method}"
        );
        self.send(to, &head, "");
    }

    /// A request of ours within the dialog of the INVITE we received.
    pub fn within_dialog(&mut self, method: &str, cseq: u32, body: &str) {
        let (invite, from) = self.invite.clone().expect("an INVITE came");
        let ip = self.address.ip();
        let contact = invite.headers.contact().expect("an INVITE has a Contact");
        let text = |name: &HeaderName| {
            invite
                .headers
                .first(name)
                .expect("a header of the INVITE")
                .into_owned()
        };
        let content = if body.is_empty() {
            ""
        } else {
            "\nContent-Type: application/sdp"
        };
        let head = format!(
            "{method} {} SIP/2.0
            Via: SIP/2.0/UDP {ip}:5060;branch=z9hG4bKin{method}{cseq};rport
            Max-Forwards: 70
            From: {};tag={}
            To: {}
            Call-ID: {}
            Contact: <sip:peer@{ip}:5060>
            CSeq: {cseq} {method}{content}",
            contact.uri,
            text(&HeaderName::TO),
            self.tag,
            text(&HeaderName::FROM),
            text(&HeaderName::CALL_ID),
        );
        self.send(from, &head, body);
    }

    fn push(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.outgoing.push_back(Packet {
            from: self.address,
            to,
            stream: false,
            bytes,
        });
    }

    fn request(&mut self, now: Instant, from: SocketAddr, request: Request) {
        match request.method {
            Method::Register => {
                self.registrations += 1;
                let status = self.refuse_registration.unwrap_or(200);
                let mut response = self.response(&request, status);
                if status == 200 {
                    let contact = request
                        .headers
                        .first(&HeaderName::CONTACT)
                        .expect("a Contact")
                        .into_owned();
                    response
                        .headers
                        .push(HeaderName::CONTACT, format!("{contact};expires=300"));
                }
                self.push(from, response.to_bytes());
            }
            Method::Invite => {
                let first = self.invite.is_none();
                self.invite = Some((request.clone(), from));
                self.tag += u32::from(first);
                let script = match self.scripts.len() {
                    0 => vec![Step::new(0, 200).with_sdp()],
                    1 => self.scripts[0].clone(),
                    _ => self.scripts.pop_front().expect("not empty"),
                };
                for step in script {
                    let packet = self.answer(&request, from, &step);
                    let at = now + Duration::from_millis(step.after_ms);
                    self.scheduled.push((at, packet));
                }
            }
            Method::Ack => self.unacknowledged = None,
            Method::Cancel => {
                self.scheduled.clear();
                let ok = self.response(&request, 200);
                self.push(from, ok.to_bytes());
                if let Some((invite, to)) = self.invite.clone() {
                    let terminated = self.response(&invite, 487);
                    self.push(to, terminated.to_bytes());
                }
            }
            _ => {
                let ok = self.response(&request, 200);
                self.push(from, ok.to_bytes());
            }
        }
    }

    fn answer(&mut self, request: &Request, from: SocketAddr, step: &Step) -> Packet {
        let mut response = self.response(request, step.status);
        let contact = format!("<sip:peer@{}:5060>", self.address.ip());
        if !step.headers.iter().any(|(name, _)| *name == "Contact") {
            response.headers.push(HeaderName::CONTACT, contact);
        }
        for (name, value) in &step.headers {
            response
                .headers
                .push(HeaderName::parse(name).expect("a header name"), value.clone());
        }
        if let Some(direction) = step.sdp {
            let offer = String::from_utf8_lossy(&request.body);
            let body = (step.rewrite)(&offer, session_description(self.address.ip(), direction));
            response = response.with_body("application/sdp", body.into_bytes());
        }
        Packet {
            from: self.address,
            to: from,
            stream: false,
            bytes: response.to_bytes(),
        }
    }

    fn response(&self, request: &Request, status: u16) -> Response {
        let status = StatusCode::new(status).expect("a status");
        let tag = self.tag.to_string();
        Response::to_request(
            &request.headers,
            status,
            (status.code() > 100).then_some(tag.as_str()),
        )
    }
}

impl Peer for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn deliver(&mut self, now: Instant, packet: Packet) {
        if packet.to.port() != 5060 {
            self.rtp_received += 1;
            if self.echo && packet.to.port().is_multiple_of(2) {
                self.outgoing.push_back(Packet {
                    from: packet.to,
                    to: packet.from,
                    ..packet
                });
            }
            return;
        }
        // A retransmission is the same bytes again.
        if self.seen.contains(&packet.bytes) {
            return;
        }
        self.seen.push(packet.bytes.clone());
        match Message::parse(&packet.bytes).expect("tipring sends well-formed messages") {
            Message::Request(request) => {
                self.requests.push(request.clone());
                self.request(now, packet.from, request);
            }
            Message::Response(response) => self.responses.push(response),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<Packet> = {
            let (due, later): (Vec<_>, Vec<_>) = self.scheduled.drain(..).partition(|(at, _)| *at <= now);
            self.scheduled = later;
            due.into_iter().map(|(_, packet)| packet).collect()
        };
        for packet in due {
            let is_final = !packet.bytes.starts_with(b"SIP/2.0 1");
            if is_final {
                self.unacknowledged = Some((now + Duration::from_millis(500), packet.clone()));
            }
            self.outgoing.push_back(packet);
        }
        if let Some((at, packet)) = &mut self.unacknowledged
            && *at <= now
        {
            *at = now + Duration::from_millis(500);
            self.outgoing.push_back(packet.clone());
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let scheduled = self.scheduled.iter().map(|(at, _)| *at);
        scheduled
            .chain(self.unacknowledged.iter().map(|(at, _)| *at))
            .min()
    }

    fn poll_transmit(&mut self) -> Option<Packet> {
        self.outgoing.pop_front()
    }

    fn as_server(&mut self) -> Option<&mut Server> {
        Some(self)
    }
}

/// PCMA with telephone-events at port 20000.
pub fn session_description(ip: IpAddr, direction: &str) -> String {
    format!(
        "v=0\r\no=- 7 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={direction}\r\n"
    )
}
