//! Between a card's samples and the line's frames: rates converted, playback kept a constant time behind capture.
//!
//! Capture and playback of one card run on one crystal; then all that is captured comes out again in the same
//! number, and nothing is ever corrected. A PCM that joins two cards has two crystals: the distance of playback
//! behind capture is then held by resampling a few parts in a million off the nominal ratio, without a click.

use crate::dsp::FRAME;
use crate::dsp::SAMPLE_RATE_HZ;
use crate::dsp::resample::{Resampler, UnsupportedRate};

/// Most samples at 8 kHz that wait for their frame to be full.
const HEARD_MAX: usize = 4 * FRAME;

/// Deviations of the distance up to this are how finely a card tells where it is, not drift.
const TOLERATED_S: f64 = 0.002;

/// What is beyond is made up in this time: 200 ppm of drift then hold 2 ms more.
const MADE_UP_IN_S: f64 = 10.0;

/// Weight of one frame's deviation in the average: about a second.
const AVERAGED: f64 = 0.01;

/// Both directions.
#[derive(Debug)]
pub struct Conversion {
    rate_hz: u32,
    /// `None` for a card at 8 kHz.
    from_card: Option<Resampler>,
    heard: [i16; HEARD_MAX],
    heard_length: usize,
    to_card: Resampler,
    /// A card at 8 kHz is written to directly until its crystals turn out to differ.
    to_card_converts: bool,
    deviation: f64,
    /// Samples for the card that have found no room there.
    said: Box<[i16]>,
    said_length: usize,
}

impl Conversion {
    /// `waiting_max`: samples for the card that may have to wait here.
    pub fn new(rate_hz: u32, waiting_max: usize) -> Result<Self, UnsupportedRate> {
        let converts = rate_hz != SAMPLE_RATE_HZ;
        let from_card = Resampler::new(rate_hz, SAMPLE_RATE_HZ)?;
        let to_card = Resampler::new(SAMPLE_RATE_HZ, rate_hz)?;
        Ok(Self {
            rate_hz,
            from_card: converts.then_some(from_card),
            heard: [0; HEARD_MAX],
            heard_length: 0,
            said: vec![0; waiting_max + to_card.outputs_max(FRAME)].into_boxed_slice(),
            said_length: 0,
            to_card,
            to_card_converts: converts,
            deviation: 0.0,
        })
    }

    /// The streams begin anew: what waits is no longer wanted.
    pub fn restart(&mut self) {
        self.heard_length = 0;
        self.said_length = 0;
        self.deviation = 0.0;
    }

    /// Takes samples of the card, at most 10 ms of them; drain [`frame`](Self::frame) after it.
    pub fn hear(&mut self, samples: &[i16]) {
        let room = &mut self.heard[self.heard_length..];
        self.heard_length += match &mut self.from_card {
            Some(resampler) => resampler.process(samples, room),
            None => {
                let length = samples.len().min(room.len());
                room[..length].copy_from_slice(&samples[..length]);
                length
            }
        };
    }

    /// The next whole frame.
    pub fn frame(&mut self) -> Option<[i16; FRAME]> {
        if self.heard_length < FRAME {
            return None;
        }
        let mut frame = [0; FRAME];
        frame.copy_from_slice(&self.heard[..FRAME]);
        self.heard.copy_within(FRAME..self.heard_length, 0);
        self.heard_length -= FRAME;
        Some(frame)
    }

    /// Takes a frame for the card. `false`: too much is waiting, and it is lost.
    pub fn say(&mut self, frame: &[i16; FRAME]) -> bool {
        let room = &mut self.said[self.said_length..];
        if room.len() < self.to_card.outputs_max(FRAME) {
            return false;
        }
        self.said_length += if self.to_card_converts {
            self.to_card.process(frame, room)
        } else {
            room[..FRAME].copy_from_slice(frame);
            FRAME
        };
        true
    }

    /// Samples for the card, oldest first.
    pub fn waiting(&self) -> &[i16] {
        &self.said[..self.said_length]
    }

    /// The card took the first `length` of them.
    pub fn taken(&mut self, length: usize) {
        let length = length.min(self.said_length);
        self.said.copy_within(length..self.said_length, 0);
        self.said_length -= length;
    }

    /// Holds the distance: `card_frames` are in the card's two buffers, captured and to be played, and `wanted` are
    /// to be under way in all. To be called after each exchange.
    pub fn align(&mut self, card_frames: i64, wanted: u32) {
        let rate = f64::from(self.rate_hz);
        let heard = self.heard_length as f64 * rate / f64::from(SAMPLE_RATE_HZ);
        let deviation_s = (card_frames as f64 + heard + self.said_length as f64 - f64::from(wanted)) / rate;
        self.deviation += (deviation_s - self.deviation) * AVERAGED;
        let beyond_s = self.deviation - self.deviation.clamp(-TOLERATED_S, TOLERATED_S);
        self.to_card_converts |= beyond_s != 0.0;
        // As if our crystal were the fast one: more of what we say is used up for the same playback.
        self.to_card.adjust_ppm(beyond_s / MADE_UP_IN_S * 1e6);
    }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::RATES_HZ;
    use super::*;

    /// A card whose playback's crystal is `ppm` fast: seconds of it; how far playback ran dry or ahead, in ms, and
    /// what was played.
    fn run(rate_hz: u32, ppm: f64, seconds: u32) -> (f64, f64, Vec<i16>) {
        let ten_ms = (rate_hz / 100) as usize;
        let wanted = 2 * ten_ms as u32;
        let mut conversion = Conversion::new(rate_hz, 0).unwrap();
        let (mut fill, mut played) = (f64::from(wanted), Vec::new());
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        let mut phase = 0_u32;
        for _ in 0..seconds * 100 {
            let heard: Vec<i16> = (0..ten_ms)
                .map(|_| {
                    phase += 1;
                    let angle = std::f64::consts::TAU * 1000.0 * f64::from(phase) / f64::from(rate_hz);
                    (10_000.0 * angle.sin()) as i16
                })
                .collect();
            fill -= ten_ms as f64 * (1.0 + ppm * 1e-6);
            least = least.min(fill);
            conversion.hear(&heard);
            while let Some(frame) = conversion.frame() {
                assert!(conversion.say(&frame));
            }
            played.extend_from_slice(conversion.waiting());
            fill += conversion.waiting().len() as f64;
            conversion.taken(usize::MAX);
            most = most.max(fill);
            conversion.align(fill as i64, wanted);
        }
        let in_ms = |frames: f64| frames * 1000.0 / f64::from(rate_hz);
        (in_ms(least), in_ms(most), played)
    }

    /// The largest step away from what the two samples before promise of a sine of 1000 Hz.
    fn worst_click(samples: &[i16], rate_hz: u32) -> f64 {
        let turn = 2.0 * (std::f64::consts::TAU * 1000.0 / f64::from(rate_hz)).cos();
        samples
            .windows(3)
            .map(|three| (turn * f64::from(three[1]) - f64::from(three[0]) - f64::from(three[2])).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn one_crystal_keeps_its_distance_to_the_sample() {
        for rate_hz in RATES_HZ {
            let (least, most, played) = run(rate_hz, 0.0, 10);
            assert!(least > 9.8 && most < 20.2, "{rate_hz} Hz: {least} to {most} ms");
            let click = worst_click(&played[rate_hz as usize / 10..], rate_hz);
            assert!(click < 60.0, "{rate_hz} Hz: {click}");
        }
    }

    // Each takes seconds: apart, so that they run beside each other.

    #[test]
    fn two_crystals_at_8_khz() {
        two_crystals_are_held_together_without_a_click(8000, [-200.0, 200.0]);
    }

    #[test]
    fn two_crystals_at_48_khz_the_cards_slower() {
        two_crystals_are_held_together_without_a_click(48_000, [-200.0]);
    }

    #[test]
    fn two_crystals_at_48_khz_the_cards_faster() {
        two_crystals_are_held_together_without_a_click(48_000, [200.0]);
    }

    #[test]
    fn two_crystals_at_44_1_khz_the_cards_slower() {
        two_crystals_are_held_together_without_a_click(44_100, [-200.0]);
    }

    #[test]
    fn two_crystals_at_44_1_khz_the_cards_faster() {
        two_crystals_are_held_together_without_a_click(44_100, [200.0]);
    }

    fn two_crystals_are_held_together_without_a_click<const N: usize>(
        rate_hz: u32,
        differences_ppm: [f64; N],
    ) {
        for ppm in differences_ppm {
            let (least, most, played) = run(rate_hz, ppm, 60);
            assert!(
                least > 5.0 && most < 25.0,
                "{rate_hz} Hz, {ppm} ppm: {least} to {most} ms"
            );
            // A card at 8 kHz switches its converter on once, which costs its 2 ms.
            let settled = &played[rate_hz as usize * 40..];
            let click = worst_click(settled, rate_hz);
            assert!(click < 60.0, "{rate_hz} Hz, {ppm} ppm: {click}");
        }
    }

    #[test]
    fn what_finds_no_room_is_refused() {
        let mut conversion = Conversion::new(8000, 160).unwrap();
        let fits = std::iter::repeat_with(|| conversion.say(&[0; FRAME]))
            .take_while(|fits| *fits)
            .count();
        assert!((2..=3).contains(&fits), "{fits}");
        conversion.taken(80);
        assert!(conversion.say(&[0; FRAME]));
    }
}
