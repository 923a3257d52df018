//! The schemes by name, for `--standard` and for a line's own override.

use crate::zone::{CallerIdMethod, CallerIdScheme};

/// Every preset: its name and what it is.
const PRESETS: [(&str, CallerIdScheme); 15] = [
    ("none", fsk(CallerIdMethod::None)),
    ("bellcore", fsk(CallerIdMethod::FskBell202AfterRing)),
    ("etsi-fsk", fsk(CallerIdMethod::FskV23AfterRing)),
    ("etsi-fsk-rpas", fsk(CallerIdMethod::FskV23RingPulse)),
    ("etsi-fsk-dtas", fsk(CallerIdMethod::FskV23AlertTone)),
    ("bt", fsk(CallerIdMethod::FskV23ReversalAlertTone)),
    // CCA: V.23 after a first burst of 200 to 450 ms, as the ring pulse has.
    ("uk-cable", fsk(CallerIdMethod::FskV23RingPulse)),
    ("etsi-dtmf", dtmf(CallerIdMethod::DtmfBeforeRing, 'A', 'C')),
    (
        "etsi-dtmf-reversal",
        dtmf(CallerIdMethod::DtmfReversalBeforeRing, 'A', 'C'),
    ),
    (
        "etsi-dtmf-after-ring",
        dtmf(CallerIdMethod::DtmfAfterRing, 'A', 'C'),
    ),
    ("dtmf-denmark", dtmf(CallerIdMethod::DtmfBeforeRing, 'A', '#')),
    (
        "dtmf-sweden",
        dtmf(CallerIdMethod::DtmfReversalBeforeRing, 'D', 'C'),
    ),
    (
        "dtmf-finland",
        dtmf(CallerIdMethod::DtmfReversalBeforeRing, 'A', 'C'),
    ),
    ("dtmf-brazil", dtmf(CallerIdMethod::DtmfBeforeRing, 'A', 'C')),
    ("dtmf-taiwan", dtmf(CallerIdMethod::DtmfBeforeRing, 'D', 'C')),
];

const fn fsk(method: CallerIdMethod) -> CallerIdScheme {
    CallerIdScheme {
        method,
        start: None,
        stop: None,
    }
}

const fn dtmf(method: CallerIdMethod, start: char, stop: char) -> CallerIdScheme {
    CallerIdScheme {
        method,
        start: Some(start),
        stop: Some(stop),
    }
}

/// The preset of that name, in any case.
pub fn scheme_by_name(name: &str) -> Option<CallerIdScheme> {
    PRESETS
        .iter()
        .find(|(preset, _)| preset.eq_ignore_ascii_case(name))
        .map(|&(_, scheme)| scheme)
}

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|&(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_once() {
        let mut sorted: Vec<_> = names().collect();
        assert!(sorted.iter().all(|name| scheme_by_name(name).is_some()));
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), PRESETS.len());
        assert_eq!(scheme_by_name("BT"), scheme_by_name("bt"));
        assert_eq!(scheme_by_name("carrier pigeon"), None);
    }
}
