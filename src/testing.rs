//! What the tests of several rooms share.

use std::time::Instant;

/// An instant for virtual time to start from. Only differences to it mean anything.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time needs one real instant to count from"
)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
