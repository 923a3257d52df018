//! A SIP server and far end on real sockets, as short as it can be: it registers whoever asks with the digest
//! challenge, answers calls, calls, and speaks back what it hears.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::wait;

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Takes calls and registrations.
    Polite,
    /// Never answers anything.
    BlackHole,
    /// Refuses every registration.
    Forbids,
}

/// The server; its threads end with it.
pub struct Server {
    socket: Arc<UdpSocket>,
    rtp: SocketAddr,
    pub messages: Arc<Mutex<Vec<String>>>,
    pub rtp_packets: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    next: AtomicU64,
}

impl Server {
    pub fn start(manners: Manners) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let server = Self {
            rtp: rtp.local_addr().unwrap(),
            messages: Arc::default(),
            rtp_packets: Arc::default(),
            stop: Arc::default(),
            next: AtomicU64::new(1),
            socket,
        };
        for socket in [&*server.socket, &rtp] {
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        }
        let (stop, packets) = (Arc::clone(&server.stop), Arc::clone(&server.rtp_packets));
        std::thread::spawn(move || {
            let mut packet = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = rtp.recv_from(&mut packet) {
                    packets.fetch_add(1, Ordering::Relaxed);
                    let _ = rtp.send_to(&packet[..length], from);
                }
            }
        });
        let (stop, messages) = (Arc::clone(&server.stop), Arc::clone(&server.messages));
        let (socket, rtp_port) = (Arc::clone(&server.socket), server.rtp.port());
        std::thread::spawn(move || {
            let mut datagram = [0; 65_535];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut datagram) else {
                    continue;
                };
                let message = String::from_utf8_lossy(&datagram[..length]).into_owned();
                for answer in answers(manners, &message, socket.local_addr().unwrap(), rtp_port) {
                    let _ = socket.send_to(answer.as_bytes(), from);
                }
                messages.lock().unwrap().push(message);
            }
        });
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// How many messages began so.
    pub fn count(&self, start: &str) -> usize {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .filter(|message| message.starts_with(start))
            .count()
    }

    pub fn last(&self, start: &str) -> Option<String> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .rev()
            .find(|message| message.starts_with(start))
            .cloned()
    }

    #[track_caller]
    pub fn wait_for(&self, start: &str) -> String {
        wait(&format!("a message {start}"), || self.last(start).is_some());
        self.last(start).unwrap()
    }

    /// INVITE to `user` at the daemon's SIP socket; `sdp` or an ordinary offer. The tag of the call.
    pub fn invite(&self, daemon: SocketAddr, user: &str, sdp: Option<&str>) -> String {
        let call = format!("call{}", self.next.fetch_add(1, Ordering::Relaxed));
        let offer = offer(self.rtp.port());
        let body = sdp.unwrap_or(&offer);
        self.send(
            daemon,
            &self.request("INVITE", daemon, user, &call, "1 INVITE", "", body),
        );
        call
    }

    /// A request outside or inside the dialog of `call`.
    #[allow(clippy::too_many_arguments, reason = "the fields of a request, each once")]
    pub fn request(
        &self,
        method: &str,
        daemon: SocketAddr,
        user: &str,
        call: &str,
        cseq: &str,
        to_tag: &str,
        body: &str,
    ) -> String {
        let me = self.address();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} sip:{user}@{daemon} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{call}{}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:600@{me}>;tag={call}\r\nTo: <sip:{user}@{daemon}>{to_tag}\r\n\
             Call-ID: {call}@test\r\nCSeq: {cseq}\r\nContact: <sip:600@{me}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            cseq.replace(' ', ""),
            body.len()
        )
    }

    pub fn send(&self, to: SocketAddr, message: &str) {
        self.socket.send_to(message.as_bytes(), to).unwrap();
    }

    /// The status line of the final response to the INVITE of `call`.
    #[track_caller]
    pub fn final_response(&self, call: &str) -> String {
        let find = || {
            let messages = self.messages.lock().unwrap();
            messages
                .iter()
                .find(|message| {
                    message.starts_with("SIP/2.0 ")
                        && !message.starts_with("SIP/2.0 1")
                        && message.contains(&format!("{call}@test"))
                })
                .cloned()
        };
        wait("a final response", || find().is_some());
        find().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// An ordinary offer.
pub fn offer(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 0\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    )
}

fn answers(manners: Manners, message: &str, me: SocketAddr, rtp_port: u16) -> Vec<String> {
    let method = message.split(' ').next().unwrap_or_default();
    match (manners, method) {
        (Manners::BlackHole, _) => Vec::new(),
        (Manners::Forbids, "REGISTER") => vec![response(message, me, "403 Forbidden", "", "")],
        (_, "REGISTER") if !message.contains("Authorization:") => vec![response(
            message,
            me,
            "401 Unauthorized",
            "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"abc123\", algorithm=MD5, qop=\"auth\"\r\n",
            "",
        )],
        (_, "REGISTER") => vec![response(
            message,
            me,
            "200 OK",
            &format!(
                "{}Expires: 287\r\n",
                header(message, "Contact").unwrap_or_default()
            ),
            "",
        )],
        (_, "INVITE") => vec![
            response(message, me, "180 Ringing", "", ""),
            response(
                message,
                me,
                "200 OK",
                &format!("Contact: <sip:600@{me}>\r\nContent-Type: application/sdp\r\n"),
                &offer(rtp_port),
            ),
        ],
        (_, "BYE" | "CANCEL" | "OPTIONS") => vec![response(message, me, "200 OK", "", "")],
        (_, "SIP/2.0") if message.contains("INVITE\r\n") && !message.starts_with("SIP/2.0 1") => {
            vec![acknowledgement(message, me)]
        }
        _ => Vec::new(),
    }
}

/// A header's line with its end.
fn header(message: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}: ");
    let line = message.lines().find(|line| line.starts_with(&prefix))?;
    Some(format!("{line}\r\n"))
}

fn response(request: &str, me: SocketAddr, status: &str, more: &str, body: &str) -> String {
    let copied: String = ["Via", "From", "Call-ID", "CSeq"]
        .iter()
        .filter_map(|name| header(request, name))
        .collect();
    let to = header(request, "To").unwrap_or_default();
    let to = if to.contains(";tag=") {
        to
    } else {
        format!("{};tag=server{}\r\n", to.trim_end(), me.port())
    };
    format!(
        "SIP/2.0 {status}\r\n{copied}{to}{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// ACK of a final response to an INVITE of ours, good or bad.
fn acknowledgement(response: &str, me: SocketAddr) -> String {
    let uri = header(response, "Contact")
        .and_then(|contact| Some(contact.split_once('<')?.1.split_once('>')?.0.to_owned()))
        .unwrap_or_else(|| "sip:11@127.0.0.1".to_owned());
    let copied: String = ["From", "To", "Call-ID"]
        .iter()
        .filter_map(|name| header(response, name))
        .collect();
    let via = if response.starts_with("SIP/2.0 2") {
        format!("Via: SIP/2.0/UDP {me};branch=z9hG4bKack{}\r\n", response.len())
    } else {
        header(response, "Via").unwrap_or_default()
    };
    let number = header(response, "CSeq").unwrap_or_default();
    let number = number.split_whitespace().nth(1).unwrap_or("1").to_owned();
    format!(
        "ACK {uri} SIP/2.0\r\n{via}Max-Forwards: 70\r\n{copied}CSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n"
    )
}
