//! Turns a [`Transmission`] into samples.

use super::{MessageBytes, Transmission};
use crate::dsp::SAMPLE_RATE_HZ;
use crate::dsp::dtmf::Generator;
use crate::dsp::fsk::Modulator;
use crate::dsp::voice::{ShapedVoice, Voice, to_sample};

/// Mark bits after the checksum, so that the last stop bit is heard whole (GR-30: 2 to 10).
const CLOSING_MARK_BITS: u32 = 10;

/// The dual-tone alerting signal (EN 300 659-1, GR-30).
const ALERT_TONE_HZ: [f32; 2] = [2130.0, 2750.0];

/// Plays one transmission at a time. Starts silent and done.
#[derive(Clone, Debug, Default)]
pub struct Player {
    playing: Option<Playing>,
}

#[derive(Clone, Debug)]
enum Playing {
    Fsk {
        modulator: Modulator,
        bits: Bits,
    },
    Dtmf {
        train: Transmission,
        next: usize,
        generator: Generator,
    },
    AlertTone {
        sound: ShapedVoice,
        on_left: u32,
    },
}

impl Player {
    /// A silent player.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays `transmission` from its start; what was being played is broken off.
    pub fn start(&mut self, transmission: Transmission) {
        self.playing = Some(match transmission {
            Transmission::Fsk {
                modem,
                seizure_bits,
                mark_bits,
                message,
                level_dbm0,
            } => Playing::Fsk {
                modulator: Modulator::new(modem, level_dbm0),
                bits: Bits::new(seizure_bits, mark_bits, message),
            },
            Transmission::Dtmf { .. } => Playing::Dtmf {
                train: transmission,
                next: 0,
                generator: Generator::new(),
            },
            Transmission::AlertTone { on_ms, level_dbm0 } => {
                let mut sound = ShapedVoice::default();
                sound.start(Voice::new(
                    ALERT_TONE_HZ
                        .iter()
                        .map(|&frequency_hz| (frequency_hz, level_dbm0)),
                    0.0,
                    0.0,
                ));
                Playing::AlertTone {
                    sound,
                    on_left: u32::from(on_ms) * SAMPLE_RATE_HZ / 1000,
                }
            }
        });
    }

    /// Breaks the transmission off.
    pub fn stop(&mut self) {
        self.playing = None;
    }

    /// Whether there is nothing (more) to play.
    pub fn is_done(&self) -> bool {
        self.playing.is_none()
    }

    /// Overwrites `samples` with the transmission, and silence after its end.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = self.next_sample();
        }
    }

    #[inline]
    fn next_sample(&mut self) -> i16 {
        let sample = match &mut self.playing {
            None => return 0,
            Some(Playing::Fsk { modulator, bits }) => modulator.next_sample(|| bits.next()),
            Some(Playing::Dtmf {
                train,
                next,
                generator,
            }) => next_of_train(train, next, generator),
            Some(Playing::AlertTone { sound, on_left }) => {
                match on_left.checked_sub(1) {
                    Some(left) => *on_left = left,
                    None => sound.stop(),
                }
                sound.is_sounding().then(|| to_sample(sound.next_value()))
            }
        };
        sample.unwrap_or_else(|| {
            self.stop();
            0
        })
    }
}

/// The next sample of a train of keys; `None` after its last pause.
#[inline]
fn next_of_train(train: &Transmission, next: &mut usize, generator: &mut Generator) -> Option<i16> {
    if let Transmission::Dtmf {
        keys,
        on_ms,
        off_ms,
        level_dbm0,
    } = train
        && !generator.is_playing()
    {
        let key = *keys.as_slice().get(*next)?;
        *next += 1;
        generator.play(key, *level_dbm0, u32::from(*on_ms), u32::from(*off_ms));
    }
    Some(generator.next_sample())
}

/// The bits of an FSK transmission: seizure, mark, bytes in their start and stop bits, closing mark.
#[derive(Clone, Copy, Debug)]
struct Bits {
    seizure_bits: u32,
    mark_bits: u32,
    message: MessageBytes,
    position: u32,
}

impl Bits {
    fn new(seizure_bits: u16, mark_bits: u16, message: MessageBytes) -> Self {
        Self {
            seizure_bits: u32::from(seizure_bits),
            mark_bits: u32::from(mark_bits),
            message,
            position: 0,
        }
    }

    fn next(&mut self) -> Option<bool> {
        let position = self.position;
        self.position += 1;
        if position < self.seizure_bits {
            return Some(position % 2 == 1);
        }
        let Some(position) = position.checked_sub(self.seizure_bits + self.mark_bits) else {
            return Some(true);
        };
        let (index, bit) = (position / 10, position % 10);
        match self.message.as_slice().get(index as usize) {
            Some(byte) => Some(match bit {
                0 => false,
                9 => true,
                _ => byte >> (bit - 1) & 1 == 1,
            }),
            None => {
                let closing = position - self.message.as_slice().len() as u32 * 10;
                (closing < CLOSING_MARK_BITS).then_some(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::Key;
    use crate::dsp::dtmf::{Detector, DtmfReport};
    use crate::dsp::level::rms_dbm0;
    use crate::dsp::transmission::KeyTrain;

    fn played(transmission: Transmission) -> Vec<i16> {
        let mut player = Player::new();
        player.start(transmission);
        let mut samples = Vec::new();
        while !player.is_done() {
            let mut frame = [0; 80];
            player.fill(&mut frame);
            samples.extend(frame);
        }
        samples
    }

    #[test]
    fn a_train_of_keys_is_heard_in_its_time() {
        let keys: Vec<Key> = "D0123456789C".chars().filter_map(Key::from_char).collect();
        let samples = played(Transmission::Dtmf {
            keys: KeyTrain::new(&keys).unwrap(),
            on_ms: 70,
            off_ms: 70,
            level_dbm0: -10.0,
        });
        assert!(samples.len().abs_diff(12 * 140 * 8) <= 80, "{}", samples.len());
        let mut heard = Vec::new();
        Detector::new().process(&samples, &mut |report| {
            if let DtmfReport::Down {
                key, start_sample, ..
            } = report
            {
                let due = heard.len() as u64 * 140 * 8 + 20;
                assert!(
                    start_sample.abs_diff(due) <= 16,
                    "{key} at {start_sample}, not {due}"
                );
                heard.push(key);
            }
        });
        assert_eq!(heard, keys);
    }

    #[test]
    fn the_alert_tone_has_its_length_and_level() {
        let samples = played(Transmission::AlertTone {
            on_ms: 80,
            level_dbm0: -14.0,
        });
        assert!(samples.len().abs_diff(85 * 8) <= 80);
        assert!((rms_dbm0(&samples[80..560]) + 11.0).abs() < 0.2);
    }

    #[test]
    fn a_transmission_broken_off_is_silent() {
        let mut player = Player::new();
        player.start(Transmission::AlertTone {
            on_ms: 80,
            level_dbm0: -14.0,
        });
        let mut frame = [1; 80];
        player.fill(&mut frame);
        player.stop();
        player.fill(&mut frame);
        assert!(player.is_done());
        assert_eq!(frame, [0; 80]);
    }
}
