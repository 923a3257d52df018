//! What one telephone heard and said, as stretches of sound with a name.

use std::ops::Range;

use tipring::cli::phone::caller_text;
use tipring::dsp::level::rms_dbm0;
use tipring::dsp::{FRAME, SAMPLE_RATE_HZ};
use tipring::line::Caller;
use tipring::zone::{Tone, Zone};

use crate::telephone::{Notice, Recording};

/// Quieter is silence: the quietest tone of a call is 18 dB louder.
const AUDIBLE_DBM0: f32 = -42.0;

/// Frames of silence that a stretch of speech may contain: between syllables, not between a tone's bursts.
const PAUSE_FRAMES_MAX: usize = 12;

/// What a person says in one go is longer, two keys are shorter.
const KEYS_MS_MAX: f64 = 500.0;

/// Least share of a tone's power that must be at its frequencies.
const TONAL: f32 = 0.6;

/// What a sound is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A tone of the exchange.
    Tone(Tone),
    /// The modem that tells the display who calls.
    CallerId,
    /// A person.
    Voice,
    /// Keys.
    Keys,
}

/// A stretch of sound.
#[derive(Clone, Debug)]
pub struct Sound {
    /// What it is.
    pub kind: Kind,
    /// Which samples.
    pub samples: Range<usize>,
    /// When it began and ended, milliseconds.
    pub time_ms: Range<f64>,
    /// How loud it is.
    pub level_dbm0: f32,
}

/// One telephone's side of the story.
#[derive(Debug)]
pub struct Heard {
    /// The line's name.
    pub name: &'static str,
    /// Samples and notices.
    pub recording: Recording,
    /// What was heard.
    pub heard: Vec<Sound>,
    /// What was said.
    pub said: Vec<Sound>,
    /// Who is at the other end.
    pub other: &'static str,
    zone: Zone,
}

impl Heard {
    /// Makes sense of the recording of `name`'s telephone.
    pub fn of(name: &'static str, other: &'static str, recording: Recording, zone: &Zone) -> Self {
        let heard = sounds(&recording, &recording.heard, |samples, time_ms| {
            let samples = &recording.heard[samples];
            let fits = |tone: &Tone| share(samples, &frequencies_hz(zone, *tone)) > TONAL;
            match recognised(&recording, time_ms.start).into_iter().find(fits) {
                Some(tone) => Kind::Tone(tone),
                None if !is_off_hook(&recording, time_ms.start) => Kind::CallerId,
                None => Kind::Voice,
            }
        });
        let said = sounds(&recording, &recording.said, |_, time_ms| {
            if time_ms.end - time_ms.start < KEYS_MS_MAX {
                Kind::Keys
            } else {
                Kind::Voice
            }
        });
        Self {
            name,
            recording,
            heard,
            said,
            other,
            zone: zone.clone(),
        }
    }

    /// The first sound of a kind.
    pub fn first(&self, kind: Kind) -> Option<&Sound> {
        self.heard.iter().find(|sound| sound.kind == kind)
    }

    /// A sound in words: what it is, and what more there is to say of it.
    pub fn words(&self, kind: Kind) -> (String, String) {
        match kind {
            Kind::Tone(tone) => {
                let frequencies = frequencies_hz(&self.zone, tone);
                let frequencies: Vec<String> = frequencies.iter().map(f32::to_string).collect();
                let name = match tone {
                    Tone::Ringback => "ringback".to_owned(),
                    other => format!("{} tone", other.name().replace('_', " ")),
                };
                (name, format!("{} Hz", frequencies.join("+")))
            }
            Kind::CallerId => {
                let shown = self.caller().map(caller_text);
                (
                    "caller ID".to_owned(),
                    shown.unwrap_or_else(|| "not decoded".to_owned()),
                )
            }
            Kind::Voice => (format!("the {}'s voice", self.other), String::new()),
            Kind::Keys => ("keys".to_owned(), String::new()),
        }
    }

    /// What was said by voice.
    pub fn speech(&self) -> Option<&Sound> {
        self.said.iter().find(|sound| sound.kind == Kind::Voice)
    }

    /// Who the display showed.
    pub fn caller(&self) -> Option<&Caller> {
        self.recording
            .notices
            .iter()
            .find_map(|(_, notice)| match notice {
                Notice::Caller(caller) => Some(caller),
                _ => None,
            })
    }

    /// When this was noticed first.
    pub fn noticed_ms(&self, wanted: &Notice) -> Option<f64> {
        let found = self.recording.notices.iter().find(|(_, notice)| notice == wanted);
        found.map(|(at_ms, _)| *at_ms)
    }

    /// The stretches of time between a notice and its opposite.
    pub fn while_noticed(&self, began: &Notice, ended: &Notice) -> Vec<Range<f64>> {
        let mut stretches = Vec::new();
        let mut since = None;
        for (at_ms, notice) in &self.recording.notices {
            if notice == began {
                since = since.or(Some(*at_ms));
            } else if notice == ended
                && let Some(start) = since.take()
            {
                stretches.push(start..*at_ms);
            }
        }
        stretches.extend(since.map(|start| start..self.end_ms()));
        stretches
    }

    /// When the telephone was unplugged.
    pub fn end_ms(&self) -> f64 {
        time_ms(&self.recording, self.recording.heard.len())
    }
}

/// The first sound of each row of sounds of one kind: a tone's bursts are one thing to a listener.
pub fn firsts(sounds: &[Sound]) -> impl Iterator<Item = &Sound> {
    let before = std::iter::once(None).chain(sounds.iter().map(|sound| Some(sound.kind)));
    let changed = sounds
        .iter()
        .zip(before)
        .filter(|(sound, before)| Some(sound.kind) != *before);
    changed.map(|(sound, _)| sound)
}

fn frequencies_hz(zone: &Zone, tone: Tone) -> Vec<f32> {
    let mut all: Vec<f32> = Vec::new();
    for step in zone.tone(tone).steps() {
        for hz in step.sounding_hz() {
            if !all.contains(&hz) {
                all.push(hz);
            }
        }
    }
    all
}

fn sounds(
    recording: &Recording,
    samples: &[i16],
    kind: impl Fn(Range<usize>, &Range<f64>) -> Kind,
) -> Vec<Sound> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for (number, frame) in samples.chunks(FRAME).enumerate() {
        if rms_dbm0(frame) < AUDIBLE_DBM0 {
            continue;
        }
        match stretches.last_mut() {
            Some(last) if number - last.end <= PAUSE_FRAMES_MAX => last.end = number + 1,
            _ => stretches.push(number..number + 1),
        }
    }
    stretches
        .into_iter()
        .map(|frames| {
            let first = frames.start * FRAME;
            let silent = samples[first..]
                .iter()
                .take_while(|sample| sample.unsigned_abs() < 50);
            let samples_heard = first + silent.count()..frames.end * FRAME;
            let time_ms = time_ms(recording, samples_heard.start)..time_ms(recording, samples_heard.end);
            Sound {
                kind: kind(samples_heard.clone(), &time_ms),
                level_dbm0: rms_dbm0(&samples[samples_heard.clone()]),
                samples: samples_heard,
                time_ms,
            }
        })
        .collect()
}

/// When a sample was heard.
pub fn time_ms(recording: &Recording, sample: usize) -> f64 {
    recording.start_ms + sample as f64 * 1000.0 / f64::from(SAMPLE_RATE_HZ)
}

/// Every tone that the telephone recognised, those first that are likeliest to be what began at `began_ms`: the next
/// ones recognised, then the ones before.
fn recognised(recording: &Recording, began_ms: f64) -> Vec<Tone> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (at_ms, notice) in &recording.notices {
        if let Notice::Tone(Some(tone)) = notice {
            let side = if *at_ms < began_ms {
                &mut before
            } else {
                &mut after
            };
            side.push(*tone);
        }
    }
    before.reverse();
    after.extend(before);
    after
}

fn is_off_hook(recording: &Recording, at_ms: f64) -> bool {
    let before = recording
        .notices
        .iter()
        .rev()
        .filter(|(noticed_ms, _)| *noticed_ms <= at_ms);
    before
        .filter_map(|(_, notice)| match notice {
            Notice::Hook(off) => Some(*off),
            _ => None,
        })
        .next()
        .unwrap_or(false)
}

/// Share of the power that is at these frequencies, by windows of 50 ms.
fn share(samples: &[i16], frequencies_hz: &[f32]) -> f32 {
    const WINDOW: usize = 400;
    let (mut at, mut all) = (0.0_f32, 0.0_f32);
    for window in samples.chunks_exact(WINDOW) {
        all += window
            .iter()
            .map(|&sample| f32::from(sample).powi(2))
            .sum::<f32>();
        for hz in frequencies_hz {
            let (mut sine, mut cosine) = (0.0_f32, 0.0_f32);
            for (index, &sample) in window.iter().enumerate() {
                let angle = std::f32::consts::TAU * hz * index as f32 / SAMPLE_RATE_HZ as f32;
                sine += f32::from(sample) * angle.sin();
                cosine += f32::from(sample) * angle.cos();
            }
            at += 2.0 * (sine * sine + cosine * cosine) / WINDOW as f32;
        }
    }
    at / all.max(1.0)
}
