//! The state machine of one line's calls.
//!
//! [`LineCalls`] holds what the line is doing ([`Phase`]); what moves it stands in `telephone` (the person), `network`
//! (SIP), `media` (sockets and audio thread), `early` (before the answer) and `ending` (everything that ends, and the
//! outputs all share). A second call is held or waits beside the phase: `second_call` moves it, `recall` says what the
//! flash key means, `transfer` connects the two, `referral` follows a peer that sends us elsewhere. `security` hears of
//! handshakes, `second_offer` offers simpler media to a peer that could not do with the first, `moving` tells a peer that
//! media has come to go another way.

mod abilities;
mod early;
mod emergency;
mod ending;
mod media;
mod moving;
mod network;
mod recall;
mod referral;
mod second_call;
mod second_offer;
mod security;
mod telephone;
mod transfer;

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
use crate::media::dtls::Fingerprint;
use crate::sip::ua::{CallId, ReferralId, UaCommand, Via};
use crate::zone::{RingPattern, Tone};

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
    /// A call on hold beside what the line is doing.
    held: Option<Box<Leg>>,
    /// A second caller, told of by a tone.
    waiting: Option<Box<Ringing>>,
    /// Messages wait in the mailbox.
    message_waiting: bool,
    outputs: VecDeque<CallOutput>,
    /// An emergency call is in progress.
    emergency: Option<emergency::EmergencyCall>,
    /// Of the certificate that we do DTLS handshakes with.
    fingerprint: Option<Fingerprint>,
}

/// What the line is doing.
#[derive(Debug)]
enum Phase {
    Idle,
    Ringing(Box<Ringing>),
    Dialing {
        collector: Box<Collector>,
        collecting: bool,
        /// Keys kept from the dial plan while they can still be one of the line's own codes; `None`: they cannot.
        code: Option<String>,
        /// The code that was dialled before this number.
        feature: Option<recall::Feature>,
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
    /// A recall between two calls: a digit says what it is for.
    AwaitingCode {
        leg: Box<Leg>,
        until: Instant,
    },
    /// On hook with a call on hold: the telephone rings to be taken up again.
    Recall(Recall),
    /// Calls are being connected to each other, or sent elsewhere.
    Transferring(Box<transfer::Transfer>),
}

/// A held call rings its person back.
#[derive(Debug)]
struct Recall {
    leg: Box<Leg>,
    until: Instant,
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
    /// How its INVITE wants the telephone to ring.
    pattern: Option<RingPattern>,
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
    /// Whose wish it is, where a peer sent us there.
    referral: Option<ReferralId>,
    /// The called party is not to see who calls; `None`: as the account has it.
    anonymous: Option<bool>,
    /// A peer sent us there, whatever has become of that wish.
    referred: bool,
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
            held: None,
            waiting: None,
            message_waiting: false,
            outputs: VecDeque::new(),
            emergency: None,
            fingerprint: None,
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
                self.gathered(session, *gathered);
            }
            CallInput::Settled { session, settled } => self.settled(session, settled),
            CallInput::MediaFailed { session, reason } => self.media_failed(now, session, &reason),
            CallInput::Incoming { incoming, time } => self.incoming(now, *incoming, time),
            CallInput::Sip { call, event } => self.handle_sip(now, call, event),
            CallInput::MessageWaiting(waiting) => self.message_waiting = waiting,
            CallInput::Fault(faulted) => self.fault(now, faulted),
            CallInput::Configure(config) => self.config = *config,
            CallInput::Shutdown => self.end_everything(now, Cause::LocalHangup),
            CallInput::NoMoreWays => self.ways_exhausted(now),
            CallInput::Secured {
                session,
                association,
                keys,
            } => self.secured(session, association, *keys),
            CallInput::Insecure {
                session,
                association,
                error,
            } => self.insecure(now, session, association, &error),
        }
        self.report_state();
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.emergency_timeout(now);
        if self.waiting.as_ref().is_some_and(|waiting| now >= waiting.until) {
            self.refuse_waiting(now, 480, Cause::NoAnswer);
        }
        match &mut self.phase {
            Phase::AwaitingCode { until, .. } if now >= *until => {
                if let Phase::AwaitingCode { leg, .. } = std::mem::replace(&mut self.phase, Phase::Idle) {
                    self.end_code(leg);
                }
            }
            Phase::Recall(recall) if now >= recall.until => self.give_up_recall(now),
            Phase::Transferring(transfer) if now >= transfer.until => self.transfer_failed(now, 408),
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
            Phase::AwaitingCode { until, .. } | Phase::Recall(Recall { until, .. }) => Some(*until),
            Phase::Transferring(transfer) => Some(transfer.until),
            _ => None,
        };
        let waiting = self.waiting.as_ref().map(|waiting| waiting.until);
        phase
            .into_iter()
            .chain(waiting)
            .chain(self.emergency_poll())
            .min()
    }

    /// What the line is doing.
    pub fn state(&self) -> LineState {
        match &self.phase {
            Phase::Idle => LineState::Idle,
            Phase::Ringing(_) | Phase::Recall(_) => LineState::Ringing,
            // The dial tone of a consultation that hasn't begun.
            Phase::Dialing {
                collecting: false, ..
            } if self.held.is_some() => LineState::Held,
            Phase::Dialing {
                collecting: false, ..
            } => LineState::DialTone,
            Phase::Dialing { collecting: true, .. } => LineState::Collecting,
            Phase::Calling(_) => LineState::Calling,
            Phase::Talking(_) | Phase::AwaitingCode { .. } => LineState::Talking,
            Phase::Held(_) | Phase::Transferring(_) => LineState::Held,
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
        matches!(self.phase, Phase::Idle) && !self.off_hook && self.held.is_none()
    }

    /// Nothing is going on, and no call waits for its figures.
    pub fn is_quiet(&self) -> bool {
        self.ending.is_empty() && self.legs().next().is_none()
    }

    /// Whether `call` is one of this line's.
    pub fn owns(&self, call: CallId) -> bool {
        self.leg_of(call).is_some()
    }

    /// Whether `session` is one of this line's.
    pub fn owns_session(&self, session: SessionId) -> bool {
        self.legs().any(|leg| leg.media.session == session)
    }

    /// Whether `session` is that of a call which isn't heard at present.
    pub fn is_parked(&self, session: SessionId) -> bool {
        self.legs()
            .any(|leg| leg.media.session == session && leg.media.parked)
    }

    /// Keeps a sentence about a call for its record.
    pub fn note(&mut self, id: &str, sentence: &str) {
        let known = |leg: &&mut Leg| leg.id == id;
        if let Some(leg) = self.leg_mut().filter(known) {
            leg.note(sentence);
        }
    }

    /// The calls in progress, the one the line is busy with first.
    pub fn snapshots(&self) -> impl Iterator<Item = CallSnapshot> {
        self.legs().map(|leg| CallSnapshot {
            id: leg.id.clone(),
            direction: leg.direction,
            remote: leg.remote.clone(),
            state: leg.state,
            codec: leg.media.agreed.map(|params| params.codec),
            answered: leg.answered,
            encryption: leg.media.encryption(),
        })
    }

    /// The call the line is busy with.
    fn leg(&self) -> Option<&Leg> {
        match &self.phase {
            Phase::Ringing(ringing) => Some(&ringing.leg),
            Phase::Calling(outgoing) => Some(&outgoing.leg),
            Phase::Talking(leg) | Phase::Held(leg) => Some(leg),
            Phase::AwaitingCode { leg, .. } | Phase::Recall(Recall { leg, .. }) => Some(leg),
            Phase::Transferring(transfer) => Some(&transfer.leg),
            _ => None,
        }
    }

    fn leg_mut(&mut self) -> Option<&mut Leg> {
        match &mut self.phase {
            Phase::Ringing(ringing) => Some(&mut ringing.leg),
            Phase::Calling(outgoing) => Some(&mut outgoing.leg),
            Phase::Talking(leg) | Phase::Held(leg) => Some(leg),
            Phase::AwaitingCode { leg, .. } | Phase::Recall(Recall { leg, .. }) => Some(leg),
            Phase::Transferring(transfer) => Some(&mut transfer.leg),
            _ => None,
        }
    }

    /// Every call of the line.
    fn legs(&self) -> impl Iterator<Item = &Leg> {
        let target = match &self.phase {
            Phase::Transferring(transfer) => transfer.target.as_ref(),
            _ => None,
        };
        let held = self.held.as_deref();
        let waiting = self.waiting.as_ref().map(|waiting| &waiting.leg);
        self.leg().into_iter().chain(target).chain(held).chain(waiting)
    }

    fn leg_of(&self, call: CallId) -> Option<&Leg> {
        self.legs().find(|leg| leg.call == Some(call))
    }

    /// Whether `call` is the one the line is busy with.
    fn is_foreground(&self, call: CallId) -> bool {
        self.leg().is_some_and(|leg| leg.call == Some(call))
    }

    fn leg_of_mut(&mut self, call: CallId) -> Option<&mut Leg> {
        if self.is_foreground(call) {
            return self.leg_mut();
        }
        if let Phase::Transferring(transfer) = &mut self.phase
            && let Some(target) = &mut transfer.target
            && target.call == Some(call)
        {
            return Some(target);
        }
        let held = self.held.as_deref_mut();
        let waiting = self.waiting.as_mut().map(|waiting| &mut waiting.leg);
        held.into_iter().chain(waiting).find(|leg| leg.call == Some(call))
    }
}
