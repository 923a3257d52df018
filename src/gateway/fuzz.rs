//! The life of a whole gateway from bytes: edges, digits, datagrams of its server and of strangers, answers to what it
//! sent, streams, resolvers, sockets and time, in any order. For the fuzzer, and for the property test beside it.

mod config;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::config;

use super::{Gateway, GatewayConfig, Input, LineName, Output, SessionId};
use crate::media::{FlowReport, OneWay, SessionStats, VoiceEvent};
use crate::sip::message::{HeaderName, Message, Method, Request, Response, StatusCode};
use crate::sip::ua::{Answer, Question, Records, Route, Srv, Transport, UaInput};
use crate::zone::Zone;

/// Outputs that one input may bring at most. There are two lines: whatever comes, it isn't echoed without end.
const OUTPUTS_MAX: usize = 2000;

/// What is kept of others at most, whatever they send.
const KEPT_MAX: usize = 1024;

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n";

/// Plays `data` as operations, two bytes each and what the second asks for, and asserts what must hold of every life:
/// nothing panics, every input's outputs and everything kept of others are bounded, deadlines that were due move on.
pub fn gateway_operations(zone: Arc<Zone>, start: Instant, data: &[u8]) {
    let mut life = Life::new(zone, start);
    let mut rest = data;
    while let &[operation, argument, ref more @ ..] = rest {
        rest = life.operate(operation, argument, more);
    }
    life.input(Input::Shutdown);
    life.advance(Duration::from_secs(60));
}

struct Life {
    gateway: Gateway,
    now: Instant,
    config: GatewayConfig,
    /// The last requests and responses it sent.
    requests: Vec<Request>,
    responses: Vec<Response>,
    sessions: Vec<SessionId>,
    queries: Vec<(u64, Question)>,
    serial: u32,
}

impl Life {
    fn new(zone: Arc<Zone>, start: Instant) -> Self {
        let config = config(&zone);
        let mut life = Self {
            gateway: Gateway::new(config.clone(), [7; 32], start),
            now: start,
            config,
            requests: Vec::new(),
            responses: Vec::new(),
            sessions: Vec::new(),
            queries: Vec::new(),
            serial: 0,
        };
        life.drain();
        life
    }

    fn operate<'a>(&mut self, operation: u8, argument: u8, more: &'a [u8]) -> &'a [u8] {
        let line = || LineName(Arc::from(if argument & 1 == 0 { "kitchen" } else { "hall" }));
        let (taken, rest) = more.split_at(more.len().min(usize::from(argument)));
        match operation % 16 {
            0 => {
                let (closed, at) = (argument & 2 != 0, self.now);
                self.input(Input::Hook {
                    line: line(),
                    closed,
                    at,
                });
            }
            1 => self.datagram(argument & 1 == 0, SDP.to_vec()),
            2 => {
                self.datagram(argument & 1 == 0, taken.to_vec());
                return rest;
            }
            3 => {
                let bytes = taken.to_vec();
                self.stream(bytes);
                return rest;
            }
            4 => self.advance(Duration::from_millis(u64::from(argument) * 20)),
            5 => self.advance(Duration::from_secs(argument.into())),
            6 => self.voice(line(), argument >> 1),
            7 => {
                if let Some(session) = self.sessions.pop() {
                    let (port, reason) = (16_384, "no socket".to_owned());
                    self.input(if argument.is_multiple_of(8) {
                        Input::MediaFailed { session, reason }
                    } else {
                        Input::MediaOpened { session, port }
                    });
                }
            }
            8 => self.resolve(argument),
            9 => self.respond(argument),
            10 => self.invite(argument),
            11 => self.within_dialog(argument),
            12 => self.mutated(argument, taken),
            13 => self.input(Input::Sip(UaInput::TransportFailed {
                transport: [Transport::Udp, Transport::Tcp][usize::from(argument & 1)],
                remote: server(),
                domain: None,
                reason: "refused".to_owned(),
            })),
            14 => {
                let mut config = self.config.clone();
                config.lines.truncate(usize::from(argument % 3));
                config.accounts.truncate(usize::from(argument / 3 % 2));
                self.input(Input::Configure(Box::new(config)));
            }
            _ => {
                let fault = (argument & 2 != 0).then(|| "broken".to_owned());
                self.input(Input::LineFault { line: line(), fault });
            }
        }
        more
    }

    fn voice(&mut self, line: LineName, which: u8) {
        let event = match which % 6 {
            0 => VoiceEvent::FirstRtp,
            1 => VoiceEvent::RtpTimeout,
            2 => VoiceEvent::RtpResumed,
            3 => VoiceEvent::TransmissionDone,
            4 => VoiceEvent::Flow(FlowReport::OneWay(OneWay::NothingArrives)),
            _ => VoiceEvent::SessionEnded(SessionStats::default()),
        };
        self.input(Input::Voice { line, event });
    }

    fn resolve(&mut self, argument: u8) {
        let Some((query, question)) = self.queries.pop() else {
            return;
        };
        let records = match (argument % 8, question) {
            // An answer to something else.
            (0, _) => Records::Naptr(Vec::new()),
            (1, Question::Addresses(_)) => Records::Addresses(Vec::new()),
            (_, Question::Naptr(_)) => Records::Naptr(Vec::new()),
            (_, Question::Srv(_)) => Records::Srv(vec![Srv {
                priority: argument.into(),
                weight: 1,
                port: 5060,
                target: "pbx.example.net".to_owned(),
            }]),
            (_, Question::Addresses(_)) => Records::Addresses(vec![server().ip()]),
            (_, Question::Routes(asked)) => {
                let route = |remote| Route {
                    remote,
                    local_ip: own().ip(),
                };
                Records::Routes(asked.into_iter().map(route).collect())
            }
        };
        let ttl = Duration::from_secs(argument.into());
        let result = match argument % 5 {
            0 => Err("no such name".to_owned()),
            _ => Ok(Answer { records, ttl }),
        };
        self.input(Input::Sip(UaInput::Resolved { query, result }));
    }

    /// Answers the last request that was sent.
    fn respond(&mut self, argument: u8) {
        let statuses = [
            100, 180, 183, 200, 200, 302, 401, 407, 403, 423, 486, 491, 500, 503, 603,
        ];
        let status = statuses[usize::from(argument) % statuses.len()];
        let (Some(request), Some(status)) = (self.requests.last(), StatusCode::new(status)) else {
            return;
        };
        let mut response = Response::to_request(&request.headers, status, Some("peer"));
        response.headers.push(HeaderName::CONTACT, "<sip:600@192.0.2.1>");
        if request.method == Method::Register {
            response.headers.copy_from(&request.headers, &HeaderName::CONTACT);
        } else if status.is_success() || status.code() == 183 {
            response = response.with_body("application/sdp", SDP.to_vec());
        }
        let bytes = response.to_bytes();
        self.datagram(true, bytes);
    }

    fn invite(&mut self, argument: u8) {
        self.serial += 1;
        let text = format!(
            "INVITE sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKf{};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:600@192.0.2.1>;tag=f\r\nTo: <sip:6001@192.0.2.9>\r\nCall-ID: f{}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:600@192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
            if argument & 2 == 0 {
                "6001@192.0.2.9"
            } else {
                "12@192.0.2.9"
            },
            self.serial,
            self.serial,
            SDP.len()
        );
        self.datagram(argument & 1 == 0, [text.as_bytes(), SDP].concat());
    }

    /// A request of the peer's in the dialog of the last response that was sent.
    fn within_dialog(&mut self, argument: u8) {
        let methods = [
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Invite,
            Method::Update,
            Method::Info,
            Method::Options,
            Method::Notify,
            Method::Prack,
        ];
        let method = methods[usize::from(argument) % methods.len()].clone();
        let Some(response) = self.responses.last() else {
            return;
        };
        let Ok(uri) = "sip:6001@192.0.2.9".parse() else {
            return;
        };
        let mut request = Request::new(method.clone(), uri);
        let number = match method {
            Method::Ack | Method::Cancel => 1,
            _ => 2 + u32::from(argument),
        };
        for name in [
            HeaderName::VIA,
            HeaderName::FROM,
            HeaderName::TO,
            HeaderName::CALL_ID,
        ] {
            request.headers.copy_from(&response.headers, &name);
        }
        request.headers.push(HeaderName::MAX_FORWARDS, "70");
        request.headers.push(HeaderName::CONTACT, "<sip:600@192.0.2.1>");
        request
            .headers
            .push(HeaderName::CSEQ, format!("{number} {method}"));
        let has_body = matches!(method, Method::Invite | Method::Update) && argument & 0x80 == 0;
        let request = match has_body {
            true => request.with_body("application/sdp", SDP.to_vec()),
            false => request,
        };
        self.datagram(true, request.to_bytes());
    }

    /// Something it sent, damaged and sent back.
    fn mutated(&mut self, argument: u8, damage: &[u8]) {
        let sent = match argument & 1 {
            0 => self.requests.last().map(Request::to_bytes),
            _ => self.responses.last().map(Response::to_bytes),
        };
        let Some(mut bytes) = sent else { return };
        for pair in damage.chunks_exact(2).take(4) {
            let at = usize::from(pair[0]) * 7 % bytes.len();
            bytes[at] = pair[1];
        }
        self.datagram(true, bytes);
    }

    fn datagram(&mut self, from_server: bool, bytes: Vec<u8>) {
        let stranger = SocketAddr::from(([198, 51, 100, 7], 5060));
        let (local, remote) = (own(), if from_server { server() } else { stranger });
        self.input(Input::Sip(UaInput::Datagram { local, remote, bytes }));
    }

    fn stream(&mut self, bytes: Vec<u8>) {
        let (local, remote, transport) = (own(), server(), Transport::Tcp);
        self.input(Input::Sip(UaInput::Stream {
            transport,
            local,
            remote,
            domain: None,
            bytes,
        }));
    }

    fn input(&mut self, input: Input) {
        self.gateway.handle_input(self.now, input);
        self.drain();
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        while let Some(due) = self.gateway.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.gateway.handle_timeout(self.now);
            self.drain();
            turns += 1;
            assert!(turns < 100_000, "a deadline that was due stays");
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.gateway.poll_output() {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "no end of outputs: {output:?}");
            match output {
                Output::Transmit { bytes, .. } => match Message::parse(&bytes) {
                    Ok(Message::Request(request)) => self.requests.push(request),
                    Ok(Message::Response(response)) => self.responses.push(response),
                    Err(_) => {}
                },
                Output::Resolve { query, question } => self.queries.push((query, question)),
                Output::OpenMedia { session, .. } => self.sessions.push(session),
                _ => {}
            }
        }
        let load = self.gateway.user_agent.load();
        assert!(
            load.calls + load.server_transactions + load.streams < KEPT_MAX,
            "{load:?}"
        );
    }
}

fn own() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 5060))
}

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::epoch;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_life_of_a_gateway_ends_well(operations in prop::collection::vec(any::<u8>(), 0..400)) {
            let zone = Arc::new(crate::zone::zone("us").unwrap());
            gateway_operations(zone, epoch(), &operations);
        }

        #[test]
        fn calls_in_any_order_end_well(
            operations in prop::collection::vec((prop::sample::select(vec![0u8, 4, 5, 7, 8, 9, 10, 11, 12]), any::<u8>()), 0..120),
        ) {
            let bytes: Vec<u8> = operations.into_iter().flat_map(|(operation, argument)| [operation, argument]).collect();
            let zone = Arc::new(crate::zone::zone("us").unwrap());
            gateway_operations(zone, epoch(), &bytes);
        }
    }
}
