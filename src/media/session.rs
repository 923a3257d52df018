//! One RTP session without its audio: who is let in, what is counted, reports to and from the peer, and silence
//! that lasts too long.

use std::net::SocketAddr;

use rand::{Rng, RngExt};

use super::event_receiver::EventPayload;
use super::flow::{Flow, FlowReport};
use super::gate::{Gate, Verdict, canonical};
use super::keep_alive::KeepAlive;
use super::outbox::{Outbox, TransmitKind};
use super::reception::{Order, Reception};
use super::rtcp::{self, Received, Report};
use super::rtp;
use super::sender::Sender;
use super::{Direction, DtmfRelay, SessionParams, SessionStats};

/// What a datagram on the RTP port was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival<'a> {
    /// Audio of the agreed codec.
    Audio {
        /// Time stamp.
        timestamp: u32,
        /// Its sequence number is the highest so far.
        newest: bool,
        /// Codes.
        payload: &'a [u8],
    },
    /// A telephone-event.
    Event {
        /// Time stamp.
        timestamp: u32,
        /// Marker bit.
        marker: bool,
        /// The event.
        payload: EventPayload,
    },
    /// Comfort noise of so many -dBov.
    ComfortNoise(u8),
}

/// What a datagram brought, and what else it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Its content.
    pub arrival: Arrival<'a>,
    /// A stream begins with it: playing starts anew.
    pub new_stream: bool,
    /// It is the session's first.
    pub first: bool,
    /// It ends a silence that had been reported.
    pub resumed: bool,
}

/// The session's plain data; `VoicePath` holds what is large.
#[derive(Clone, Debug)]
pub struct Session {
    params: SessionParams,
    /// The sending side.
    pub sender: Sender,
    gate: Gate,
    rtp_to: SocketAddr,
    rtcp_to: SocketAddr,
    path: Path,
    keep_alive: KeepAlive,
    reception: Option<Reception>,
    earlier: Earlier,
    late_packets: u32,
    last_rtp_us: i64,
    flow: Flow,
    any_rtp: bool,
    timed_out: bool,
    report_at_us: i64,
    name: [u8; 16],
    last_report: Option<(u32, i64)>,
    round_trip_ms: Option<f32>,
    remote_loss_percent: Option<f32>,
}

/// What ICE has found, for a session that awaits it.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    rtp: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
}

/// Figures of streams before the present one.
#[derive(Clone, Copy, Debug, Default)]
struct Earlier {
    received: u32,
    lost: u32,
    jitter_max_ms: f32,
}

impl Session {
    /// Begins.
    pub fn new(now_us: i64, params: SessionParams, random: &mut impl Rng) -> Self {
        let mut name = [0; 16];
        for byte in &mut name {
            *byte = b"0123456789abcdef"[(random.next_u32() % 16) as usize];
        }
        // The first report after half the interval (RFC 3550 6.2).
        let report_at_us = now_us + interval_us(random) / 2;
        Self {
            params,
            sender: Sender::new(random),
            gate: Gate::new(params.remote_rtp),
            rtp_to: params.remote_rtp,
            rtcp_to: params.remote_rtcp,
            path: Path::default(),
            keep_alive: KeepAlive::new(now_us),
            reception: None,
            earlier: Earlier::default(),
            late_packets: 0,
            last_rtp_us: now_us,
            flow: Flow::new(now_us),
            any_rtp: false,
            timed_out: false,
            report_at_us,
            name,
            last_report: None,
            round_trip_ms: None,
            remote_loss_percent: None,
        }
    }

    /// What was agreed last.
    pub fn params(&self) -> &SessionParams {
        &self.params
    }

    /// Where RTP goes now.
    pub fn rtp_to(&self) -> SocketAddr {
        self.rtp_to
    }

    /// Whether audio is sent.
    pub fn sends(&self) -> bool {
        self.may_send()
            && matches!(
                self.params.direction,
                Direction::SendReceive | Direction::SendOnly
            )
    }

    /// Whether audio is received.
    pub fn receives(&self) -> bool {
        matches!(
            self.params.direction,
            Direction::SendReceive | Direction::ReceiveOnly
        )
    }

    /// Whether keys are sent as telephone-events.
    pub fn relays_events(&self) -> bool {
        self.params.dtmf_relay == DtmfRelay::Rfc4733 && self.params.telephone_event.is_some()
    }

    /// ICE has found a way, or there is none any more.
    pub fn set_path(&mut self, now_us: i64, rtp: Option<SocketAddr>, rtcp: Option<SocketAddr>) {
        self.path = Path { rtp, rtcp };
        if !self.params.awaits_path {
            return;
        }
        if let Some(rtp) = rtp {
            self.gate.signalled(now_us / 1000, rtp);
            self.rtp_to = rtp;
            self.last_rtp_us = now_us;
        }
        if let Some(rtcp) = rtcp.filter(|_| self.params.remote_rtcp.port() != 0) {
            self.rtcp_to = rtcp;
        }
    }

    /// Whether the peer may be sent anything (RFC 8445 section 12.1, RFC 7675).
    fn may_send(&self) -> bool {
        !self.params.awaits_path || self.path.rtp.is_some()
    }

    fn may_report(&self) -> bool {
        self.rtcp_to.port() != 0 && (!self.params.awaits_path || self.path.rtcp.is_some())
    }

    /// Offer and answer have changed the running session.
    pub fn change(&mut self, now_us: i64, params: SessionParams) {
        if params.awaits_path {
            // The way stands until ICE finds another, whatever the description calls the default.
            self.params = params;
            self.last_rtp_us = now_us;
            return self.set_path(now_us, self.path.rtp, self.path.rtcp);
        }
        if self.params.awaits_path {
            // No ICE any more.
            self.rtp_to = params.remote_rtp;
            self.rtcp_to = params.remote_rtcp;
        }
        self.gate.signalled(now_us / 1000, params.remote_rtp);
        if params.remote_rtp != self.params.remote_rtp {
            self.rtp_to = params.remote_rtp;
        }
        if params.remote_rtcp != self.params.remote_rtcp {
            self.rtcp_to = params.remote_rtcp;
        }
        self.params = params;
        self.last_rtp_us = now_us;
        self.flow.renew(now_us);
    }

    /// Reads a datagram of the RTP port; `None`: it isn't let in, or is of no type that was agreed.
    pub fn rtp<'a>(&mut self, now_us: i64, from: SocketAddr, datagram: &'a [u8]) -> Option<Accepted<'a>> {
        let (header, payload) = rtp::parse(datagram)?;
        let kind = header.payload_type;
        let is_event = self.params.telephone_event == Some(kind);
        let event = if is_event {
            Some(EventPayload::parse(payload)?)
        } else {
            None
        };
        if !is_event && kind != self.params.payload_type && kind != rtp::COMFORT_NOISE {
            return None;
        }
        let mut new_stream = match self.gate.judge(now_us / 1000, from, &header) {
            Verdict::Refused => {
                self.flow.refused(from);
                return None;
            }
            Verdict::Admitted => false,
            Verdict::NewStream => {
                if !self.params.awaits_path {
                    self.rtp_to = from;
                }
                self.retire();
                true
            }
        };
        let reception = self
            .reception
            .get_or_insert_with(|| Reception::new(header.sequence));
        let newest = match reception.sequence(header.sequence) {
            Order::Newest => true,
            Order::Older => false,
            Order::Suspect => return None,
            Order::Restarted => {
                new_stream = true;
                true
            }
        };
        let arrival = if let Some(payload) = event {
            Arrival::Event {
                timestamp: header.timestamp,
                marker: header.marker,
                payload,
            }
        } else if kind == self.params.payload_type {
            // Modulo 2^32 as in RFC 3550 A.8; events are left out, their time stamps stand still.
            let arrival = (now_us / 125) as u32;
            reception.transit(arrival.wrapping_sub(header.timestamp) as i32);
            Arrival::Audio {
                timestamp: header.timestamp,
                newest,
                payload,
            }
        } else {
            Arrival::ComfortNoise(payload[0])
        };
        self.last_rtp_us = now_us;
        self.flow
            .heard(now_us, matches!(arrival, Arrival::ComfortNoise(_)));
        Some(Accepted {
            arrival,
            new_stream,
            first: !std::mem::replace(&mut self.any_rtp, true),
            resumed: std::mem::take(&mut self.timed_out),
        })
    }

    /// A packet came too late to be played.
    pub fn count_late(&mut self) {
        self.late_packets = self.late_packets.saturating_add(1);
    }

    /// Reads a datagram of the RTCP port.
    pub fn rtcp(&mut self, now_us: i64, from: SocketAddr, datagram: &[u8]) {
        let host = canonical(from).ip();
        let known = [self.rtp_to, self.params.remote_rtp, self.params.remote_rtcp];
        if !known.iter().any(|address| canonical(*address).ip() == host) {
            return;
        }
        let Some(heard) = rtcp::parse(datagram, self.sender.ssrc(), now_us) else {
            return;
        };
        // Symmetric RTCP (RFC 4961).
        if !self.params.awaits_path {
            self.rtcp_to = from;
        }
        if let Some(report) = heard.sender_report {
            self.last_report = Some((report, now_us));
        }
        if heard.reports {
            self.flow
                .peer_reported(now_us, heard.highest, self.sender.packets());
        }
        self.round_trip_ms = heard.round_trip_ms.or(self.round_trip_ms);
        self.remote_loss_percent = heard.loss_percent.or(self.remote_loss_percent);
    }

    /// Whether the stream has just been silent for too long; said once.
    pub fn times_out(&mut self, now_us: i64) -> bool {
        let limit_us = i64::from(self.params.rtp_timeout_ms) * 1000;
        if limit_us == 0 || self.timed_out || !self.receives() || now_us - self.last_rtp_us < limit_us {
            return false;
        }
        self.timed_out = true;
        true
    }

    /// Nothing can be heard yet: the watch over one-way sound begins later.
    pub fn postpone_watch(&mut self, now_us: i64) {
        self.flow.renew(now_us);
    }

    /// Whether media has come to flow one way only, or both ways again.
    pub fn flow_report(&mut self, now_us: i64) -> Option<FlowReport> {
        let both_ways = self.params.direction == Direction::SendReceive;
        self.flow.poll(now_us, both_ways, self.sender.packets())
    }

    /// Writes a report when it is time, and something to keep the routers' doors open where nothing else is sent.
    pub fn report(&mut self, now_us: i64, random: &mut impl Rng, outbox: &mut Outbox) {
        // With ICE the checks of consent do that.
        if !self.params.awaits_path
            && self.keep_alive.is_due(now_us, self.sender.packets())
            && !self.rtp_to.ip().is_unspecified()
        {
            self.sender.keep_alive(self.rtp_to, outbox);
        }
        if now_us >= self.report_at_us {
            self.report_at_us = now_us + interval_us(random);
            self.write_report(now_us, false, outbox);
        }
    }

    /// Says goodbye.
    pub fn goodbye(&mut self, now_us: i64, outbox: &mut Outbox) {
        self.write_report(now_us, true, outbox);
    }

    /// The figures so far, but for those of the audio.
    pub fn stats(&self) -> SessionStats {
        let present = self.reception.as_ref();
        let received = present.map_or(0, Reception::received);
        let lost = present.map_or(0, |reception| reception.lost().max(0) as u32);
        SessionStats {
            sent_packets: self.sender.packets(),
            received_packets: self.earlier.received.saturating_add(received),
            lost_packets: self.earlier.lost.saturating_add(lost),
            late_packets: self.late_packets,
            jitter_ms: present.map_or(0.0, Reception::jitter_ms),
            jitter_max_ms: present
                .map_or(0.0, Reception::jitter_max_ms)
                .max(self.earlier.jitter_max_ms),
            buffer_ms: 0.0,
            round_trip_ms: self.round_trip_ms,
            remote_loss_percent: self.remote_loss_percent,
            concealed_ms: 0,
            unauthentic_packets: 0,
        }
    }

    /// The present stream is over; its figures count on.
    fn retire(&mut self) {
        if let Some(reception) = self.reception.take() {
            self.earlier.received = self.earlier.received.saturating_add(reception.received());
            self.earlier.lost = self.earlier.lost.saturating_add(reception.lost().max(0) as u32);
            self.earlier.jitter_max_ms = self.earlier.jitter_max_ms.max(reception.jitter_max_ms());
        }
        self.last_report = None;
    }

    fn write_report(&mut self, now_us: i64, goodbye: bool, outbox: &mut Outbox) {
        if !self.may_report() {
            return;
        }
        let received = match (&mut self.reception, self.gate.ssrc()) {
            (Some(reception), Some(ssrc)) => Some(Received {
                ssrc,
                loss: reception.interval_loss(),
                extended_highest: reception.extended_highest(),
                jitter: reception.jitter_samples(),
                last_report: self.last_report,
            }),
            _ => None,
        };
        let report = Report {
            ssrc: self.sender.ssrc(),
            now_us,
            sent: self.sender.sent(),
            received,
            name: &self.name,
            goodbye,
        };
        let kind = if self.params.rtcp_mux {
            TransmitKind::Rtp
        } else {
            TransmitKind::Rtcp
        };
        outbox.push(kind, self.rtcp_to, |bytes| report.write(bytes));
    }
}

/// 2.5 to 7.5 s (RFC 3550 6.3.1; the compensation by e - 1.5 is for groups that reconsider).
fn interval_us(random: &mut impl Rng) -> i64 {
    let mean_us = rtcp::INTERVAL_MS * 1000;
    mean_us / 2 + random.random_range(0..mean_us)
}
