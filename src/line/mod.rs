//! What the pair of wires is doing: hook debounce, the pulse/flash/hang-up classifier, ring cadence, the
//! caller-ID sequence, and which tone the telephone hears.
//!
//! The machine is [`Line`]. It knows nothing of calls: the call room tells it what to do with [`LineCommand`]s
//! and learns from [`LineEvent`]s what the person at the telephone did.
//!
//! ```text
//!  edges ─► debounce ─► hook ──► events: off-hook, on-hook, flash, digits
//!                        ▲
//!  commands ─► machine ──┼─► ringer ─► ring voltage
//!                        └─► caller_id ─► FSK, DTMF, alert tones, reversal
//! ```
//!
//! Times of breaks are differences of the hardware's own time stamps, never of the moments we were called at.
//! Rules: hook and pulses by the national documents behind each zone (GR-506, EN 300 001, AS/CA S002); caller ID
//! by GR-30, EN 300 659-1 and -3, BT SIN 227.

pub mod caller_id;

mod caller;
mod debounce;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod hook;
mod input;
mod machine;
mod output;
mod ring_session;
mod ringer;

pub use caller::{CallTime, Caller, Presentation, RingRequest};
pub use input::{DtmfEdge, Expectation, LineCommand, LineInput};
pub use machine::{Line, LineConfig};
pub use output::{DigitSource, LineEvent, LineOutput, SlicAction};

#[cfg(test)]
mod tests;
