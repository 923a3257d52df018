//! A SIP peer that notes the microsecond of every message, and measures a round trip of sound through whoever it calls.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use tipring::sip::message::{HeaderName, Message, Method, Request, Response, StatusCode};

/// Samples in one packet of 20 ms.
const PACKET: usize = 160;

/// The peer's sockets.
pub struct Peer {
    pub sip: UdpSocket,
    pub rtp: UdpSocket,
    calls: u32,
}

/// A call the peer made and that was answered.
pub struct Call {
    pub answered: Instant,
    pub remote_rtp: SocketAddr,
    to: String,
    id: u32,
    target: SocketAddr,
    user: String,
}

impl Peer {
    pub fn new() -> Self {
        let sip = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Self { sip, rtp, calls: 0 }
    }

    pub fn address(&self) -> SocketAddr {
        self.sip.local_addr().expect("bound")
    }

    /// The next message within the bound.
    pub fn receive(&self, bound: Duration) -> Option<(Instant, Message, SocketAddr)> {
        let deadline = Instant::now() + bound;
        let mut bytes = [0; 8192];
        loop {
            let left = deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())?;
            self.sip
                .set_read_timeout(Some(left))
                .expect("a timeout can be set");
            let (length, from) = self.sip.recv_from(&mut bytes).ok()?;
            if let Ok(message) = Message::parse(&bytes[..length]) {
                return Some((Instant::now(), message, from));
            }
        }
    }

    /// Answers whatever arrives until an INVITE does.
    pub fn wait_invite(&self, bound: Duration) -> Option<(Instant, Request, SocketAddr)> {
        let deadline = Instant::now() + bound;
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            let (at, message, from) = self.receive(left)?;
            if let Message::Request(request) = message {
                if request.method == Method::Invite {
                    return Some((at, request, from));
                }
                self.respond(&request, from, 200);
            }
        }
    }

    pub fn respond(&self, request: &Request, to: SocketAddr, status: u16) {
        if request.method == Method::Ack {
            return;
        }
        let status = StatusCode::new(status).expect("a status");
        let response = Response::to_request(&request.headers, status, Some("peer"));
        self.sip.send_to(&response.to_bytes(), to).expect("loopback");
    }

    /// Sends INVITE; the caller waits for what it wants and then for [`Self::wait_answer`].
    pub fn invite(&mut self, target: SocketAddr, user: &str) -> Instant {
        self.calls += 1;
        let (id, own, rtp) = (
            self.calls,
            self.address(),
            self.rtp.local_addr().expect("bound").port(),
        );
        let body = format!(
            "v=0\r\no=- {id} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {rtp} RTP/AVP 8\r\n\
             a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n"
        );
        let text = format!(
            "INVITE sip:{user}@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKi{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bench@{own}>;tag=b{id}\r\nTo: <sip:{user}@{target}>\r\n\
             Call-ID: bench{id}@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:bench@{own}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let at = Instant::now();
        self.sip.send_to(text.as_bytes(), target).expect("loopback");
        at
    }

    /// Waits for 200, acknowledges it.
    pub fn wait_answer(&self, target: SocketAddr, user: &str, bound: Duration) -> Option<Call> {
        let deadline = Instant::now() + bound;
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            let (at, message, _) = self.receive(left)?;
            let Message::Response(response) = message else {
                continue;
            };
            if response.status.code() != 200 {
                continue;
            }
            let to = response
                .headers
                .first(&HeaderName::TO)
                .expect("a To header")
                .into_owned();
            let body = String::from_utf8_lossy(&response.body).into_owned();
            let port = body
                .lines()
                .find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok())
                .expect("an audio stream");
            let remote_rtp = SocketAddr::new(target.ip(), port);
            let call = Call {
                answered: at,
                remote_rtp,
                to,
                id: self.calls,
                target,
                user: user.to_owned(),
            };
            self.within(&call, "ACK", 1);
            return Some(call);
        }
    }

    pub fn hang_up(&self, call: &Call) {
        self.within(call, "BYE", 2);
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            match self.receive(Duration::from_millis(500)) {
                Some((_, Message::Response(response), _)) if response.status.code() == 200 => return,
                Some((_, Message::Request(request), from)) => self.respond(&request, from, 200),
                _ => {}
            }
        }
    }

    fn within(&self, call: &Call, method: &str, cseq: u32) {
        let (own, id, to, target, user) = (self.address(), call.id, &call.to, call.target, &call.user);
        let text = format!(
            "{method} sip:{user}@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bench@{own}>;tag=b{id}\r\nTo: {to}\r\nCall-ID: bench{id}@127.0.0.1\r\n\
             CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        self.sip.send_to(text.as_bytes(), target).expect("loopback");
    }

    /// Milliseconds from a sample's capture here to its return, packet fill included, one value a click; clicks are
    /// one second apart and `seconds` many.
    pub fn loop_delays_ms(&self, remote: SocketAddr, seconds: u32) -> Vec<f64> {
        const LOUD: u8 = 0xAA; // A-law, the largest positive value
        const SILENCE: u8 = 0xD5;
        let mut delays = Vec::new();
        let (mut clicked, mut packet, mut buffer) = (None, [SILENCE; 12 + PACKET], [0; 2048]);
        let began = Instant::now();
        for number in 0..seconds * 50 {
            // The third packet of each second carries the click, 4 ms long, in its middle; the first second settles.
            let click = number % 50 == 2 && number >= 50;
            let at = began + Duration::from_millis(20) * number;
            packet[..12].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7]);
            packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&(number * PACKET as u32).to_be_bytes());
            packet[12..].fill(SILENCE);
            if click {
                packet[12 + 64..12 + 96].fill(LOUD);
            }
            self.receive_until(at, &mut buffer, &mut clicked, &mut delays);
            self.rtp.send_to(&packet, remote).expect("loopback");
            if click {
                // Sample 64 of this packet was captured 20 - 8 ms before the packet left.
                clicked = Some(Instant::now() - Duration::from_millis(12));
            }
        }
        delays
    }

    fn receive_until(
        &self,
        deadline: Instant,
        buffer: &mut [u8],
        clicked: &mut Option<Instant>,
        delays: &mut Vec<f64>,
    ) {
        while let Some(left) = deadline
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            // Not the socket's own timeout, which counts in the kernel's ticks: packets would be 4 to 8 ms late.
            let mut readable = [PollFd::new(self.rtp.as_fd(), PollFlags::POLLIN)];
            if ppoll(&mut readable, Some(left.into()), None).unwrap_or(0) == 0 {
                continue;
            }
            let Ok((length, _)) = self.rtp.recv_from(buffer) else {
                continue;
            };
            let now = Instant::now();
            let Some(since) = *clicked else { continue };
            // Louder than a quarter of full scale: A-law codes with sign bit and the upper segments.
            let loud = |code: &u8| ((code ^ 0x55) & 0x70) >= 0x50;
            if let Some(offset) = buffer[12..length].iter().position(loud) {
                let played = now + Duration::from_micros(offset as u64 * 125);
                delays.push((played - since).as_secs_f64() * 1000.0);
                *clicked = None;
            }
        }
    }
}
