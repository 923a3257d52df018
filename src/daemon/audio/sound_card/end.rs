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
    /// Restarts that cards before this one had to make.
    earlier_xruns: u32,
}

impl CardEnd {
    /// No card yet.
    pub fn new() -> Self {
        Self {
            card: None,
            last_frame: None,
            earlier_xruns: 0,
        }
    }

    /// Takes a card over; gives it back where there is one already.
    pub fn adopt(&mut self, card: Box<OpenCard>) -> Result<(), Box<OpenCard>> {
        if self.card.is_some() {
            return Err(card);
        }
        self.card = Some(card);
        Ok(())
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
        let card = self.card.take()?;
        self.earlier_xruns = self.earlier_xruns.saturating_add(card.xruns());
        Some(card)
    }

    /// Interruptions of the sound so far.
    pub fn xruns(&self) -> u32 {
        let running = self.card.as_ref().map_or(0, |card| card.xruns());
        self.earlier_xruns.saturating_add(running)
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
