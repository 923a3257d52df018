//! Random lives of a line, from bytes: for the fuzzer, and for the property test beside it.

use std::time::{Duration, Instant};

use super::{
    Caller, DtmfEdge, Expectation, Line, LineCommand, LineConfig, LineEvent, LineInput, LineOutput,
    Presentation, RingRequest, SlicAction,
};
use crate::dsp::Key;
use crate::zone::Tone;

/// Longer than any country's hang-up.
const QUIET: Duration = Duration::from_millis(1500);

/// Plays `data` as operations on a line, two bytes each, and asserts what must hold of every life: the voltage and
/// the events alternate, nothing rings into an ear, no timer is due for nothing, and after 1.5 s of quiet the
/// reported state is the level.
pub fn line_operations(config: LineConfig, start: Instant, data: &[u8]) {
    let mut life = Life {
        line: Line::new(config, start),
        now: start,
        level: false,
        fed: true,
        off_hook: false,
        voltage: false,
        breaks: 0,
        pulsed_digits: 0,
    };
    for operation in data.chunks_exact(2) {
        life.operate(operation[0], operation[1]);
    }
    life.line
        .handle_input(life.now, LineInput::Command(LineCommand::OutOfService(false)));
    life.advance(Duration::from_millis(256));
    life.edge(life.level, life.now);
    life.advance(QUIET);
    assert_eq!(
        life.off_hook, life.level,
        "the level is the truth after {QUIET:?} of quiet"
    );
    life.line
        .handle_input(life.now, LineInput::Command(LineCommand::StopRinging));
    life.drain();
    assert!(!life.voltage, "the ringing voltage stayed on");
    assert_eq!(life.line.poll_timeout(), None, "a quiet line waits for nothing");
}

struct Life {
    line: Line,
    now: Instant,
    level: bool,
    fed: bool,
    off_hook: bool,
    voltage: bool,
    breaks: u32,
    pulsed_digits: u32,
}

impl Life {
    fn operate(&mut self, operation: u8, argument: u8) {
        let short = Duration::from_micros(u64::from(argument) * 100);
        let long = Duration::from_millis(u64::from(argument) * 8);
        match operation % 16 {
            0..=3 => {
                self.advance(short);
                self.edge(!self.level, self.now);
            }
            4..=7 => {
                self.advance(long);
                self.edge(!self.level, self.now);
            }
            // A lost edge, one that comes late, one of the future, a stall.
            8 => self.edge(self.level, self.now),
            9 => self.edge(!self.level, self.now - short.min(Duration::from_millis(5))),
            10 => self.edge(!self.level, self.now + long),
            11 => self.now += long,
            12 => self.advance(long),
            _ => self.input(self.other_input(argument)),
        }
    }

    fn other_input(&self, argument: u8) -> LineInput {
        let key = Key::ALL[usize::from(argument >> 4)];
        LineInput::Command(match argument % 16 {
            0 => return LineInput::Dtmf(DtmfEdge::Down(key)),
            1 => return LineInput::Dtmf(DtmfEdge::Up { key, duration_ms: 50 }),
            2 | 3 => return LineInput::TransmissionDone,
            4 => LineCommand::Tone(Tone::ALL[usize::from(argument >> 4)]),
            5 => LineCommand::ToneOff,
            6..=8 => LineCommand::Ring(RingRequest {
                cadence_ms: None,
                pattern: None,
                caller: Some(Caller {
                    number: Presentation::Given("600".to_owned()),
                    ..Caller::default()
                }),
            }),
            9 => LineCommand::Ring(RingRequest {
                cadence_ms: Some(vec![u32::from(argument >> 4); usize::from(argument >> 5)]),
                pattern: None,
                caller: None,
            }),
            10 => LineCommand::StopRinging,
            11 => LineCommand::Expect(Expectation::Conversation),
            12 => LineCommand::Expect(Expectation::Digits),
            13 => LineCommand::OpenLoop {
                duration_ms: u32::from(argument),
            },
            14 => LineCommand::OutOfService(argument < 128),
            _ => LineCommand::Polarity {
                reversed: argument < 128,
            },
        })
    }

    fn edge(&mut self, closed: bool, at: Instant) {
        self.breaks += u32::from(self.level && !closed);
        self.level = closed;
        self.input(LineInput::Hook { closed, at });
    }

    fn input(&mut self, input: LineInput) {
        self.line.handle_input(self.now, input);
        self.drain();
    }

    fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        let mut turns = 0;
        while let Some(due) = self.line.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.line.handle_timeout(self.now);
            self.drain();
            turns += 1;
            assert!(turns < 10_000, "timers that are due for nothing");
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.line.poll_output() {
            match output {
                LineOutput::Slic(SlicAction::Ring(on)) => {
                    assert!(on != self.voltage, "the voltage alternates");
                    assert!(!(on && self.off_hook), "rings into an ear");
                    assert!(!on || self.fed, "rings a line that is not fed");
                    self.voltage = on;
                }
                LineOutput::Slic(SlicAction::Feed(fed)) => {
                    assert!(fed != self.fed, "the feed alternates");
                    self.fed = fed;
                }
                LineOutput::Event(LineEvent::OffHook { .. }) => {
                    assert!(!self.off_hook, "lifted twice");
                    assert!(!self.voltage, "answered while the voltage is on");
                    self.off_hook = true;
                }
                LineOutput::Event(LineEvent::OnHook { .. }) => {
                    assert!(self.off_hook, "hung up twice");
                    self.off_hook = false;
                }
                LineOutput::Event(LineEvent::Digit { source, .. }) => {
                    assert!(self.off_hook, "a digit from a telephone on hook");
                    if source != super::DigitSource::Dtmf {
                        self.pulsed_digits += 1;
                        assert!(self.pulsed_digits <= self.breaks, "more digits than breaks");
                    }
                }
                _ => {}
            }
        }
    }
}
