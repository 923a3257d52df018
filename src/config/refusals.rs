//! What is heard when the called party cannot be had.

use crate::zone::Tone;

use super::file::RefusalToneName;
use super::model::RefusalTones;
use super::section::Located;

pub(super) fn tones(
    unavailable: &Located<RefusalToneName>,
    rejected: &Located<RefusalToneName>,
) -> RefusalTones {
    RefusalTones {
        unavailable: tone(unavailable.value),
        rejected: tone(rejected.value),
    }
}

const fn tone(name: RefusalToneName) -> Tone {
    match name {
        RefusalToneName::Busy => Tone::Busy,
        RefusalToneName::Congestion => Tone::Congestion,
        RefusalToneName::Unobtainable => Tone::Unobtainable,
        RefusalToneName::Rejection => Tone::Rejection,
    }
}
