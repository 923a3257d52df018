//! What the tests of this crate share.

use std::time::Instant;

/// Any instant to count virtual time from.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time has to start at some instant"
)]
pub fn epoch() -> Instant {
    Instant::now()
}
