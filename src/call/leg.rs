//! One call of a line: its identity, its session description and what has been agreed, and its record.

use std::net::IpAddr;
use std::time::Instant;

use super::ice::IceState;
use super::keyring::Keyring;
use super::state::{CallDirection, CallState, Cause};
use super::{CallConfig, CallRecord, Connect, FinishedCall, Nat, SessionId};
use crate::media::srtp::SrtpKeys;
use crate::media::traversal::Gathered;
use crate::media::{Codec, Direction, Protection, SessionParams, SessionStats};
use crate::sip::event::vq_report::VoiceQuality;
use crate::sip::sdp::{MediaCapabilities, Negotiated, SdpError, Session};
use crate::sip::ua::CallId;

/// Sentences kept about one call.
const SENTENCES_MAX: usize = 8;

/// One call.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: String,
    pub(super) direction: CallDirection,
    pub(super) remote: String,
    pub(super) remote_name: Option<String>,
    pub(super) dialed: Option<String>,
    pub(super) state: CallState,
    pub(super) started: Instant,
    pub(super) answered: Option<Instant>,
    pub(super) sip_status: Option<u16>,
    /// Q.850's cause, where the far end gave one.
    pub(super) release_cause: Option<u16>,
    pub(super) call: Option<CallId>,
    pub(super) media: Media,
    /// Its far end has sent us elsewhere (REFER), and ends it when that has worked.
    pub(super) referring: bool,
    /// What went wrong on the way, in sentences.
    diagnosis: Vec<String>,
}

/// The media side of a call.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) session: SessionId,
    pub(super) port: Option<u16>,
    pub(super) local_ip: Option<IpAddr>,
    /// How the sockets are seen from outside.
    pub(super) gathered: Option<Gathered>,
    /// The other end is on this machine.
    pub(super) at_home: bool,
    /// What the last offer and answer say of ICE and of a handshake, until it has been passed on.
    pub(super) connect: Option<Connect>,
    /// The same once it has been.
    connected: Option<Connect>,
    description: Session,
    pub(super) keyring: Keyring,
    /// What was agreed last.
    pub(super) agreed: Option<SessionParams>,
    /// We hold the peer.
    pub(super) holding: bool,
    /// The audio thread runs a session for this call, whose figures will come at its end.
    pub(super) started: bool,
    /// Its session is the one that is not heard.
    pub(super) parked: bool,
    /// Another call has taken its sockets over: they stay open at its end.
    pub(super) lent: bool,
    /// The peer could not do with what was offered first: offers are as simple as they may be.
    pub(super) plain: bool,
    /// What is known of ICE with the peer.
    pub(super) ice: IceState,
}

impl Leg {
    pub(super) fn new(
        id: String,
        direction: CallDirection,
        remote: String,
        session: SessionId,
        sdp_id: u64,
        keyring: Keyring,
        now: Instant,
    ) -> Self {
        Self {
            id,
            direction,
            remote,
            remote_name: None,
            dialed: None,
            state: CallState::Calling,
            started: now,
            answered: None,
            sip_status: None,
            release_cause: None,
            call: None,
            media: Media {
                session,
                port: None,
                local_ip: None,
                gathered: None,
                at_home: false,
                connect: None,
                connected: None,
                description: Session::new(sdp_id),
                keyring,
                agreed: None,
                holding: false,
                started: false,
                parked: false,
                lent: false,
                plain: false,
                ice: IceState::default(),
            },
            referring: false,
            diagnosis: Vec::new(),
        }
    }

    /// Keeps a sentence for the record; the same one once, and never more than a person reads.
    pub(super) fn note(&mut self, sentence: &str) {
        if self.diagnosis.len() < SENTENCES_MAX && !self.diagnosis.iter().any(|known| known == sentence) {
            self.diagnosis.push(sentence.to_owned());
        }
    }

    /// The record of this call, ended now for this cause.
    pub(super) fn finish(
        &self,
        line: &str,
        cause: Cause,
        stats: Option<&SessionStats>,
        ended: Instant,
    ) -> FinishedCall {
        let figures = stats.copied().unwrap_or_default();
        let heard = stats.filter(|stats| stats.received_packets > 0);
        let talked = self.answered.map_or(0.0, |answered| {
            ended.saturating_duration_since(answered).as_secs_f64()
        });
        let record = CallRecord {
            id: self.id.clone(),
            line: line.to_owned(),
            direction: self.direction.name().to_owned(),
            remote: self.remote.clone(),
            remote_name: self.remote_name.clone(),
            dialed: self.dialed.clone(),
            started_ms: 0,
            answered_ms: None,
            ended_ms: 0,
            duration_s: talked,
            cause: cause.name().to_owned(),
            sip_status: self.sip_status,
            release_cause: self.release_cause,
            codec: self
                .media
                .agreed
                .filter(|_| self.media.started)
                .map(|params| codec_name(params.codec).to_owned()),
            sent_packets: figures.sent_packets,
            received_packets: figures.received_packets,
            lost_packets: figures.lost_packets,
            late_packets: figures.late_packets,
            jitter_ms: figures.jitter_ms,
            buffer_ms: figures.buffer_ms,
            delay_ms: heard.map(SessionStats::one_way_delay_ms),
            round_trip_ms: figures.round_trip_ms,
            remote_loss_percent: figures.remote_loss_percent,
            mos: heard.map(SessionStats::mean_opinion_score),
            encryption: self.media.encryption().filter(|_| self.media.started),
            unauthentic_packets: figures.unauthentic_packets,
            diagnosis: self.diagnosis.clone(),
        };
        FinishedCall {
            call: self.call,
            quality: heard.and_then(|stats| self.quality(stats)),
            record,
            started: self.started,
            answered: self.answered,
            ended,
        }
    }
}

impl Leg {
    /// How it sounded (RFC 6035); names and times are the user agent's and the gateway's.
    fn quality(&self, stats: &SessionStats) -> Option<VoiceQuality> {
        let agreed = self.media.agreed?;
        let expected = stats.received_packets.saturating_add(stats.lost_packets);
        Some(VoiceQuality {
            call_id: String::new(),
            local: String::new(),
            remote: String::new(),
            initiator: self.direction == CallDirection::Outgoing,
            local_address: self.media.local_ip.zip(self.media.port),
            remote_address: Some((agreed.remote_rtp.ip(), agreed.remote_rtp.port())),
            codec: Some((codec_name(agreed.codec).to_owned(), agreed.payload_type)),
            start_s: 0,
            end_s: 0,
            expected_packets: expected,
            lost_packets: stats.lost_packets,
            late_packets: stats.late_packets,
            jitter_ms: stats.jitter_ms,
            buffer_ms: stats.buffer_ms,
            round_trip_ms: stats.round_trip_ms,
            delay_ms: Some(stats.one_way_delay_ms()),
            mos: Some(stats.mean_opinion_score()),
        })
    }
}

impl Media {
    /// Everything an offer needs is known.
    pub(super) fn is_ready(&self) -> bool {
        self.port.is_some() && self.local_ip.is_some()
    }

    /// Takes the place of another call's media (RFC 3891): its sockets, and everything else anew.
    pub(super) fn take_over(&mut self, other: &mut Self) {
        other.lent = true;
        self.session = other.session;
        self.port = other.port;
        self.local_ip = other.local_ip;
        self.gathered.clone_from(&other.gathered);
        self.at_home = other.at_home;
        self.holding = other.holding;
        self.parked = other.parked;
    }

    /// A fresh offer; its version counts up where it says anything new (RFC 3264 section 8).
    pub(super) fn make_offer(&mut self, config: &CallConfig) -> Option<Vec<u8>> {
        let capabilities = self.capabilities(config, true)?;
        Some(self.description.offer(&capabilities, self.local_direction()))
    }

    /// Takes the answer to our offer.
    pub(super) fn accept_answer(
        &mut self,
        config: &CallConfig,
        answer: &[u8],
    ) -> Result<SessionParams, SdpError> {
        let capabilities = self.capabilities(config, true).ok_or(SdpError::NoAudio)?;
        let negotiated = self.description.accept_answer(&capabilities, answer)?;
        Ok(self.agree(config, negotiated, true))
    }

    /// Answers an offer of the peer's.
    pub(super) fn answer(
        &mut self,
        config: &CallConfig,
        offer: &[u8],
    ) -> Result<(Vec<u8>, SessionParams), SdpError> {
        let restarts = self.follow_restart(offer);
        let capabilities = self.capabilities(config, false).ok_or(SdpError::NoAudio)?;
        let direction = self.local_direction();
        match self.description.answer(&capabilities, offer, direction) {
            Ok((answer, negotiated)) => Ok((answer, self.agree(config, negotiated, false))),
            Err(error) => {
                if restarts {
                    self.keep_credentials();
                }
                Err(error)
            }
        }
    }

    /// A call that has to come about, encrypted or not.
    pub(super) fn insist_on_nothing(&mut self) {
        self.keyring.insist_on_nothing();
    }

    /// How the session's packets are to be protected.
    pub(super) fn protection(&self) -> Protection {
        self.keyring.protection()
    }

    /// Whether this handshake is the one that brings its keys.
    pub(super) fn is_associated(&self, association: u64) -> bool {
        let own = self.keyring.association();
        own.is_some_and(|own| own.number == association)
    }

    /// It has brought them.
    pub(super) fn secured(&mut self, keys: SrtpKeys) {
        self.keyring.secured(keys);
    }

    /// A handshake before the answer has failed: with the answer it is tried again.
    pub(super) fn reconnect(&mut self) {
        self.connect.clone_from(&self.connected);
    }

    /// What encrypts it, as the record and the status name it; `None`: nothing.
    pub(super) fn encryption(&self) -> Option<String> {
        self.keyring.encryption()
    }

    fn local_direction(&self) -> Direction {
        if self.holding {
            Direction::SendOnly
        } else {
            Direction::SendReceive
        }
    }

    fn capabilities(&self, config: &CallConfig, offering: bool) -> Option<MediaCapabilities> {
        let capabilities = self.full_capabilities(config, offering)?;
        if !self.plain || !offering {
            return Some(capabilities);
        }
        let simpler = Nat {
            ice: config.nat.ice.unasked(),
            ..config.nat
        };
        let (default, reach) = self.reach(&simpler, offering)?;
        let mut security = capabilities.security;
        if !self.keyring.encrypts() {
            security.forgo();
        }
        Some(MediaCapabilities {
            codecs: capabilities.codecs.into_iter().rev().collect(),
            address: default.ip(),
            rtp_port: default.port(),
            rtcp_mux: reach.ice.is_some(),
            reach,
            security,
            ..capabilities
        })
    }

    /// From now on offers are simpler: without encryption where that isn't required, without ICE, and with the other
    /// codec first. `false`: there is nothing else to offer.
    pub(super) fn offer_plainly(&mut self, config: &CallConfig) -> bool {
        if self.plain {
            return false;
        }
        let first = self.capabilities(config, true);
        self.plain = true;
        self.capabilities(config, true) != first
    }

    fn full_capabilities(&self, config: &CallConfig, offering: bool) -> Option<MediaCapabilities> {
        let (default, reach) = self.reach(&config.nat, offering)?;
        Some(MediaCapabilities {
            codecs: config.codecs.clone(),
            telephone_event: true,
            packet_time_ms: config.packet_time_ms,
            address: default.ip(),
            rtp_port: default.port(),
            // Without ICE RTCP keeps a socket of its own: some gateways say that they share, and don't.
            rtcp_mux: reach.ice.is_some(),
            reach,
            security: self.keyring.security(),
        })
    }

    fn agree(&mut self, config: &CallConfig, negotiated: Negotiated, offered: bool) -> SessionParams {
        self.keyring.agreed(&negotiated);
        let params = SessionParams {
            remote_rtp: negotiated.remote_rtp,
            remote_rtcp: negotiated.remote_rtcp,
            codec: negotiated.codec,
            payload_type: negotiated.payload_type,
            telephone_event: negotiated.telephone_event,
            packet_time_ms: negotiated.packet_time_ms,
            direction: negotiated.direction,
            dtmf_relay: config.dtmf,
            rtp_timeout_ms: config.rtp_timeout_s.saturating_mul(1000),
            awaits_path: negotiated.ice.is_some(),
            rtcp_mux: negotiated.rtcp_mux,
        };
        self.note_peer(negotiated.ice.as_ref().map(|ice| &ice.credentials));
        let local = self.gathered.as_ref().and_then(|known| known.credentials.clone());
        self.connect = self.local_ip.map(|ip| Connect {
            session: self.session,
            ip,
            local: local.filter(|_| negotiated.ice.is_some()),
            shared_port: negotiated.rtcp_mux,
            controlling: offered,
            remote: negotiated.ice,
            association: self.keyring.association().cloned(),
        });
        self.connected.clone_from(&self.connect);
        self.agreed = Some(params);
        params
    }
}

/// A codec's encoding name (RFC 3551).
pub fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcma => "PCMA",
        Codec::Pcmu => "PCMU",
    }
}
