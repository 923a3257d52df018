//! The machine of one line: inputs to the filter, the classifier, the ringer; their words to outputs, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::caller_id::Announcement;
use super::debounce::{Change, Debouncer, Settling};
use super::hook::{HookClassifier, HookRules};
use super::ring_session::RingSession;
use super::{DigitSource, DtmfEdge, LineCommand, LineEvent, LineInput, LineOutput, RingRequest, SlicAction};
use crate::dsp::Key;
use crate::zone::{CallerIdScheme, HookWindows, Tone, Zone};

/// Loop closed so long while ringing is an answer: longer than the 12 ms a short must last at most not to trip
/// the ring (standards sheet 3.2), short enough for ringing to be off 30 ms after the answer, bounce included.
const RING_TRIP: Duration = Duration::from_millis(13);

/// The same between alert tone and first ring, where a telephone may draw a wetting pulse of 15 ± 1 ms
/// (BT SIN 227).
const WETTING_TRIP: Duration = Duration::from_millis(25);

/// After the feed returns, loop current takes this long to show whether the telephone is off hook.
const FEED_SETTLES: Duration = Duration::from_millis(100);

/// What a line goes by. Complete: overrides of the owner are already in it.
#[derive(Clone, Debug, PartialEq)]
pub struct LineConfig {
    /// The country it sounds like: tones, ringing, pulse mapping.
    pub zone: Arc<Zone>,
    /// Hook windows: the zone's with the owner's own applied.
    pub hook: HookWindows,
    /// Whether breaks of the loop can be dial pulses.
    pub pulse_dialing: bool,
    /// How the caller is announced: the zone's or the owner's own.
    pub caller_id: CallerIdScheme,
}

impl LineConfig {
    /// Everything as the country has it, pulse dialling on.
    pub fn for_zone(zone: Arc<Zone>) -> Self {
        Self {
            hook: zone.hook,
            pulse_dialing: true,
            caller_id: zone.caller_id,
            zone,
        }
    }

    fn hook_rules(&self) -> HookRules {
        HookRules {
            windows: self.hook,
            pulse_dialing: self.pulse_dialing,
            mapping: self.zone.pulse_mapping,
        }
    }
}

/// One telephone line.
///
/// `handle_input` acts on time stamps only; what is due by the clock waits for `handle_timeout`. So edges that were
/// queued behind a stall are all heard before a break among them is taken for a hang-up: hand in what has come,
/// then call `handle_timeout`.
#[derive(Clone, Debug)]
pub struct Line {
    config: LineConfig,
    loop_state: Debouncer,
    hook: HookClassifier,
    feed: Feed,
    ring: Option<RingSession>,
    tone: Option<Tone>,
    /// The key reported down and not yet up.
    key_down: Option<Key>,
    events: VecDeque<LineEvent>,
    outputs: VecDeque<LineOutput>,
}

/// Whether the loop is fed: without feed its detector sees no telephone, and says nothing of the hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    On,
    /// Open (calling-party-control disconnect) until...
    OpenUntil(Instant),
    /// On again, the detector not to be believed until...
    SettlesAt {
        fed_at: Instant,
        until: Instant,
    },
    /// Out of service.
    Off,
}

impl Line {
    /// A line with its telephone on hook, the loop open and fed.
    pub fn new(config: LineConfig, now: Instant) -> Self {
        Self {
            loop_state: Debouncer::new(false, now),
            hook: HookClassifier::new(config.hook_rules(), now),
            config,
            feed: Feed::On,
            ring: None,
            tone: None,
            key_down: None,
            events: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Another configuration from now on; what is sounding or ringing goes on.
    pub fn set_config(&mut self, config: LineConfig) {
        self.hook.set_rules(config.hook_rules());
        self.config = config;
    }

    /// Off hook: no hang-up has been reported since the last seizure.
    pub fn is_off_hook(&self) -> bool {
        self.hook.is_off_hook()
    }

    /// Being rung, silent intervals and the announcement before the first ring included.
    pub fn is_ringing(&self) -> bool {
        self.ring.is_some()
    }

    /// Takes what has come in.
    pub fn handle_input(&mut self, now: Instant, input: LineInput) {
        match input {
            LineInput::Hook { closed, at } => {
                // A stamp ahead of the clock would hold every timer back until the clock gets there.
                let settling = self.settling();
                if let Some(change) = self.loop_state.edge(closed, at.min(now), settling) {
                    self.loop_changed(change);
                }
            }
            LineInput::Dtmf(edge) => self.dtmf(edge),
            LineInput::TransmissionDone => {
                if let Some(ring) = &mut self.ring {
                    ring.transmission_done(now, &mut self.outputs);
                }
            }
            LineInput::Command(command) => self.command(now, command),
        }
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let settling = self.settling();
        if let Some(change) = self.loop_state.settle(now, settling) {
            self.loop_changed(change);
        }
        match self.feed {
            Feed::OpenUntil(until) if until <= now => {
                self.slic(SlicAction::Feed(true));
                self.feed = Feed::SettlesAt {
                    fed_at: now,
                    until: now + FEED_SETTLES,
                };
            }
            Feed::SettlesAt { fed_at, until } if until <= now => {
                self.feed = Feed::On;
                self.find_loop(fed_at);
            }
            Feed::On | Feed::OpenUntil(_) | Feed::SettlesAt { .. } | Feed::Off => {}
        }
        if self.hook_deadline().is_some_and(|deadline| deadline <= now) {
            self.hook.timeout(now, &mut self.events);
            self.report_hook_events();
        }
        if let Some(ring) = &mut self.ring {
            ring.timeout(now, &mut self.outputs);
        }
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<LineOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let feed = match self.feed {
            Feed::On | Feed::Off => None,
            Feed::OpenUntil(until) | Feed::SettlesAt { until, .. } => Some(until),
        };
        [
            self.loop_state.deadline(self.settling()),
            feed,
            self.hook_deadline(),
            self.ring.as_ref().and_then(RingSession::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The classifier's deadline, unless an edge before it has yet to show whether it counts.
    fn hook_deadline(&self) -> Option<Instant> {
        if self.feed != Feed::On {
            return None;
        }
        let deadline = self.hook.deadline()?;
        let undecided = self
            .loop_state
            .unsettled_since()
            .is_some_and(|since| since <= deadline);
        (!undecided).then_some(deadline)
    }

    fn settling(&self) -> Settling {
        let debounce = Duration::from_millis(self.config.hook.debounce_ms.into());
        let closing = match &self.ring {
            Some(ring) if ring.may_wet_contacts() => WETTING_TRIP,
            Some(_) => RING_TRIP,
            None => debounce,
        };
        Settling {
            closing,
            opening: debounce,
        }
    }

    fn loop_changed(&mut self, change: Change) {
        if self.feed != Feed::On {
            return;
        }
        if change.closed {
            // An answer: the voltage goes off before anybody hears of it.
            self.stop_ringing();
        }
        self.hook.change(change, &mut self.events);
        self.report_hook_events();
    }

    /// The feed is back since `fed_at`, and the detector tells the truth again.
    fn find_loop(&mut self, fed_at: Instant) {
        match (self.loop_state.settled(), self.hook.is_off_hook()) {
            (true, false) => self.loop_changed(Change {
                closed: true,
                at: fed_at,
            }),
            (false, true) => {
                self.hook.found_open(fed_at, &mut self.events);
                self.report_hook_events();
            }
            (true, true) => self.hook.found_closed(),
            (false, false) => {}
        }
    }

    fn report_hook_events(&mut self) {
        while let Some(event) = self.events.pop_front() {
            if matches!(event, LineEvent::OnHook { .. }) {
                self.key_down = None;
                self.stop_tone();
            }
            self.event(event);
        }
    }

    fn dtmf(&mut self, edge: DtmfEdge) {
        match edge {
            DtmfEdge::Down(key) => {
                // A dial clicks and a telephone on hook is silent: what sounds like a key then is none.
                if self.feed == Feed::On && self.hook.is_off_hook() && !self.hook.is_dialing_pulses() {
                    self.key_down = Some(key);
                    self.event(LineEvent::Digit {
                        key,
                        source: DigitSource::Dtmf,
                    });
                }
            }
            DtmfEdge::Up { key, duration_ms } => {
                if self.key_down == Some(key) {
                    self.key_down = None;
                    self.event(LineEvent::DigitEnd { key, duration_ms });
                }
            }
        }
    }

    fn command(&mut self, now: Instant, command: LineCommand) {
        match command {
            LineCommand::Tone(tone) => {
                self.tone = Some(tone);
                self.outputs
                    .push_back(LineOutput::PlayTone(*self.config.zone.tone(tone)));
            }
            LineCommand::ToneOff => self.stop_tone(),
            LineCommand::Ring(request) => self.start_ringing(now, request),
            LineCommand::StopRinging => self.stop_ringing(),
            LineCommand::Expect(expectation) => self.hook.expect(expectation),
            LineCommand::Polarity { reversed } => self.slic(SlicAction::Reverse(reversed)),
            LineCommand::OpenLoop { duration_ms } => {
                // A line out of service is open already, and stays so.
                if self.feed != Feed::Off {
                    self.stop_ringing();
                    if !matches!(self.feed, Feed::OpenUntil(_)) {
                        self.slic(SlicAction::Feed(false));
                    }
                    self.feed = Feed::OpenUntil(now + Duration::from_millis(duration_ms.into()));
                }
            }
            LineCommand::OutOfService(true) => {
                self.stop_ringing();
                self.stop_tone();
                if !matches!(self.feed, Feed::Off | Feed::OpenUntil(_)) {
                    self.slic(SlicAction::Feed(false));
                }
                self.feed = Feed::Off;
            }
            LineCommand::OutOfService(false) => {
                if self.feed == Feed::Off {
                    self.slic(SlicAction::Feed(true));
                    self.feed = Feed::SettlesAt {
                        fed_at: now,
                        until: now + FEED_SETTLES,
                    };
                }
            }
        }
    }

    fn start_ringing(&mut self, now: Instant, request: RingRequest) {
        let cadence_ms = request
            .cadence_ms
            .unwrap_or_else(|| self.config.zone.ring.pattern_ms(request.pattern).to_vec());
        if self.hook.is_off_hook() || matches!(self.feed, Feed::Off | Feed::OpenUntil(_)) {
            self.event(LineEvent::Rejected {
                reason: "ringing asked of a telephone that cannot be rung",
            });
        } else if let Some(ring) = &mut self.ring {
            ring.change_cadence(cadence_ms, now, &mut self.outputs);
        } else {
            let announcement = request
                .caller
                .map(|caller| Announcement::new(self.config.caller_id, &caller, &cadence_ms))
                .unwrap_or_default();
            self.ring = Some(RingSession::start(
                announcement,
                cadence_ms,
                now,
                &mut self.outputs,
            ));
        }
    }

    fn stop_ringing(&mut self) {
        if let Some(ring) = self.ring.take() {
            ring.stop(&mut self.outputs);
        }
    }

    fn stop_tone(&mut self) {
        if self.tone.take().is_some() {
            self.outputs.push_back(LineOutput::StopTone);
        }
    }

    fn slic(&mut self, action: SlicAction) {
        self.outputs.push_back(LineOutput::Slic(action));
    }

    fn event(&mut self, event: LineEvent) {
        self.outputs.push_back(LineOutput::Event(event));
    }
}
