//! How long a registration that failed waits: longer each time, never in step with others.

use rand::{Rng, RngExt};
use std::time::Duration;

/// First wait after a fault that may pass (network absent, server silent or overloaded). The shape is RFC 5626
/// 4.5's, with a shorter start, since a line without registration is a dead line.
const BASE: Duration = Duration::from_secs(4);
/// Longest wait after such a fault.
const CEILING: Duration = Duration::from_secs(300);
/// First wait after a refusal that only a person can mend: wrong password, unknown user.
const REFUSED_BASE: Duration = Duration::from_secs(300);
/// Longest wait after a refusal.
const REFUSED_CEILING: Duration = Duration::from_secs(3600);
/// A server's Retry-After is believed up to here.
const RETRY_AFTER_CEILING: Duration = Duration::from_secs(3600);

/// What went wrong, as far as waiting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// May pass by itself; the server may say when.
    Passing { retry_after_s: Option<u32> },
    /// Needs a person.
    Refused,
    /// 403: the server has said that asking again is of no use.
    Forbidden { wait_s: u32 },
}

/// The wait after `failures` failures in a row (1: the first).
pub(super) fn wait(rng: &mut impl Rng, failures: u32, fault: Fault) -> Duration {
    let (base, ceiling) = match fault {
        Fault::Passing { .. } => (BASE, CEILING),
        Fault::Refused => (REFUSED_BASE, REFUSED_CEILING),
        Fault::Forbidden { wait_s } => {
            return Duration::from_secs(wait_s.into()).mul_f64(rng.random_range(1.0..=1.25));
        }
    };
    let doubled = base
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(ceiling);
    // Uniform in the upper half (RFC 5626 4.5).
    let jittered = doubled.mul_f64(rng.random_range(0.5..=1.0));
    match fault {
        Fault::Passing {
            retry_after_s: Some(seconds),
        } => jittered.max(Duration::from_secs(seconds.into()).min(RETRY_AFTER_CEILING)),
        Fault::Passing { retry_after_s: None } | Fault::Refused | Fault::Forbidden { .. } => jittered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn waits_double_up_to_a_ceiling_and_stay_in_the_upper_half() {
        let mut rng = StdRng::seed_from_u64(1);
        for (failures, full_s) in [
            (1, 4.0),
            (2, 8.0),
            (3, 16.0),
            (7, 256.0),
            (8, 300.0),
            (u32::MAX, 300.0),
        ] {
            let waited = wait(&mut rng, failures, Fault::Passing { retry_after_s: None }).as_secs_f64();
            assert!((full_s / 2.0..=full_s).contains(&waited), "{failures}: {waited}");
        }
    }

    #[test]
    fn a_refusal_waits_minutes() {
        let mut rng = StdRng::seed_from_u64(2);
        assert!(wait(&mut rng, 1, Fault::Refused) >= REFUSED_BASE / 2);
        assert!(wait(&mut rng, 99, Fault::Refused) <= REFUSED_CEILING);
    }

    #[test]
    fn retry_after_is_a_lower_bound_but_not_for_ever() {
        let mut rng = StdRng::seed_from_u64(3);
        let wait_s = |rng: &mut StdRng, s| {
            wait(
                rng,
                1,
                Fault::Passing {
                    retry_after_s: Some(s),
                },
            )
            .as_secs()
        };
        assert_eq!(wait_s(&mut rng, 120), 120);
        assert!(wait_s(&mut rng, 0) >= 2);
        assert_eq!(wait_s(&mut rng, u32::MAX), 3600);
    }
}
