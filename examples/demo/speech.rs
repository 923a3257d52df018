//! Two voices made in code: pulses of a voice box through the resonances of a throat, in syllables.

use tipring::dsp::SAMPLE_RATE_HZ;
use tipring::dsp::level::{amplitude, rms_dbm0};

/// Level of the speech: P.56's usual -20 dBm0 and a little, pauses included.
const SPEECH_DBM0: f32 = -19.0;

/// Resonances of vowels, Hz (Peterson and Barney, 1952: i, a, u, ae, er).
const VOWELS: [[f32; 3]; 5] = [
    [270.0, 2290.0, 3010.0],
    [730.0, 1090.0, 2440.0],
    [300.0, 870.0, 2240.0],
    [660.0, 1720.0, 2410.0],
    [490.0, 1350.0, 1690.0],
];

/// Width of each resonance, Hz.
const WIDTHS_HZ: [f32; 3] = [80.0, 100.0, 140.0];

/// A low voice: two seconds of eight syllables.
pub fn low_voice() -> Vec<i16> {
    voice(112.0, 1.0, 8, 0x51ab)
}

/// A high one: two seconds of ten.
pub fn high_voice() -> Vec<i16> {
    voice(205.0, 1.15, 10, 0x7e3d)
}

/// Syllables of a fricative and a vowel each. `throat` scales the resonances.
fn voice(pitch_hz: f32, throat: f32, syllables: usize, seed: u32) -> Vec<i16> {
    let rate = SAMPLE_RATE_HZ as f32;
    let length = 2 * SAMPLE_RATE_HZ as usize / syllables;
    let mut noise = Noise(seed);
    let mut throat_filter = [Resonance::default(); 3];
    let (mut phase, mut spoken) = (0.0_f32, Vec::new());
    for syllable in 0..syllables {
        let vowel = VOWELS[noise.below(VOWELS.len())];
        for (resonance, (hz, width_hz)) in throat_filter.iter_mut().zip(vowel.into_iter().zip(WIDTHS_HZ)) {
            resonance.tune((hz * throat).min(3500.0), width_hz);
        }
        for index in 0..length {
            let part = index as f32 / length as f32;
            // A sentence's melody falls, a syllable's rises and falls.
            let melody =
                1.12 - 0.25 * (syllable as f32 + part) / syllables as f32 + 0.06 * (6.0 * part).sin();
            phase += pitch_hz * melody / rate;
            let pulse = if phase >= 1.0 {
                phase -= 1.0;
                1.0
            } else {
                0.0
            };
            let (hiss, voiced) = if part < 0.18 { (0.06, 0.0) } else { (0.002, 1.0) };
            let excitation = voiced * pulse + hiss * noise.next();
            let sound: f32 = throat_filter
                .iter_mut()
                .map(|resonance| resonance.pass(excitation))
                .sum();
            spoken.push(sound * loudness(part));
        }
    }
    to_level(&spoken)
}

/// A syllable begins softly and fades into a short pause.
fn loudness(part: f32) -> f32 {
    let rise = (part / 0.1).min(1.0);
    let fall = ((0.92 - part) / 0.25).clamp(0.0, 1.0);
    rise * fall
}

fn to_level(sound: &[f32]) -> Vec<i16> {
    let peak = sound
        .iter()
        .fold(f32::MIN_POSITIVE, |peak, sample| peak.max(sample.abs()));
    let scaled = |gain: f32| -> Vec<i16> { sound.iter().map(|sample| (sample * gain) as i16).collect() };
    let gain = amplitude(0.0) / peak;
    let difference_db = SPEECH_DBM0 - rms_dbm0(&scaled(gain));
    scaled(gain * 10_f32.powf(difference_db / 20.0))
}

/// A pole pair.
#[derive(Clone, Copy, Default)]
struct Resonance {
    one: f32,
    two: f32,
    gain: f32,
    past: [f32; 2],
}

impl Resonance {
    fn tune(&mut self, hz: f32, width_hz: f32) {
        let rate = SAMPLE_RATE_HZ as f32;
        let radius = (-std::f32::consts::PI * width_hz / rate).exp();
        self.one = 2.0 * radius * (std::f32::consts::TAU * hz / rate).cos();
        self.two = -radius * radius;
        self.gain = 1.0 - radius;
    }

    fn pass(&mut self, sample: f32) -> f32 {
        let out = self.gain * sample + self.one * self.past[0] + self.two * self.past[1];
        self.past = [out, self.past[0]];
        out
    }
}

/// A linear congruential generator: the same noise every time.
struct Noise(u32);

impl Noise {
    /// Evenly between -1 and 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    fn below(&mut self, count: usize) -> usize {
        ((self.next() + 1.0) * 0.5 * count as f32) as usize % count
    }
}
