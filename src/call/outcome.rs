//! What the person at the telephone hears for the final response to their call: each SIP response class as an
//! exchange would signal it (RFC 3261 section 21, RFC 3398's release causes turned into tones).

use super::state::Cause;
use crate::zone::Tone;

/// What a failed call sounds like, and how the record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is played.
    pub tone: Tone,
    /// What the record says.
    pub cause: Cause,
}

impl Outcome {
    /// The outcome of a final `status` of 300 to 699 that could not be helped (credentials and redirections tried).
    pub fn of(status: u16) -> Self {
        let (tone, cause) = match status {
            // 3xx that policy did not follow, or that led in a circle.
            300..=399 => (Tone::Congestion, Cause::Failed),
            // Barred: the operator's "not in service for you" tone.
            402 | 403 => (Tone::Sit, Cause::Rejected),
            404 | 410 | 604 => (Tone::Unobtainable, Cause::Failed),
            408 => (Tone::Congestion, Cause::NoAnswer),
            480 => (Tone::Congestion, Cause::NoAnswer),
            486 | 600 => (Tone::Busy, Cause::Busy),
            // The called party said no: it sounds busy, and nobody else is tried.
            603 | 607 | 608 => (Tone::Busy, Cause::Rejected),
            487 => (Tone::Congestion, Cause::Cancelled),
            _ => (Tone::Congestion, Cause::Failed),
        };
        Self { tone, cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_class_has_its_meaning_at_the_ear() {
        let heard = |status| Outcome::of(status).tone;
        assert_eq!(heard(302), Tone::Congestion);
        assert_eq!(heard(403), Tone::Sit);
        assert_eq!(heard(404), Tone::Unobtainable);
        assert_eq!(heard(410), Tone::Unobtainable);
        assert_eq!(heard(480), Tone::Congestion);
        assert_eq!(heard(484), Tone::Congestion);
        assert_eq!(heard(486), Tone::Busy);
        assert_eq!(heard(488), Tone::Congestion);
        assert_eq!(heard(503), Tone::Congestion);
        assert_eq!(heard(600), Tone::Busy);
        assert_eq!(heard(603), Tone::Busy);
        assert_eq!(heard(604), Tone::Unobtainable);
        assert_eq!(heard(699), Tone::Congestion);
    }

    #[test]
    fn rejected_and_busy_differ_in_the_record() {
        assert_eq!(Outcome::of(486).cause, Cause::Busy);
        assert_eq!(Outcome::of(603).cause, Cause::Rejected);
    }
}
