//! Caller ID as a train of DTMF digits (ETSI Annex A and its national cousins, standards sheet 4.5).

use super::text::displayed_number;
use crate::dsp::{Key, transmission::KeyTrain};
use crate::line::{Caller, Presentation};
use crate::zone::CallerIdScheme;

/// Longer numbers keep their last 16 digits.
const DIGITS_MAX: usize = 16;

/// The train that announces `caller`, delimiters of the scheme included. `None` where the scheme has no way to say
/// that the number is withheld or not known.
pub fn key_train(scheme: CallerIdScheme, caller: &Caller) -> Option<KeyTrain> {
    let number = match &caller.number {
        Presentation::Given(number) => displayed_number(number, DIGITS_MAX).ok_or(Presentation::Unavailable),
        absent => Err(absent.clone()),
    };
    let mut train = String::new();
    match (number, scheme.start, scheme.stop) {
        (Ok(number), start, stop) => {
            train.extend(start);
            train.push_str(&number);
            train.extend(stop);
        }
        // Denmark: D1# private, D3# technical reasons.
        (Err(Presentation::Private), _, Some('#')) => train.push_str("D1#"),
        (Err(_), _, Some('#')) => train.push_str("D3#"),
        // ETSI Annex A: B announces information; 10 restricted, 00 not available.
        (Err(Presentation::Private), Some('A'), Some('C')) => train.push_str("B10C"),
        (Err(_), Some('A'), Some('C')) => train.push_str("B00C"),
        (Err(_), _, _) => return None,
    }
    let keys: Option<Vec<Key>> = train.chars().map(Key::from_char).collect();
    KeyTrain::new(&keys?)
}

/// Reads a train of any of these variants; `None` where the keys are no caller ID.
pub fn parse_key_train(keys: &[Key]) -> Option<Presentation> {
    let train: String = keys.iter().map(|key| key.as_char()).collect();
    match train.as_str() {
        "D1#" | "B10C" => return Some(Presentation::Private),
        "D2#" | "D3#" | "B00C" => return Some(Presentation::Unavailable),
        _ => {}
    }
    let body = train.strip_suffix(['C', '#'])?;
    // A redirecting number (D...) or information (B...) may follow the number.
    let number = body
        .strip_prefix(['A', 'D'])
        .unwrap_or(body)
        .split(['B', 'D'])
        .next()?;
    let valid = !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit() || digit == '*');
    valid.then(|| Presentation::Given(number.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::caller_id::scheme_by_name;

    fn train(standard: &str, number: Presentation) -> Option<String> {
        let caller = Caller {
            number,
            ..Caller::default()
        };
        let train = key_train(scheme_by_name(standard).unwrap(), &caller)?;
        let parsed = parse_key_train(train.as_slice()).unwrap();
        if let (Presentation::Given(sent), Presentation::Given(read)) = (&caller.number, &parsed) {
            assert!(sent.ends_with(read));
        } else {
            assert_eq!(parsed, caller.number);
        }
        Some(train.as_slice().iter().map(|key| key.as_char()).collect())
    }

    #[test]
    fn trains_of_the_standards() {
        let number = || Presentation::Given("+4533121314".to_owned());
        for (standard, expected) in [
            ("dtmf-denmark", "A4533121314#"),
            ("dtmf-brazil", "A4533121314C"),
            ("dtmf-sweden", "D4533121314C"),
            ("dtmf-taiwan", "D4533121314C"),
        ] {
            assert_eq!(train(standard, number()).as_deref(), Some(expected), "{standard}");
        }
    }

    #[test]
    fn reasons_of_the_standards() {
        for (standard, private, unavailable) in [
            ("dtmf-denmark", Some("D1#"), Some("D3#")),
            ("etsi-dtmf", Some("B10C"), Some("B00C")),
            ("dtmf-taiwan", None, None),
        ] {
            assert_eq!(
                train(standard, Presentation::Private).as_deref(),
                private,
                "{standard}"
            );
            assert_eq!(
                train(standard, Presentation::Unavailable).as_deref(),
                unavailable,
                "{standard}"
            );
        }
    }

    #[test]
    fn a_long_number_keeps_its_last_sixteen_digits() {
        let number = Presentation::Given("12345678901234567890".to_owned());
        assert_eq!(train("etsi-dtmf", number).as_deref(), Some("A5678901234567890C"));
    }

    #[test]
    fn keys_that_are_no_caller_id() {
        for keys in ["", "A", "C", "AC", "12345", "A12A3C"] {
            let keys: Vec<_> = keys.chars().filter_map(Key::from_char).collect();
            assert_eq!(parse_key_train(&keys), None, "{keys:?}");
        }
    }
}
