//! The state machine of one line's calls.
//!
//! [`LineCalls`] holds what the line is doing ([`Phase`]); what moves it stands in `telephone` (the person), `network`
//! (SIP and media), `early` (before the answer) and `ending` (everything that ends, and the outputs all share).

mod early;
mod emergency;
mod ending;
mod network;
mod telephone;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::leg::Leg;
use super::state::{Cause, LineState};
use super::{CallConfig, CallInput, CallOutput, CallSnapshot, Placement, SessionId};
use crate::dial::Collector;
use crate::line::Caller;
use crate::media::SessionParams;
use crate::sip::ua::{CallId, UaCommand, Via};
use crate::zone::Tone;

/// Busy or congestion sounds so long before the howler (GR-506: permanent signal after 20 to 40 s).
const BUSY_TONE: Duration = Duration::from_secs(30);

/// The howler sounds so long before the line is locked out in silence (GR-506: 40 to 60 s).
const HOWLER: Duration = Duration::from_secs(60);

/// One line's calls.
#[derive(Debug)]
pub struct LineCalls {
    line: String,
    config: CallConfig,
    random: StdRng,
    phase: Phase,
    off_hook: bool,
    /// Calls that are over but for their media figures, oldest first; `None`: the figures of a fork that was left.
    ending: VecDeque<Option<(Leg, Cause, Instant)>>,
    /// What sounds now, by our own order.
    tone: Option<Tone>,
    reported: LineState,
    outputs: VecDeque<CallOutput>,
    /// An emergency call is in progress.
    emergency: Option<emergency::EmergencyCall>,
}

/// What the line is doing.
#[derive(Debug)]
enum Phase {
    Idle,
    Ringing(Box<Ringing>),
    Dialing {
        collector: Box<Collector>,
        collecting: bool,
    },
    Calling(Box<Outgoing>),
    Talking(Box<Leg>),
    Held(Box<Leg>),
    Tone {
        until: Instant,
    },
    Howler {
        until: Instant,
    },
    LockedOut,
    Faulted,
}

/// An incoming call nobody has answered yet.
#[derive(Debug)]
struct Ringing {
    leg: Leg,
    call: CallId,
    offer: Vec<u8>,
    /// The 180 has to carry our offer.
    wants_early_offer: bool,
    caller: Caller,
    /// What 200 will carry, and the session it starts; `None` until the sockets are open.
    answer: Option<(Vec<u8>, Option<SessionParams>)>,
    until: Instant,
}

/// A call under way to somebody.
#[derive(Debug)]
struct Outgoing {
    leg: Leg,
    number: String,
    placement: Option<Placement>,
    ringback: bool,
    early_media_heard: bool,
    /// Whose early media it is.
    fork: Option<String>,
}

impl LineCalls {
    /// The calls of the line of this name.
    pub fn new(line: &str, config: CallConfig, seed: [u8; 32]) -> Self {
        Self {
            line: line.to_owned(),
            config,
            random: StdRng::from_seed(seed),
            phase: Phase::Idle,
            off_hook: false,
            ending: VecDeque::new(),
            tone: None,
            reported: LineState::Idle,
            outputs: VecDeque::new(),
            emergency: None,
        }
    }

    /// Takes one input; drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_input(&mut self, now: Instant, input: CallInput) {
        match input {
            CallInput::Line(event) => self.handle_line(now, event),
            CallInput::Voice(event) => self.handle_voice(now, event),
            CallInput::Placed(placement) => {
                if let Phase::Calling(outgoing) = &mut self.phase
                    && outgoing.leg.call.is_none()
                {
                    outgoing.leg.call = Some(placement.call);
                    outgoing.leg.media.local_ip = Some(placement.local_ip);
                    outgoing.leg.media.at_home = matches!(placement.via, Via::Address { .. });
                    if matches!(placement.via, Via::Address { .. }) || self.emergency.is_some() {
                        outgoing.leg.media.insist_on_nothing();
                    }
                    outgoing.placement = Some(placement);
                    self.way_found();
                    self.invite_when_ready();
                }
            }
            CallInput::NoRoute { reason, status } => self.fail_outgoing(now, status, &reason),
            CallInput::MediaOpened { session, port } => self.media_opened(now, session, port),
            CallInput::Gathered { session, gathered } => {
                if let Some(leg) = self.leg_mut().filter(|leg| leg.media.session == session) {
                    leg.media.gathered = Some(*gathered);
                }
            }
            CallInput::MediaFailed { session, reason } => self.media_failed(now, session, &reason),
            CallInput::Incoming { incoming, time } => self.incoming(now, *incoming, time),
            CallInput::Sip { call, event } => self.handle_sip(now, call, event),
            CallInput::Fault(faulted) => self.fault(now, faulted),
            CallInput::Configure(config) => self.config = *config,
            CallInput::Shutdown => self.end_everything(now, Cause::LocalHangup),
            CallInput::NoMoreWays => self.ways_exhausted(now),
        }
        self.report_state();
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.emergency_timeout(now);
        match &mut self.phase {
            Phase::Dialing { collector, .. } => {
                collector.handle_timeout(now);
                self.drain_collector(now);
            }
            Phase::Ringing(ringing) if now >= ringing.until => {
                let call = ringing.call;
                self.sip(UaCommand::Reject { call, status: 480 });
                self.stop_ringing(now, Cause::NoAnswer, Some(480));
            }
            Phase::Tone { until } if now >= *until => {
                self.play(Tone::Howler);
                self.phase = Phase::Howler { until: now + HOWLER };
            }
            Phase::Howler { until } if now >= *until => {
                self.silence();
                self.phase = Phase::LockedOut;
            }
            _ => {}
        }
        self.report_state();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<CallOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Dialing { collector, .. } => collector.poll_timeout(),
            Phase::Ringing(ringing) => Some(ringing.until),
            Phase::Tone { until } | Phase::Howler { until } => Some(*until),
            _ => None,
        };
        phase.into_iter().chain(self.emergency_poll()).min()
    }

    /// What the line is doing.
    pub fn state(&self) -> LineState {
        match &self.phase {
            Phase::Idle => LineState::Idle,
            Phase::Ringing(_) => LineState::Ringing,
            Phase::Dialing {
                collecting: false, ..
            } => LineState::DialTone,
            Phase::Dialing { collecting: true, .. } => LineState::Collecting,
            Phase::Calling(_) => LineState::Calling,
            Phase::Talking(_) => LineState::Talking,
            Phase::Held(_) => LineState::Held,
            Phase::Tone { .. } => LineState::BusyTone,
            Phase::Howler { .. } | Phase::LockedOut => LineState::Howler,
            Phase::Faulted => LineState::Faulted,
        }
    }

    /// The handset is lifted.
    pub fn is_off_hook(&self) -> bool {
        self.off_hook
    }

    /// A further call can be taken now.
    pub fn is_free(&self) -> bool {
        matches!(self.phase, Phase::Idle) && !self.off_hook
    }

    /// Nothing is going on, and no call waits for its figures.
    pub fn is_quiet(&self) -> bool {
        self.ending.is_empty() && self.leg().is_none()
    }

    /// Whether `call` is one of this line's.
    pub fn owns(&self, call: CallId) -> bool {
        self.leg().is_some_and(|leg| leg.call == Some(call))
    }

    /// Whether `session` is one of this line's.
    pub fn owns_session(&self, session: SessionId) -> bool {
        self.leg().is_some_and(|leg| leg.media.session == session)
    }

    /// The call in progress.
    pub fn snapshot(&self) -> Option<CallSnapshot> {
        self.leg().map(|leg| CallSnapshot {
            id: leg.id.clone(),
            direction: leg.direction,
            remote: leg.remote.clone(),
            state: leg.state,
            codec: leg.media.agreed.map(|params| params.codec),
            answered: leg.answered,
            encryption: leg.media.encryption(),
        })
    }

    fn leg(&self) -> Option<&Leg> {
        match &self.phase {
            Phase::Ringing(ringing) => Some(&ringing.leg),
            Phase::Calling(outgoing) => Some(&outgoing.leg),
            Phase::Talking(leg) | Phase::Held(leg) => Some(leg),
            _ => None,
        }
    }

    fn leg_mut(&mut self) -> Option<&mut Leg> {
        match &mut self.phase {
            Phase::Ringing(ringing) => Some(&mut ringing.leg),
            Phase::Calling(outgoing) => Some(&mut outgoing.leg),
            Phase::Talking(leg) | Phase::Held(leg) => Some(leg),
            _ => None,
        }
    }
}
