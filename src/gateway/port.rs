//! One line with its calls, and the traffic between the two.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::config::{LineName, PortConfig};
use super::event::{EventKind, Hook};
use super::handshakes::Handshakes;
use super::traversal::{Follows, Traversals};
use super::{NatServers, Output, SessionId};
use crate::call::state::LineState;
use crate::call::{CallEvent, CallInput, CallOutput, FinishedCall, LineCalls, MediaFlow, Nat};
use crate::line::{DigitSource, Line, LineCommand, LineEvent, LineInput, LineOutput};
use crate::media::dtls::{Identity, is_dtls};
use crate::media::traversal::Way;
use crate::media::{TransmitKind, VoiceCommand, VoiceEvent};
use crate::sip::ua::{AccountName, UaCommand};

/// One line with its calls.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) config: PortConfig,
    pub(super) line: Line,
    pub(super) calls: LineCalls,
    pub(super) fault: Option<String>,
    pub(super) message_waiting: bool,
    /// The line is gone from the configuration; the port goes when its last call has ended.
    pub(super) leaving: bool,
    /// The accounts that the emergency call in progress goes through, in turn.
    pub(super) emergency_ways: Vec<AccountName>,
    traversals: Traversals,
    handshakes: Handshakes,
    outputs: VecDeque<PortOutput>,
}

/// What a port wants of the gateway.
#[derive(Debug)]
pub(super) enum PortOutput {
    /// For the daemon as it is.
    Out(Output),
    /// For the event stream.
    Event(EventKind),
    /// For the user agent.
    Sip(UaCommand),
    /// Where does this number lead?
    Place { number: String, emergency: bool },
    /// A call is over.
    Record(Box<FinishedCall>),
    /// Where does an emergency call lead whose ways so far failed?
    PlaceAgain { attempt: usize },
    /// Media flows one way only, or both ways again.
    Flow(MediaFlow),
}

impl Port {
    pub(super) fn new(config: PortConfig, seed: [u8; 32], now: Instant) -> Self {
        let line = Line::new(config.line.clone(), now);
        let calls = LineCalls::new(config.name.as_str(), config.call.clone(), seed);
        Self {
            config,
            line,
            calls,
            fault: None,
            message_waiting: false,
            leaving: false,
            emergency_ways: Vec::new(),
            traversals: Traversals::default(),
            handshakes: Handshakes::default(),
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn name(&self) -> &LineName {
        &self.config.name
    }

    /// Takes over a changed configuration; calls in progress go on.
    pub(super) fn configure(&mut self, now: Instant, config: PortConfig) {
        self.leaving = false;
        self.line.set_config(config.line.clone());
        self.call_input(now, CallInput::Configure(Box::new(config.call.clone())));
        self.config = config;
    }

    pub(super) fn hook(&mut self, now: Instant, closed: bool, at: Instant) {
        self.line_input(now, LineInput::Hook { closed, at });
    }

    pub(super) fn voice(&mut self, now: Instant, event: VoiceEvent) {
        match event {
            VoiceEvent::Dtmf(edge) => self.line_input(now, LineInput::Dtmf(edge)),
            VoiceEvent::TransmissionDone => self.line_input(now, LineInput::TransmissionDone),
            other => self.call_input(now, CallInput::Voice(other)),
        }
    }

    pub(super) fn set_fault(&mut self, now: Instant, fault: Option<String>) {
        if fault == self.fault {
            return;
        }
        self.event(EventKind::LineFault {
            line: self.name().to_string(),
            fault: fault.clone(),
        });
        let faulted = fault.is_some();
        self.fault = fault;
        if faulted {
            // Whatever the hook did meanwhile is unknown: the line starts anew.
            self.line = Line::new(self.config.line.clone(), now);
        }
        self.call_input(now, CallInput::Fault(faulted));
    }

    pub(super) fn call_input(&mut self, now: Instant, input: CallInput) {
        self.calls.handle_input(now, input);
        self.drain(now);
    }

    /// A session's sockets are open; its call hears of them once it is known how they are seen from outside.
    pub(super) fn media_opened(
        &mut self,
        now: Instant,
        session: SessionId,
        rtp_port: u16,
        servers: &NatServers,
        seed: [u8; 32],
    ) {
        let Nat {
            ice,
            external_address,
        } = self.config.call.nat;
        let config = servers.for_session(ice, external_address.is_some());
        self.traversals.open(now, session, &config, rtp_port, seed);
        self.drain(now);
    }

    /// A datagram of a session's sockets that isn't media.
    pub(super) fn media_datagram(
        &mut self,
        now: Instant,
        session: SessionId,
        socket: TransmitKind,
        remote: SocketAddr,
        relayed: bool,
        bytes: &[u8],
    ) {
        if is_dtls(bytes) {
            self.handshakes.datagram(now, session, socket, remote, bytes);
        } else {
            self.traversals
                .datagram(now, session, socket, remote, relayed, bytes);
        }
        self.drain(now);
    }

    /// Calls from now on may be keyed by DTLS.
    pub(super) fn set_identity(&mut self, identity: Arc<Identity>) {
        self.calls.set_fingerprint(identity.fingerprint());
        self.handshakes.set_identity(identity);
    }

    /// The session's sockets are open, and this line's.
    pub(super) fn owns_sockets(&self, session: SessionId) -> bool {
        self.traversals.owns(session)
    }

    fn line_input(&mut self, now: Instant, input: LineInput) {
        self.line.handle_input(now, input);
        self.drain(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.line.handle_timeout(now);
        self.calls.handle_timeout(now);
        self.traversals.handle_timeout(now);
        self.handshakes.handle_timeout(now);
        self.drain(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.line.poll_timeout(),
            self.calls.poll_timeout(),
            self.traversals.poll_timeout(),
            self.handshakes.poll_timeout(),
        ];
        timers.into_iter().flatten().min()
    }

    pub(super) fn poll_output(&mut self) -> Option<PortOutput> {
        self.outputs.pop_front()
    }

    /// Carries what line and calls say to each other until both are silent.
    fn drain(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.line.poll_output() {
                self.line_output(now, output);
            } else if let Some(output) = self.calls.poll_output() {
                self.call_output(now, output);
            } else if !self.drain_traversals(now) {
                return;
            }
        }
    }

    /// `false`: there was nothing.
    fn drain_traversals(&mut self, now: Instant) -> bool {
        let mut follows = self.traversals.poll();
        follows.append(&mut self.handshakes.poll());
        let any = !follows.is_empty();
        for follows in follows {
            match follows {
                Follows::Out(output) => self.out(output),
                Follows::Call(input) => self.calls.handle_input(now, input),
                Follows::Path(session, path) => self.media_path(now, session, path),
            }
        }
        any
    }

    /// A session has a way, or none any more.
    fn media_path(&mut self, now: Instant, session: SessionId, path: Option<(Way, Option<Way>)>) {
        let parked = self.calls.is_parked(session);
        self.handshakes.path(now, session, path.map(|(rtp, _)| rtp));
        let (rtp, rtcp) = path.map_or((None, None), |(rtp, rtcp)| (Some(rtp), rtcp));
        for (socket, way) in [(TransmitKind::Rtp, rtp), (TransmitKind::Rtcp, rtcp)] {
            self.out(Output::Relay {
                line: self.name().clone(),
                session,
                socket,
                relay: way.and_then(|way| way.relay),
            });
        }
        self.voice_out(VoiceCommand::Path {
            rtp: rtp.map(|way| way.to),
            rtcp: rtcp.map(|way| way.to),
            parked,
        });
        // Of a call that isn't heard nobody misses the media yet.
        if path.is_none() && !parked {
            self.calls
                .handle_input(now, CallInput::Voice(VoiceEvent::RtpTimeout));
        }
    }

    fn line_output(&mut self, now: Instant, output: LineOutput) {
        match output {
            LineOutput::Slic(action) => {
                let line = self.name().clone();
                self.out(Output::Slic { line, action });
            }
            LineOutput::PlayTone(plan) => self.voice_out(VoiceCommand::PlayTone(plan)),
            LineOutput::StopTone => self.voice_out(VoiceCommand::StopTone),
            LineOutput::Transmit(transmission) => self.voice_out(VoiceCommand::Transmit(transmission)),
            LineOutput::StopTransmission => self.voice_out(VoiceCommand::StopTransmission),
            LineOutput::Event(event) => {
                self.tell_line_event(&event);
                self.calls.handle_input(now, CallInput::Line(event));
            }
        }
    }

    fn call_output(&mut self, now: Instant, output: CallOutput) {
        let line = self.name().clone();
        match output {
            CallOutput::Line(command) => self.line_command(now, command),
            CallOutput::Voice(command) => self.voice_out(*command),
            CallOutput::Sip(command) => self.outputs.push_back(PortOutput::Sip(command)),
            CallOutput::Place { number, emergency } => {
                self.outputs.push_back(PortOutput::Place { number, emergency });
            }
            CallOutput::CloseMedia(session) => {
                for output in self.traversals.close(now, session) {
                    self.out(output);
                }
                self.handshakes.close(session);
                self.out(Output::CloseMedia { line, session });
            }
            CallOutput::Connect(connect) => {
                self.traversals.connect(now, &connect);
                self.handshakes.connect(now, &connect);
            }
            CallOutput::Regather { session, credentials } => {
                self.traversals.restart(now, session, credentials);
            }
            CallOutput::OpenMedia { session, parked } => {
                self.out(Output::OpenMedia {
                    line,
                    session,
                    parked,
                });
            }
            CallOutput::Event(event) => self.tell_call_event(event),
            CallOutput::Flow(flow) => self.outputs.push_back(PortOutput::Flow(flow)),
            CallOutput::PlaceAgain { attempt } => {
                self.outputs.push_back(PortOutput::PlaceAgain { attempt });
            }
            CallOutput::Record(finished) => self.outputs.push_back(PortOutput::Record(finished)),
        }
    }

    fn line_command(&mut self, now: Instant, command: LineCommand) {
        self.line.handle_input(now, LineInput::Command(command));
    }

    fn tell_line_event(&mut self, event: &LineEvent) {
        let line = self.name().to_string();
        let told = match event {
            LineEvent::OffHook { .. } => EventKind::Hook {
                line,
                hook: Hook::Off,
            },
            LineEvent::OnHook { .. } => EventKind::Hook { line, hook: Hook::On },
            LineEvent::Flash { break_ms } => EventKind::Flash {
                line,
                break_ms: *break_ms,
            },
            LineEvent::Digit { key, source } => {
                let (source, speed_pps, break_percent) = match *source {
                    DigitSource::Dtmf => ("dtmf", None, None),
                    DigitSource::Pulse {
                        speed_pps,
                        break_percent,
                    } => {
                        // A single pulse has no speed.
                        let measured = speed_pps > 0.0;
                        (
                            "pulse",
                            measured.then_some(speed_pps),
                            measured.then_some(break_percent),
                        )
                    }
                };
                EventKind::Digit {
                    line,
                    digit: key.as_char(),
                    source,
                    speed_pps,
                    break_percent,
                }
            }
            LineEvent::RingBurst(on) => EventKind::Ring { line, on: *on },
            LineEvent::CallerIdSent => EventKind::CallerIdSent { line },
            LineEvent::Rejected { reason } => EventKind::LineRejected { line, reason },
            LineEvent::PulseDialingStarted | LineEvent::DigitEnd { .. } => return,
        };
        self.event(told);
    }

    fn tell_call_event(&mut self, event: CallEvent) {
        let line = self.name().to_string();
        let told = match event {
            CallEvent::State(state) => EventKind::LineState { line, state },
            CallEvent::Tone(tone) => EventKind::Tone {
                line,
                tone: tone.map(crate::zone::Tone::name),
            },
            CallEvent::Dialed {
                digits,
                number,
                emergency,
            } => EventKind::Dialed {
                line,
                digits,
                number,
                emergency,
            },
            CallEvent::DialRejected { digits, reason } => EventKind::DialRejected { line, digits, reason },
            CallEvent::Call {
                id,
                direction,
                remote,
                state,
                status,
                reason,
            } => EventKind::Call {
                call: id,
                line,
                direction,
                remote,
                state,
                status,
                reason,
            },
            CallEvent::RemoteDigit { id, digit } => EventKind::RemoteDigit {
                line,
                call: id,
                digit,
            },
            CallEvent::Transfer { id, target, status } => EventKind::Transfer {
                line,
                call: id,
                target,
                status,
            },
            CallEvent::Media { id, flowing } => EventKind::Media {
                line,
                call: id,
                flowing,
            },
            CallEvent::Encryption { id, encryption } => EventKind::Encryption {
                line,
                call: id,
                encryption,
            },
            CallEvent::Diagnosis { id, problem, text } => EventKind::Diagnosis {
                line: Some(line),
                call: Some(id),
                account: None,
                problem,
                text,
            },
        };
        self.event(told);
    }

    /// What the line is doing, its hardware's state included.
    pub(super) fn state(&self) -> LineState {
        if self.fault.is_some() {
            LineState::Faulted
        } else {
            self.calls.state()
        }
    }

    /// The session belongs to this line's call.
    pub(super) fn owns_session(&self, session: SessionId) -> bool {
        self.calls.owns_session(session)
    }

    fn voice_out(&mut self, command: VoiceCommand) {
        let line = self.name().clone();
        self.out(Output::Voice {
            line,
            command: Box::new(command),
        });
    }

    fn event(&mut self, kind: EventKind) {
        self.outputs.push_back(PortOutput::Event(kind));
    }

    fn out(&mut self, output: Output) {
        self.outputs.push_back(PortOutput::Out(output));
    }
}
