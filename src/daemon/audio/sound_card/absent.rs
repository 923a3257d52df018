//! In place of sound cards in a build without ALSA: none can be opened, so none exists.

use std::os::fd::RawFd;
use std::time::Instant;

use super::{CardFault, Served, SoundCardError, SoundCardSettings};
use crate::dsp::FRAME;

/// A card that is open; there is none in this build.
#[derive(Debug)]
pub enum OpenCard {}

/// Says that this build has no ALSA.
pub fn open(settings: &SoundCardSettings) -> Result<OpenCard, SoundCardError> {
    Err(SoundCardError::NotBuilt {
        pcm: settings.pcm.clone(),
    })
}

impl OpenCard {
    pub(in crate::daemon::audio) fn descriptors(&self) -> std::iter::Empty<RawFd> {
        match *self {}
    }

    pub(super) fn period_us(&self) -> u32 {
        match *self {}
    }

    pub(super) fn start(&mut self, _now: Instant) {
        match *self {}
    }

    pub(super) fn take_xruns(&mut self) -> u32 {
        match *self {}
    }

    pub(super) fn serve(
        &mut self,
        _now: Instant,
        _exchange: &mut dyn FnMut(&[i16; FRAME], &mut [i16; FRAME]),
    ) -> Result<Served, CardFault> {
        match *self {}
    }
}
