//! One line's audio, from the network to the telephone and back.

mod keys;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::dsp::dtmf::{Detector, Generator};
use crate::dsp::level::Gain;
use crate::dsp::tone::TonePlayer;
use crate::dsp::transmission::Player;
use crate::dsp::{FRAME, Key, g711};

use super::event_receiver::{EventReceiver, KeyTone};
use super::event_sender::EventSender;
use super::jitter::{Inserted, JitterConfig};
use super::outbox::{Outbox, Transmit, TransmitKind};
use super::playout::Playout;
use super::protection::{DATAGRAM_BYTES_MAX, Opener, Protection};
use super::rtp;
use super::sender::law;
use super::session::{Accepted, Arrival, Session};
use super::{DtmfRelay, SessionParams, SessionStats, VoiceCommand, VoiceEvent};

/// Events that may wait to be fetched; they are fetched every turn.
const EVENTS_MAX: usize = 64;

/// Level of each frequency of a key sent in band (ES 201 235-2: -11 and -9 dBV at the telephone).
const KEY_LEVEL_DBM0: f32 = -10.0;

/// Pause after a key sent in band (Q.24: 40 ms at least, a margin on it); its length is at least the same.
const KEY_PAUSE_MS: u32 = 50;

/// How a line's audio is treated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceConfig {
    /// Gain of what the far end says, -12 to +12 dB. Tones and caller ID have levels of their own.
    pub gain_to_line_db: f32,
    /// Gain of what the telephone says, -12 to +12 dB, after the DTMF detector.
    pub gain_from_line_db: f32,
    /// Depth of the jitter buffer.
    pub jitter: JitterConfig,
    /// Whether line echo is to be cancelled. Accepted and without effect: there is no canceller yet.
    pub echo_canceller: bool,
}

impl Default for VoiceConfig {
    /// No gain: what level plan a line needs depends on its SLIC (Q.552 has 0 and -7 dB in the analogue part).
    fn default() -> Self {
        Self {
            gain_to_line_db: 0.0,
            gain_from_line_db: 0.0,
            jitter: JitterConfig::default(),
            echo_canceller: true,
        }
    }
}

/// A line's audio path: tones, caller ID and the far end's voice to the telephone; its voice and keys to the far
/// end. Everything it will ever need is allocated by `new`.
///
/// The audio thread calls [`playback`](Self::playback) and [`capture`](Self::capture) once every 10 ms each,
/// hands in commands and datagrams as they come, and then drains [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event).
pub struct VoicePath {
    random: StdRng,
    origin: Option<Instant>,
    gain_to_line: Gain,
    gain_from_line: Gain,
    off_hook: bool,
    tone: TonePlayer,
    transmission: Player,
    transmitting: bool,
    detector: Detector,
    playout: Playout,
    events_in: EventReceiver,
    event_tone: Generator,
    event_sounding: Option<KeyTone>,
    events_out: EventSender,
    /// Keys to be sent in band, and the one being sent.
    keys_in_band: VecDeque<(Key, u16)>,
    key_in_band: Generator,
    session: Option<Session>,
    outbox: Outbox,
    opener: Opener,
    /// The session of the line's other call: on hold, or waiting.
    parked: Parked,
    events: VecDeque<VoiceEvent>,
}

/// A session that is not heard at present, with the audio that is its own.
struct Parked {
    session: Option<Session>,
    playout: Playout,
    outbox: Outbox,
    opener: Opener,
}

impl VoicePath {
    /// A path without a session. `seed`: from the system's randomness, for SSRC, sequence and time stamps.
    pub fn new(config: &VoiceConfig, seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            origin: None,
            gain_to_line: Gain::new(config.gain_to_line_db),
            gain_from_line: Gain::new(config.gain_from_line_db),
            off_hook: false,
            tone: TonePlayer::new(),
            transmission: Player::new(),
            transmitting: false,
            detector: Detector::new(),
            playout: Playout::new(config.jitter),
            events_in: EventReceiver::new(),
            event_tone: Generator::new(),
            event_sounding: None,
            events_out: EventSender::new(),
            keys_in_band: VecDeque::with_capacity(EVENTS_MAX),
            key_in_band: Generator::new(),
            session: None,
            outbox: Outbox::new(),
            opener: Opener::default(),
            parked: Parked {
                session: None,
                playout: Playout::new(config.jitter),
                outbox: Outbox::new(),
                opener: Opener::default(),
            },
            events: VecDeque::with_capacity(EVENTS_MAX),
        }
    }

    /// For a line that takes its frames whenever they come: the turns are moved until they find each packet just
    /// arrived, see [`turn_sooner_by`](Self::turn_sooner_by).
    pub fn move_turns(&mut self) {
        self.playout.move_turns();
    }

    /// How much less than 10 ms after the last turn the next one is to come.
    pub fn turn_sooner_by(&mut self) -> Duration {
        // Never negative, and far below a frame.
        Duration::from_micros(self.playout.sooner_us().unsigned_abs())
    }

    /// Whether the answer to the last [`playback`](Self::playback) may as well come with the next turn: it completes
    /// no packet, and no key is down whose end somebody waits for.
    pub fn answer_can_wait(&self) -> bool {
        self.session.as_ref().is_some_and(|session| {
            self.off_hook
                && session.sends()
                && !session.sender.frame_completes_packet(session.params())
                && !self.events_out.is_sending()
                && self.detector.key_down().is_none()
        })
    }

    /// Whether there is a session: packets come and go.
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Does what the gateway wants.
    pub fn handle_command(&mut self, now: Instant, command: VoiceCommand) {
        let now_us = self.micros(now);
        match command {
            VoiceCommand::PlayTone(plan) => self.tone.start(&plan),
            VoiceCommand::StopTone => self.tone.stop(),
            VoiceCommand::Transmit(transmission) => {
                self.transmission.start(transmission);
                self.transmitting = true;
            }
            VoiceCommand::StopTransmission => {
                self.transmission.stop();
                self.transmitting = false;
            }
            VoiceCommand::OffHook(off_hook) => self.hook(off_hook),
            VoiceCommand::Session(params) => self.begin_or_change(now_us, params),
            VoiceCommand::EndSession => self.end_session(now_us),
            VoiceCommand::SendKey { key, duration_ms } => self.send_key(key, duration_ms),
            VoiceCommand::Path { rtp, rtcp, parked } => {
                let session = if parked {
                    &mut self.parked.session
                } else {
                    &mut self.session
                };
                if let Some(session) = session {
                    session.set_path(now_us, rtp, rtcp);
                }
            }
            VoiceCommand::Protect(protection) => self.protect(&protection),
            VoiceCommand::SwapSessions => self.swap_sessions(),
        }
    }

    /// Takes a datagram of the RTP port.
    pub fn handle_rtp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if rtp::is_rtcp(datagram) {
            // A peer that multiplexes both on one port (RFC 5761), asked or not.
            return self.handle_rtcp(now, from, datagram);
        }
        let mut clear = [0; DATAGRAM_BYTES_MAX];
        let Some(datagram) = self.opener.open(TransmitKind::Rtp, datagram, &mut clear) else {
            return;
        };
        let now_us = self.micros(now);
        let Some(session) = &mut self.session else {
            return;
        };
        let receives = session.receives();
        let law = law(session.params().codec);
        let Some(accepted) = session.rtp(now_us, from, datagram) else {
            return;
        };
        let Accepted {
            arrival,
            new_stream,
            first,
            resumed,
        } = accepted;
        if new_stream {
            self.playout.restart();
            self.events_in.reset();
        }
        let mut late = false;
        let mut key = None;
        match arrival {
            _ if !receives => {}
            Arrival::Audio {
                timestamp,
                newest,
                payload,
            } => {
                let mut samples = [0; rtp::PAYLOAD_BYTES_MAX];
                let samples = &mut samples[..payload.len()];
                g711::decode(law, payload, samples);
                late = self.playout.insert(now_us, timestamp, newest, samples) == Inserted::Late;
            }
            Arrival::Event {
                timestamp,
                marker,
                payload,
            } => {
                key = self.events_in.packet(timestamp, marker, payload);
            }
            Arrival::ComfortNoise(level_dbov) => self.playout.comfort_noise(level_dbov),
        }
        if late {
            session.count_late();
        }
        if first {
            self.report(VoiceEvent::FirstRtp);
        }
        if resumed {
            self.report(VoiceEvent::RtpResumed);
        }
        if let Some(key) = key {
            self.report(VoiceEvent::RemoteKey(key));
        }
    }

    /// Takes a datagram of the RTCP port.
    pub fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let mut clear = [0; DATAGRAM_BYTES_MAX];
        let Some(datagram) = self.opener.open(TransmitKind::Rtcp, datagram, &mut clear) else {
            return;
        };
        let now_us = self.micros(now);
        if let Some(session) = &mut self.session {
            session.rtcp(now_us, from, datagram);
        }
    }

    /// Takes a datagram of the parked session's RTCP port. What comes to its RTP port is nobody's to hear.
    pub fn handle_parked_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let mut clear = [0; DATAGRAM_BYTES_MAX];
        let opener = &mut self.parked.opener;
        let Some(datagram) = opener.open(TransmitKind::Rtcp, datagram, &mut clear) else {
            return;
        };
        let now_us = self.micros(now);
        if let Some(session) = &mut self.parked.session {
            session.rtcp(now_us, from, datagram);
        }
    }

    /// Makes the next 10 ms for the telephone.
    pub fn playback(&mut self, now: Instant, to_line: &mut [i16; FRAME]) {
        let now_us = self.micros(now);
        to_line.fill(0);
        if self.session.as_ref().is_some_and(Session::receives) {
            self.playback_voice(now_us, to_line);
        }
        self.tone.mix(to_line);
        if self.transmitting {
            self.transmission.fill(to_line);
            if self.transmission.is_done() {
                self.transmitting = false;
                self.report(VoiceEvent::TransmissionDone);
            }
        }
        if let Some(session) = &mut self.session {
            session.report(now_us, &mut self.random, &mut self.outbox);
            if session.times_out(now_us) {
                self.report(VoiceEvent::RtpTimeout);
            }
        }
        if let Some(session) = &mut self.parked.session {
            session.report(now_us, &mut self.random, &mut self.parked.outbox);
        }
        if let Some(session) = &mut self.session {
            if self.opener.is_closed() {
                session.postpone_watch(now_us);
            } else if let Some(flow) = session.flow_report(now_us) {
                self.report(VoiceEvent::Flow(flow));
            }
        }
    }

    /// Takes 10 ms from the telephone: its answer to the last [`playback`](Self::playback), in the same turn.
    pub fn capture(&mut self, now: Instant, from_line: &[i16; FRAME]) {
        let _ = self.micros(now);
        if self.off_hook {
            self.listen(from_line);
        }
        let Some(session) = &mut self.session else {
            return;
        };
        let to = session.rtp_to();
        let relay = session.params().dtmf_relay;
        let event_type = session.params().telephone_event;
        if !session.sends() {
            session.sender.silence();
            self.events_out.reset();
            return;
        }
        let relays_events = session.relays_events();
        let key_is_down = self.off_hook && self.detector.key_down().is_some();
        let muted = match relay {
            DtmfRelay::Rfc4733 if relays_events => key_is_down || self.events_out.is_sending(),
            DtmfRelay::Info => key_is_down,
            DtmfRelay::Rfc4733 | DtmfRelay::Inband => false,
        };
        if let Some(payload_type) = event_type.filter(|_| relays_events) {
            let timestamp = session.sender.unsent_timestamp();
            if let Some(packet) = self.events_out.turn(timestamp) {
                session.sender.event(payload_type, to, packet, &mut self.outbox);
            }
        }
        if muted || self.events_out.is_sending() {
            session.sender.silence();
            return;
        }
        let mut frame = if self.off_hook { *from_line } else { [0; FRAME] };
        self.gain_from_line.apply(&mut frame);
        if !self.key_in_band.is_playing()
            && let Some((key, duration_ms)) = self.keys_in_band.pop_front()
        {
            let on_ms = u32::from(duration_ms).max(KEY_PAUSE_MS);
            self.key_in_band.play(key, KEY_LEVEL_DBM0, on_ms, KEY_PAUSE_MS);
        }
        self.key_in_band.mix(&mut frame);
        let params = *session.params();
        session.sender.audio(&params, to, &frame, &mut self.outbox);
    }

    /// The next packet to send; asked until `None` after every call of another method.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.outbox.pop()
    }

    /// The same for the parked session, whose packets leave by its own sockets.
    pub fn poll_parked_transmit(&mut self) -> Option<Transmit<'_>> {
        self.parked.outbox.pop()
    }

    /// The next thing that happened; asked until `None` after every call of another method.
    pub fn poll_event(&mut self) -> Option<VoiceEvent> {
        self.events.pop_front()
    }

    /// The running session's figures so far.
    pub fn stats(&self) -> Option<SessionStats> {
        let session = self.session.as_ref()?;
        Some(SessionStats {
            buffer_ms: self.playout.mean_wait_ms(),
            concealed_ms: self.playout.concealed_ms(),
            unauthentic_packets: self.opener.unauthentic(),
            ..session.stats()
        })
    }

    /// How long audio waits in the jitter buffer at present, beyond what the network takes at least; `None` while
    /// nothing is played.
    pub fn depth_ms(&self) -> Option<f32> {
        self.session.as_ref()?;
        self.playout.depth_ms()
    }

    fn micros(&mut self, now: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(now);
        // 64 bits of microseconds last for 292,000 years.
        now.saturating_duration_since(origin).as_micros() as i64
    }

    fn report(&mut self, event: VoiceEvent) {
        // Bounded: where nobody fetches events, the newest are lost.
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }

    fn begin_or_change(&mut self, now_us: i64, params: SessionParams) {
        match &mut self.session {
            Some(session) => {
                let restarts = session.params().codec != params.codec;
                session.change(now_us, params);
                if restarts {
                    self.playout.restart();
                }
            }
            None => {
                self.session = Some(Session::new(now_us, params, &mut self.random));
                self.playout.reset();
                self.forget_keys();
            }
        }
    }

    fn protect(&mut self, protection: &Protection) {
        self.opener.protect(protection);
        self.outbox.protect(protection);
    }

    fn end_session(&mut self, now_us: i64) {
        let stats = self.stats();
        if let Some(mut session) = self.session.take() {
            session.goodbye(now_us, &mut self.outbox);
        }
        self.outbox.end_session();
        self.opener.end();
        self.playout.reset();
        self.forget_keys();
        if let Some(stats) = stats {
            self.report(VoiceEvent::SessionEnded(stats));
        }
    }

    /// What waits in an outbox goes with its session: it leaves by that session's sockets.
    fn swap_sessions(&mut self) {
        std::mem::swap(&mut self.session, &mut self.parked.session);
        std::mem::swap(&mut self.playout, &mut self.parked.playout);
        std::mem::swap(&mut self.outbox, &mut self.parked.outbox);
        std::mem::swap(&mut self.opener, &mut self.parked.opener);
        // Nothing of what was said before the pause is worth hearing after it.
        self.playout.restart();
        self.forget_keys();
    }

    /// The far end's voice, or the tone of a key it pressed.
    fn playback_voice(&mut self, now_us: i64, to_line: &mut [i16; FRAME]) {
        let wanted = self.events_in.play(FRAME as u32);
        let unheard = wanted.is_some() || self.events_in.is_playing();
        self.playout.turn(now_us, unheard, to_line);
        self.gain_to_line.apply(to_line);
        if wanted != self.event_sounding {
            match wanted {
                Some(tone) => self.event_tone.start(tone.key, tone.level_dbm0, tone.level_dbm0),
                None => self.event_tone.stop(),
            }
            self.event_sounding = wanted;
        }
        if unheard {
            to_line.fill(0);
        }
        self.event_tone.mix(to_line);
    }
}
