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

/// What the account wants heard for answers whose meaning differs from network to network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalTones {
    /// 480: temporarily unavailable.
    pub unavailable: Tone,
    /// 603, 607, 608: the called party said no.
    pub rejected: Tone,
}

impl Default for RefusalTones {
    fn default() -> Self {
        Self {
            unavailable: Tone::Congestion,
            rejected: Tone::Busy,
        }
    }
}

impl Outcome {
    /// The outcome of a final `status` of 300 to 699 that could not be helped (credentials and redirections tried).
    pub fn of(status: u16, tones: RefusalTones) -> Self {
        let (tone, cause) = match status {
            // 3xx that policy did not follow, or that led in a circle.
            300..=399 => (Tone::Congestion, Cause::Failed),
            // Barred: the operator's "not in service for you" tone.
            402 | 403 => (Tone::Sit, Cause::Rejected),
            404 | 410 | 604 => (Tone::Unobtainable, Cause::Failed),
            408 => (Tone::Congestion, Cause::NoAnswer),
            480 => (tones.unavailable, Cause::NoAnswer),
            486 | 600 => (Tone::Busy, Cause::Busy),
            // The called party said no, and nobody else is tried.
            603 | 607 | 608 => (tones.rejected, Cause::Rejected),
            487 => (Tone::Congestion, Cause::Cancelled),
            _ => (Tone::Congestion, Cause::Failed),
        };
        Self { tone, cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16) -> Outcome {
        Outcome::of(status, RefusalTones::default())
    }

    #[test]
    fn every_response_class_has_its_meaning_at_the_ear() {
        let heard = |status| outcome(status).tone;
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

    /// The rows of the table of responses, one code or more each; what policy does before (credentials, redirections, a
    /// longer session, the next server) has been done.
    const ROWS: &[(&[u16], &str)] = &[
        (&[300, 301, 302, 305], "not followed, or in a circle"),
        (&[380], "another service"),
        (
            &[400, 406, 413, 414, 415, 416, 420, 421, 423, 482, 483, 485, 493],
            "not in this form",
        ),
        (&[401, 407], "credentials refused"),
        (&[402], "payment"),
        (&[403], "barred"),
        (&[404, 410, 604], "no such number"),
        (&[405, 501], "method"),
        (&[408], "nobody answers"),
        (&[412, 417, 422], "conditions"),
        (&[428, 429, 433, 436, 437, 438], "identity"),
        (&[480], "not there"),
        (&[481], "no such call"),
        (&[484], "incomplete number"),
        (&[486, 600], "busy"),
        (&[487], "cancelled"),
        (&[488, 606], "no media in common"),
        (&[491], "glare"),
        (&[494, 580], "agreement"),
        (&[500, 502, 504, 505, 513], "server"),
        (&[503], "overload, no route"),
        (&[603, 607, 608], "declined"),
        (&[699], "another 6xx"),
    ];

    #[test]
    fn what_is_heard_for_each_response() {
        let mut table = String::new();
        for (codes, meaning) in ROWS {
            for code in *codes {
                let Outcome { tone, cause } = outcome(*code);
                table += &format!("{code} {meaning}: {} ({})\n", tone.name(), cause.name());
            }
        }
        insta::assert_snapshot!(table);
        // Codes nobody has registered sound like the x00 of their class (RFC 3261 8.1.3.2).
        for code in 300..700 {
            let known = ROWS.iter().any(|(codes, _)| codes.contains(&code));
            if !known {
                assert_eq!(outcome(code).tone, Tone::Congestion, "{code}");
            }
        }
    }

    #[test]
    fn rejected_and_busy_differ_in_the_record() {
        assert_eq!(outcome(486).cause, Cause::Busy);
        assert_eq!(outcome(603).cause, Cause::Rejected);
    }

    #[test]
    fn an_account_may_have_its_own_tones_for_the_unavailable_and_the_unwilling() {
        let tones = RefusalTones {
            unavailable: Tone::Unobtainable,
            rejected: Tone::Rejection,
        };
        for (status, tone, cause) in [
            (480, Tone::Unobtainable, Cause::NoAnswer),
            (603, Tone::Rejection, Cause::Rejected),
            (607, Tone::Rejection, Cause::Rejected),
            (608, Tone::Rejection, Cause::Rejected),
            (486, Tone::Busy, Cause::Busy),
            (503, Tone::Congestion, Cause::Failed),
        ] {
            assert_eq!(Outcome::of(status, tones), Outcome { tone, cause }, "{status}");
        }
    }
}
