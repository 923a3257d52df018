//! A line, its clock, and the telephone at the other end of the pair.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dsp::transmission::Transmission;
use crate::line::caller_id::duration;
use crate::line::{
    DigitSource, DtmfEdge, Expectation, Line, LineCommand, LineConfig, LineEvent, LineInput, LineOutput,
    RingRequest, SlicAction,
};
use crate::testing::epoch;
use crate::zone::zone;

/// Virtual time in microseconds since the rig was made; the line is driven to each instant in order.
pub struct Rig {
    pub line: Line,
    start: Instant,
    now: Instant,
    /// Everything the line put out, with its time.
    pub outputs: Vec<(u64, LineOutput)>,
    transmission_ends: Option<Instant>,
    /// Whether the audio side reports the end of transmissions.
    pub reports_transmissions: bool,
}

impl Rig {
    pub fn new(country: &str) -> Self {
        Self::with(country, |_| {})
    }

    pub fn with(country: &str, adapt: impl FnOnce(&mut LineConfig)) -> Self {
        let start = epoch();
        let mut config = LineConfig::for_zone(Arc::new(zone(country).unwrap()));
        adapt(&mut config);
        Self {
            line: Line::new(config, start),
            start,
            now: start,
            outputs: Vec::new(),
            transmission_ends: None,
            reports_transmissions: true,
        }
    }

    pub fn at(&self, us: u64) -> Instant {
        self.start + Duration::from_micros(us)
    }

    pub fn now_ms(&self) -> u64 {
        self.us(self.now) / 1000
    }

    fn us(&self, at: Instant) -> u64 {
        at.duration_since(self.start).as_micros() as u64
    }

    /// Turns the crank up to and including `us`.
    pub fn run_until_us(&mut self, us: u64) {
        let until = self.at(us);
        for _ in 0..1_000_000 {
            let next = [self.line.poll_timeout(), self.transmission_ends]
                .into_iter()
                .flatten()
                .min();
            match next {
                Some(next) if next <= until => {
                    self.now = self.now.max(next);
                    if self.transmission_ends.is_some_and(|ends| ends <= self.now) {
                        self.transmission_ends = None;
                        self.line.handle_input(self.now, LineInput::TransmissionDone);
                    } else {
                        self.line.handle_timeout(self.now);
                    }
                    self.drain();
                }
                _ => {
                    self.now = self.now.max(until);
                    return;
                }
            }
        }
        panic!("the line asks for timeouts that change nothing");
    }

    pub fn run_until(&mut self, ms: u64) {
        self.run_until_us(ms * 1000);
    }

    pub fn run_for(&mut self, ms: u64) {
        self.run_until(self.now_ms() + ms);
    }

    fn drain(&mut self) {
        while let Some(output) = self.line.poll_output() {
            match &output {
                LineOutput::Transmit(transmission) if self.reports_transmissions => {
                    self.transmission_ends = Some(self.now + duration(transmission));
                }
                LineOutput::StopTransmission => self.transmission_ends = None,
                _ => {}
            }
            self.outputs.push((self.us(self.now), output));
        }
    }

    pub fn input(&mut self, input: LineInput) {
        self.line.handle_input(self.now, input);
        self.drain();
    }

    pub fn command(&mut self, command: LineCommand) {
        self.input(LineInput::Command(command));
    }

    pub fn expect(&mut self, expectation: Expectation) {
        self.command(LineCommand::Expect(expectation));
    }

    pub fn ring(&mut self, request: RingRequest) {
        self.command(LineCommand::Ring(request));
    }

    pub fn dtmf(&mut self, edge: DtmfEdge) {
        self.input(LineInput::Dtmf(edge));
    }

    /// An edge heard at once.
    pub fn edge_us(&mut self, closed: bool, us: u64) {
        self.run_until_us(us);
        let at = self.at(us);
        self.input(LineInput::Hook { closed, at });
    }

    pub fn edge(&mut self, closed: bool, ms: u64) {
        self.edge_us(closed, ms * 1000);
    }

    /// A change of the contact that bounces for `bounce_us` before it rests.
    pub fn contact_us(&mut self, closed: bool, us: u64, bounce_us: u64) {
        self.edge_us(closed, us);
        for (tenth, level) in [
            (1, !closed),
            (3, closed),
            (4, !closed),
            (7, closed),
            (9, !closed),
            (10, closed),
        ] {
            if bounce_us > 0 {
                self.edge_us(level, us + bounce_us * tenth / 10);
            }
        }
    }

    /// The dial runs back: so many breaks from `from_us` on. Returns the end of the last break.
    pub fn pulses_us(
        &mut self,
        from_us: u64,
        pulses: u32,
        pps: f64,
        break_percent: f64,
        bounce_us: u64,
    ) -> u64 {
        let cycle_us = 1e6 / pps;
        let mut end_us = from_us;
        for pulse in 0..pulses {
            let begin = from_us as f64 + f64::from(pulse) * cycle_us;
            end_us = (begin + cycle_us * break_percent / 100.0) as u64;
            self.contact_us(false, begin as u64, bounce_us);
            self.contact_us(true, end_us, bounce_us);
        }
        end_us
    }

    /// What happened, in words, and forgets it.
    pub fn events(&mut self) -> Vec<String> {
        let start = self.start;
        let ms = |at: &Instant| at.duration_since(start).as_millis();
        std::mem::take(&mut self.outputs)
            .iter()
            .filter_map(|(_, output)| match output {
                LineOutput::Event(event) => Some(event),
                _ => None,
            })
            .map(|event| match event {
                LineEvent::OffHook { at } => format!("off-hook {}", ms(at)),
                LineEvent::OnHook { at } => format!("on-hook {}", ms(at)),
                LineEvent::Flash { break_ms } => format!("flash {break_ms}"),
                LineEvent::PulseDialingStarted => "pulsing".to_owned(),
                LineEvent::Digit {
                    key,
                    source: DigitSource::Dtmf,
                } => format!("tone {key}"),
                LineEvent::Digit {
                    key,
                    source: DigitSource::Pulse { .. },
                } => format!("digit {key}"),
                LineEvent::DigitEnd { key, duration_ms } => format!("tone {key} ends {duration_ms}"),
                LineEvent::RingBurst(on) => format!("burst {on}"),
                LineEvent::CallerIdSent => "caller id sent".to_owned(),
                LineEvent::Rejected { reason } => format!("rejected: {reason}"),
            })
            .collect()
    }

    /// What was done to line and audio, each with its time in milliseconds, in words; forgets it.
    pub fn actions(&mut self) -> Vec<String> {
        std::mem::take(&mut self.outputs)
            .iter()
            .filter_map(|(us, output)| {
                let what = match output {
                    LineOutput::Slic(SlicAction::Ring(on)) => format!("ring {}", on_off(*on)),
                    LineOutput::Slic(SlicAction::Reverse(reversed)) => {
                        format!("reverse {}", on_off(*reversed))
                    }
                    LineOutput::Slic(SlicAction::Feed(fed)) => format!("feed {}", on_off(*fed)),
                    LineOutput::Slic(SlicAction::OnHookTransmission(open)) => {
                        format!("path {}", on_off(*open))
                    }
                    LineOutput::PlayTone(plan) => format!("tone {:?}", plan.steps()[0].frequencies_hz),
                    LineOutput::StopTone => "tone off".to_owned(),
                    LineOutput::Transmit(Transmission::Fsk { modem, message, .. }) => {
                        format!("{modem:?} {} bytes", message.as_slice().len())
                    }
                    LineOutput::Transmit(Transmission::Dtmf { keys, .. }) => {
                        let keys: String = keys.as_slice().iter().map(|key| key.as_char()).collect();
                        format!("dtmf {keys}")
                    }
                    LineOutput::Transmit(Transmission::AlertTone { on_ms, .. }) => format!("alert {on_ms}"),
                    LineOutput::StopTransmission => "stop transmission".to_owned(),
                    LineOutput::Event(LineEvent::OffHook { .. }) => "OFF HOOK".to_owned(),
                    LineOutput::Event(LineEvent::CallerIdSent) => "SENT".to_owned(),
                    LineOutput::Event(_) => return None,
                };
                Some(format!("{} {what}", us / 1000))
            })
            .collect()
    }

    /// Whether ringing voltage is on, by all that was put out since the last time it was forgotten.
    pub fn voltage(&self) -> Option<bool> {
        self.outputs.iter().rev().find_map(|(_, output)| match output {
            LineOutput::Slic(SlicAction::Ring(on)) => Some(*on),
            _ => None,
        })
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
