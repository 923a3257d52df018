//! The owner's hook windows on top of the country's.

use crate::zone::HookWindows;

use super::file::HookFile;
use super::problem::{Place, Problems};

/// A hang-up is so much longer than the longest flash where the owner says nothing about it.
const HANG_UP_MARGIN_MS: u32 = 100;

/// A window and, where the owner set it, the place.
#[derive(Clone, Copy)]
struct Bound {
    key: &'static str,
    ms: u32,
    place: Option<Place>,
}

/// Fills in the country's windows and refuses those that cannot be told apart.
///
/// The line's state tells recalls from pulses where their windows overlap (while digits are awaited a break is a
/// pulse, in a conversation a single one is a recall), so a telephone's own flash may lie among the pulses; an
/// owner who sets both keys to overlap contradicts himself.
pub(super) fn windows(
    owner: &HookFile,
    country: &HookWindows,
    pulse_dialing: bool,
    problems: &mut Problems,
) -> HookWindows {
    macro_rules! bound {
        ($key:ident) => {
            match &owner.$key {
                Some(set) => Bound {
                    key: stringify!($key),
                    ms: set.value.0,
                    place: Some(set.place),
                },
                None => Bound {
                    key: stringify!($key),
                    ms: country.$key,
                    place: None,
                },
            }
        };
    }
    let debounce = bound!(debounce_ms);
    let pulse_min = bound!(pulse_break_min_ms);
    let pulse_max = bound!(pulse_break_max_ms);
    let interdigit = bound!(interdigit_ms);
    let flash_min = bound!(flash_min_ms);
    let flash_max = bound!(flash_max_ms);
    let mut hang_up = bound!(hang_up_ms);
    if hang_up.place.is_none() {
        hang_up.ms = hang_up.ms.max(flash_max.ms + HANG_UP_MARGIN_MS);
    }
    below(debounce, flash_min, "no flash would be seen", problems);
    below(flash_min, flash_max, "no break would be a flash", problems);
    below(
        flash_max,
        hang_up,
        "a break could be a flash or a hang-up",
        problems,
    );
    if pulse_dialing {
        below(debounce, pulse_min, "a pulse could be taken for bounce", problems);
        below(pulse_min, pulse_max, "no break would be a pulse", problems);
        below(
            pulse_max,
            hang_up,
            "a break could be a pulse or a hang-up",
            problems,
        );
        below(pulse_max, flash_max, "every flash could be a pulse", problems);
        if let (Some(place), Some(_)) = (
            flash_min.place.max(pulse_max.place),
            flash_min.place.min(pulse_max.place),
        ) {
            if flash_min.ms <= pulse_max.ms && pulse_max.ms < flash_max.ms {
                problems.error(place, overlap(pulse_max, flash_min));
            }
        } else if let Some(place) = flash_min.place.or(pulse_max.place)
            && (flash_min.ms..flash_max.ms).contains(&pulse_max.ms)
            && country.flash_min_ms > country.pulse_break_max_ms
        {
            let text = format!(
                "{}: while digits are awaited such a break is a pulse",
                overlap(pulse_max, flash_min)
            );
            problems.warning(place, text);
        }
    }
    HookWindows {
        debounce_ms: debounce.ms,
        pulse_break_min_ms: pulse_min.ms,
        pulse_break_max_ms: pulse_max.ms,
        interdigit_ms: interdigit.ms,
        flash_min_ms: flash_min.ms,
        flash_max_ms: flash_max.ms,
        hang_up_ms: hang_up.ms,
    }
}

fn overlap(pulse_max: Bound, flash_min: Bound) -> String {
    format!(
        "a break of {} to {} ms could be a pulse (`{}`) or a flash (`{}`)",
        flash_min.ms, pulse_max.ms, pulse_max.key, flash_min.key
    )
}

/// Complains at the owner's key (the later of two) unless `low` is below `high`.
fn below(low: Bound, high: Bound, otherwise: &str, problems: &mut Problems) {
    // Where both stand as in the country's table there is nothing to say.
    if let Some(place) = low.place.max(high.place)
        && low.ms >= high.ms
    {
        let text = format!(
            "`{}` ({} ms) must be below `{}` ({} ms): {otherwise}",
            low.key, low.ms, high.key, high.ms
        );
        problems.error(place, text);
    }
}
