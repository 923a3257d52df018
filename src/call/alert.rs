//! Alert-Info's names for a ring: the URNs of RFC 7462, Bellcore's, and those that PBXs put into `info=`.

use crate::zone::RingPattern;

/// The ring that a name asks for; `None`: the normal one. What follows a name we know only makes it more special (RFC 7462
/// section 9), so words are dropped from its end until something is left that we know.
pub(super) fn ring_pattern(name: &str) -> Option<RingPattern> {
    let name = name.to_ascii_lowercase();
    let mut known = name.as_str();
    loop {
        if let Some(number) = number(known) {
            return RingPattern::new(number);
        }
        known = known.rsplit_once(':')?.0;
    }
}

fn number(name: &str) -> Option<u8> {
    let number = match name {
        "internal" | "alert-internal" | "source:internal" => 2,
        "priority:high" => 3,
        "service:recall" => 4,
        "duration:short" => 5,
        "external" | "alert-external" | "source:external" | "normal" | "service:normal" => 1,
        name => {
            let name = name.strip_prefix("bellcore-").unwrap_or(name);
            let digits = name.strip_prefix("dr").or_else(|| name.strip_prefix('r'))?;
            return digits.parse().ok();
        }
    };
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rings() {
        for (name, expected) in [
            ("Bellcore-dr1", Some(1)),
            ("Bellcore-dr2", Some(2)),
            ("bellcore-DR5", Some(5)),
            ("Bellcore-r8", Some(8)),
            ("dr3", Some(3)),
            ("Bellcore-dr9", None),
            ("Bellcore-dr0", None),
            ("Bellcore-dr256", None),
            ("alert-internal", Some(2)),
            ("source:internal", Some(2)),
            ("source:internal:boss@example.com", Some(2)),
            ("source:external", Some(1)),
            ("priority:high", Some(3)),
            ("service:recall:hold", Some(4)),
            ("duration:short", Some(5)),
            ("service@example.com:recall", None),
            ("service:call-waiting", None),
            ("ring.wav", None),
            ("dr", None),
            ("", None),
        ] {
            let found = ring_pattern(name).map(RingPattern::number);
            assert_eq!(found, expected, "{name}");
        }
    }
}
