//! A line's end towards its sound card: there or not, the voice path goes on at 100 frames a second.

use std::time::{Duration, Instant};

use super::{CardFault, OpenCard, Served};
use crate::dsp::FRAME;
use crate::media::VoicePath;

/// One frame.
const FRAME_TIME: Duration = Duration::from_millis(10);

/// Without a frame from the card for so long, and two of its periods, the line is silent and time goes on.
const PATIENCE: Duration = Duration::from_millis(20);

/// Frames made up for at once; what is beyond has no listener any more.
const CATCH_UP_FRAMES: u32 = 10;

/// The card, if it is there, and when it last gave a frame.
#[derive(Debug)]
pub struct CardEnd {
    card: Option<Box<OpenCard>>,
    last_frame: Option<Instant>,
}

impl CardEnd {
    /// With a card that is not running yet.
    pub fn new(card: OpenCard) -> Self {
        Self {
            card: Some(Box::new(card)),
            last_frame: None,
        }
    }

    /// The card, to be waited for.
    pub fn card(&self) -> Option<&OpenCard> {
        self.card.as_deref()
    }

    /// Lets its streams run.
    pub fn start(&mut self, now: Instant) {
        if let Some(card) = &mut self.card {
            card.start(now);
        }
    }

    /// Gives the card away, to be closed elsewhere.
    pub fn release(&mut self) -> Option<Box<OpenCard>> {
        self.card.take()
    }

    /// Interruptions of the sound since it was asked last.
    pub fn take_xruns(&mut self) -> u32 {
        self.card.as_mut().map_or(0, |card| card.take_xruns())
    }

    /// The card's descriptors have woken the thread, or 10 ms are over: frames as far as the card has captured.
    pub fn serve(&mut self, now: Instant, voice: &mut VoicePath) -> Result<Served, CardFault> {
        let Some(card) = &mut self.card else {
            return Ok(Served::default());
        };
        let served = card.serve(now, &mut |heard, said| {
            voice.capture(now, heard);
            voice.playback(now, said);
        })?;
        if served.frames > 0 {
            self.last_frame = Some(now);
        }
        if served.restarted {
            // Time went by meanwhile: the far end's packets for it have to leave the jitter buffer.
            self.pass(now, Duration::ZERO, voice);
        }
        Ok(served)
    }

    /// 10 ms are over: where the card gives nothing, silence does.
    pub fn tick(&mut self, now: Instant, voice: &mut VoicePath) {
        let periods = self.card.as_ref().map_or(Duration::ZERO, |card| {
            2 * Duration::from_micros(card.period_us().into())
        });
        self.pass(now, PATIENCE + periods, voice);
    }

    /// Frames of silence up to `patience` before now.
    fn pass(&mut self, now: Instant, patience: Duration, voice: &mut VoicePath) {
        let mut last = self.last_frame.unwrap_or(now);
        let mut frames = 0;
        while now.saturating_duration_since(last) >= patience + FRAME_TIME {
            frames += 1;
            if frames > CATCH_UP_FRAMES {
                last = now;
                break;
            }
            last += FRAME_TIME;
            voice.capture(now, &[0; FRAME]);
            voice.playback(now, &mut [0; FRAME]);
        }
        self.last_frame = Some(last);
    }
}
