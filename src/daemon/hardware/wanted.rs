//! What a line has asked of its hardware, to be asked again after a fault of the pins.

use std::time::Instant;

use tipring_hw::{Slic, SlicError};

use crate::line::SlicAction;

/// The state that the hardware should be in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    ringing: bool,
    reversed: bool,
    fed: bool,
    on_hook_transmission: bool,
}

impl Wanted {
    /// What a SLIC is in when it is new or made safe.
    pub(super) fn safe() -> Self {
        Self {
            ringing: false,
            reversed: false,
            fed: true,
            on_hook_transmission: false,
        }
    }

    pub(super) fn note(&mut self, action: SlicAction) {
        match action {
            SlicAction::Ring(on) => self.ringing = on,
            SlicAction::Reverse(reversed) => self.reversed = reversed,
            SlicAction::Feed(fed) => self.fed = fed,
            SlicAction::OnHookTransmission(open) => self.on_hook_transmission = open,
        }
    }

    /// From the safe state; only what differs from it.
    pub(super) fn ask_again(&self, now: Instant, slic: &mut dyn Slic) -> Result<(), SlicError> {
        slic.make_safe()?;
        let safe = Self::safe();
        if self.fed != safe.fed {
            slic.set_feed(now, self.fed)?;
        }
        if self.reversed != safe.reversed {
            slic.set_reversed(now, self.reversed)?;
        }
        if self.on_hook_transmission != safe.on_hook_transmission {
            slic.set_on_hook_transmission(now, self.on_hook_transmission)?;
        }
        if self.ringing {
            slic.set_ringing(now, true)?;
        }
        Ok(())
    }
}

/// Has the hardware do what the line wants, whether a virtual line or a chip.
pub(in crate::daemon) fn act(slic: &mut dyn Slic, now: Instant, action: SlicAction) -> Result<(), SlicError> {
    match action {
        SlicAction::Ring(on) => slic.set_ringing(now, on),
        SlicAction::Reverse(reversed) => slic.set_reversed(now, reversed),
        SlicAction::Feed(fed) => slic.set_feed(now, fed),
        SlicAction::OnHookTransmission(open) => slic.set_on_hook_transmission(now, open),
    }
}
