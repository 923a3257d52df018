//! Caller-ID modems: Bell 202 (GR-30) and V.23 mode 2 (EN 300 659-1), 1200 baud, continuous phase.

mod demodulator;
mod modulator;

pub use demodulator::{Demodulator, FskEvent};
pub use modulator::Modulator;

use super::transmission::Modem;

/// Bits a second of both modems.
pub const BAUD: u32 = 1200;

/// The frequencies of a modem: mark (1), space (0).
pub const fn frequencies_hz(modem: Modem) -> (f32, f32) {
    match modem {
        Modem::Bell202 => (1200.0, 2200.0),
        Modem::V23 => (1300.0, 2100.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dsp::level::{amplitude, rms_dbm0};
    use crate::dsp::signal::Seeded;
    use crate::dsp::transmission::{MessageBytes, Player, Transmission};

    const MESSAGE: [u8; 21] = *b"\x04\x1209301224609555121\x32\x51";

    /// The transmission as samples, with silence before and after.
    fn sent(modem: Modem, seizure_bits: u16, mark_bits: u16, message: &[u8], level_dbm0: f32) -> Vec<i16> {
        let mut player = Player::new();
        let mut samples = vec![0; 400];
        player.start(Transmission::Fsk {
            modem,
            seizure_bits,
            mark_bits,
            message: MessageBytes::new(message).unwrap(),
            level_dbm0,
        });
        while !player.is_done() {
            let mut frame = [0; 80];
            player.fill(&mut frame);
            samples.extend(frame);
        }
        samples.extend([0; 400]);
        samples
    }

    fn received(modem: Modem, samples: &[i16]) -> Vec<u8> {
        let mut demodulator = Demodulator::new(modem);
        let mut bytes = Vec::new();
        for chunk in samples.chunks(80) {
            demodulator.process(chunk, &mut |event| {
                if let FskEvent::Byte(byte) = event {
                    bytes.push(byte);
                }
            });
        }
        assert!(!demodulator.is_receiving());
        bytes
    }

    fn add_noise(samples: &mut [i16], level_dbm0: f32, seeded: &mut Seeded) {
        let deviation = f64::from(amplitude(level_dbm0)) / std::f64::consts::SQRT_2;
        for sample in samples {
            *sample = (f64::from(*sample) + deviation * seeded.normal()).round() as i16;
        }
    }

    #[test]
    fn messages_arrive_at_every_level_with_and_without_seizure() {
        let mut seeded = Seeded::new(1);
        for modem in [Modem::Bell202, Modem::V23] {
            for level_dbm0 in [0.0, -14.0, -25.0, -32.0] {
                for (seizure_bits, mark_bits) in [(300, 180), (96, 55), (0, 80)] {
                    let mut samples = sent(modem, seizure_bits, mark_bits, &MESSAGE, level_dbm0);
                    add_noise(&mut samples, level_dbm0 - 25.0, &mut seeded);
                    assert_eq!(
                        received(modem, &samples),
                        MESSAGE,
                        "{modem:?} {level_dbm0} {seizure_bits}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_byte_survives_twist_and_a_slow_clock() {
        let message: Vec<u8> = (0..=255).collect();
        for modem in [Modem::Bell202, Modem::V23] {
            let samples = sent(modem, 300, 180, &message, -14.0);
            // A first-order low-pass at 700 Hz and its opposite: about 5 dB between the frequencies, either way.
            let (mut low, mut weak_high, mut weak_low) = (0.0, Vec::new(), Vec::new());
            for &sample in &samples {
                low += (f32::from(sample) - low) * 0.42;
                weak_high.push(low as i16);
                weak_low.push((f32::from(sample) - 0.8 * low) as i16);
            }
            assert_eq!(
                received(modem, &weak_high),
                message,
                "{modem:?}, high frequency weak"
            );
            assert_eq!(
                received(modem, &weak_low),
                message,
                "{modem:?}, low frequency weak"
            );
            // 1 % slow or fast, frequencies too.
            for factor in [0.99, 1.01] {
                let slow: Vec<i16> = (0..(samples.len() as f64 / factor) as usize - 1)
                    .map(|index| {
                        let place = index as f64 * factor;
                        let (here, share) = (place as usize, place.fract());
                        (f64::from(samples[here]) * (1.0 - share) + f64::from(samples[here + 1]) * share)
                            as i16
                    })
                    .collect();
                assert_eq!(received(modem, &slow), message, "{modem:?} at {factor}");
            }
        }
    }

    #[test]
    fn a_bit_lasts_exactly_as_long_as_it_shall() {
        // 300 + 180 + 210 + 10 bits of 6⅔ samples.
        let mut player = Player::new();
        player.start(Transmission::Fsk {
            modem: Modem::Bell202,
            seizure_bits: 300,
            mark_bits: 180,
            message: MessageBytes::new(&MESSAGE).unwrap(),
            level_dbm0: -14.0,
        });
        let mut samples = vec![0; 10_000];
        player.fill(&mut samples);
        let last = samples.iter().rposition(|&sample| sample != 0).unwrap();
        assert!(last.abs_diff(700 * 20 / 3) <= 2, "{last}");
        assert!((rms_dbm0(&samples[..last]) + 14.0).abs() < 0.2);
    }

    #[test]
    fn the_phase_never_jumps() {
        let peak = f64::from(amplitude(-3.0));
        // The largest step a 2200 Hz sine makes from one sample to the next.
        let largest = peak * std::f64::consts::TAU * 2200.0 / 8000.0;
        let samples = sent(Modem::Bell202, 300, 0, &[0x55, 0x00, 0xFF], -3.0);
        let end = samples.iter().rposition(|&sample| sample != 0).unwrap();
        for pair in samples[..end].windows(2) {
            assert!(f64::from(pair[0].abs_diff(pair[1])) <= largest, "{pair:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_message_comes_through(message in proptest::collection::vec(any::<u8>(), 0..80), lead in 0_usize..100) {
            let mut samples = vec![0; lead];
            samples.extend(sent(Modem::V23, 96, 55, &message, -20.0));
            prop_assert_eq!(received(Modem::V23, &samples), message);
        }

        #[test]
        fn any_samples_are_survived(samples in proptest::collection::vec(any::<i16>(), 0..4000)) {
            let mut demodulator = Demodulator::new(Modem::Bell202);
            demodulator.process(&samples, &mut |_| {});
        }
    }
}
