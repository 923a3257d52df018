//! The bytes between mark and carrier off: type, length, parameters, checksum.
//!
//! GR-30 and CEA-716 (SDMF 0x04 and 0x06, MDMF 0x80 and 0x82), EN 300 659-3 (the same frame with more parameters).

use super::text::{displayed_name, displayed_number};
use crate::dsp::transmission::MessageBytes;
use crate::line::{CallTime, Caller, Presentation};

const SDMF_CALL_SETUP: u8 = 0x04;
const SDMF_MESSAGE_WAITING: u8 = 0x06;
const CALL_SETUP: u8 = 0x80;
const MESSAGE_WAITING: u8 = 0x82;

const DATE_AND_TIME: u8 = 0x01;
const NUMBER: u8 = 0x02;
const NUMBER_ABSENT: u8 = 0x04;
const NAME: u8 = 0x07;
const NAME_ABSENT: u8 = 0x08;
const VISUAL_INDICATOR: u8 = 0x0b;
const CALL_TYPE: u8 = 0x11;
const REDIRECTING_NUMBER: u8 = 0x1a;

const CALL_TYPE_VOICE: u8 = 0x01;

/// Whose parameters, in whose order and lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// GR-30: time, number, name of at most 15 characters. Numbers of at most 15 digits (E.164); the North
    /// American `+1` is left off, as displays there expect ten.
    Gr30,
    /// EN 300 659-3: the call type first; numbers and names of at most 20 characters.
    Etsi,
}

impl Standard {
    const fn number_max(self) -> usize {
        match self {
            Self::Gr30 => 15,
            Self::Etsi => 20,
        }
    }

    const fn name_max(self) -> usize {
        match self {
            Self::Gr30 => 15,
            Self::Etsi => 20,
        }
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Somebody calls.
    CallSetup(Caller),
    /// Messages wait, or no longer.
    MessageWaiting(bool),
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Fewer bytes than the length byte promises, or none.
    #[error("the caller-ID message is cut short")]
    Truncated,
    /// The bytes do not add up to 0 modulo 256.
    #[error("the caller-ID message has a wrong checksum")]
    Checksum,
    /// A type nobody told us of.
    #[error("caller-ID message type {0:#04x} is not known")]
    Type(u8),
    /// A parameter runs past the end of the message, or the fixed part is malformed.
    #[error("the caller-ID message contradicts itself")]
    Malformed,
}

/// A call-setup message with several parameters (MDMF, EN 300 659-3).
pub fn call_setup(standard: Standard, caller: &Caller) -> MessageBytes {
    let mut message = Builder::new(CALL_SETUP);
    if standard == Standard::Etsi {
        message.parameter(CALL_TYPE, &[CALL_TYPE_VOICE]);
    }
    if let Some(time) = caller.time {
        message.parameter(DATE_AND_TIME, &time_digits(time));
    }
    match number(standard, &caller.number) {
        Ok(number) => message.parameter(NUMBER, number.as_bytes()),
        Err(reason) => message.parameter(NUMBER_ABSENT, &[reason]),
    }
    match name(standard, &caller.name) {
        Ok(name) => message.parameter(NAME, name.as_bytes()),
        Err(reason) => message.parameter(NAME_ABSENT, &[reason]),
    }
    // EN 300 659-3 has a place for who sent the call on; GR-30 has none.
    if let (Standard::Etsi, Some(redirecting)) = (standard, &caller.redirecting)
        && let Some(redirecting) = displayed_number(redirecting, standard.number_max())
    {
        message.parameter(REDIRECTING_NUMBER, redirecting.as_bytes());
    }
    message.finish()
}

/// A call-setup message of time and number only (GR-30 SDMF); a time not known is sent as 1 January, 00:00, since
/// the eight digits cannot be left out.
pub fn single_call_setup(caller: &Caller) -> MessageBytes {
    let unknown = CallTime {
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
    };
    let mut message = Builder::new(SDMF_CALL_SETUP);
    message.bytes(&time_digits(caller.time.unwrap_or(unknown)));
    match number(Standard::Gr30, &caller.number) {
        Ok(number) => message.bytes(number.as_bytes()),
        Err(reason) => message.bytes(&[reason]),
    }
    message.finish()
}

/// Switches the message-waiting lamp (MDMF, EN 300 659-3).
pub fn message_waiting(waiting: bool) -> MessageBytes {
    let mut message = Builder::new(MESSAGE_WAITING);
    message.parameter(VISUAL_INDICATOR, &[if waiting { 0xff } else { 0x00 }]);
    message.finish()
}

/// Switches the message-waiting lamp (SDMF).
pub fn single_message_waiting(waiting: bool) -> MessageBytes {
    let mut message = Builder::new(SDMF_MESSAGE_WAITING);
    message.bytes(if waiting { &[0x42; 3] } else { &[0x6f; 3] });
    message.finish()
}

/// Reads a message of any of these kinds. Bytes after the checksum (marks of a carrier that ends late) are left
/// alone, parameters of unknown type skipped.
pub fn parse(bytes: &[u8]) -> Result<Message, MessageError> {
    let (&kind, rest) = bytes.split_first().ok_or(MessageError::Truncated)?;
    let (&length, rest) = rest.split_first().ok_or(MessageError::Truncated)?;
    let data = rest.get(..usize::from(length)).ok_or(MessageError::Truncated)?;
    let checksum = *rest.get(usize::from(length)).ok_or(MessageError::Truncated)?;
    let sum = data
        .iter()
        .fold(kind.wrapping_add(length), |sum, &byte| sum.wrapping_add(byte));
    if sum.wrapping_add(checksum) != 0 {
        return Err(MessageError::Checksum);
    }
    match kind {
        SDMF_CALL_SETUP => parse_single(data),
        SDMF_MESSAGE_WAITING => match data {
            [0x42, 0x42, 0x42] => Ok(Message::MessageWaiting(true)),
            [0x6f, 0x6f, 0x6f] => Ok(Message::MessageWaiting(false)),
            _ => Err(MessageError::Malformed),
        },
        CALL_SETUP => {
            let mut caller = Caller::default();
            for parameter in Parameters(data) {
                let (kind, value) = parameter?;
                match kind {
                    DATE_AND_TIME => caller.time = parse_time(value),
                    NUMBER => caller.number = Presentation::Given(text(value)),
                    NUMBER_ABSENT => caller.number = absent(value),
                    NAME => caller.name = Presentation::Given(text(value)),
                    NAME_ABSENT => caller.name = absent(value),
                    REDIRECTING_NUMBER => caller.redirecting = Some(text(value)),
                    _ => {}
                }
            }
            Ok(Message::CallSetup(caller))
        }
        MESSAGE_WAITING => {
            let mut waiting = Err(MessageError::Malformed);
            for parameter in Parameters(data) {
                if let (VISUAL_INDICATOR, &[indicator]) = parameter? {
                    waiting = Ok(Message::MessageWaiting(indicator != 0));
                }
            }
            waiting
        }
        unknown => Err(MessageError::Type(unknown)),
    }
}

fn parse_single(data: &[u8]) -> Result<Message, MessageError> {
    let (time, number) = data.split_at_checked(8).ok_or(MessageError::Malformed)?;
    Ok(Message::CallSetup(Caller {
        number: match number {
            b"P" | b"O" => absent(number),
            number => Presentation::Given(text(number)),
        },
        time: parse_time(time),
        ..Caller::default()
    }))
}

/// Type and value of each parameter; the error ends the walk.
struct Parameters<'message>(&'message [u8]);

impl<'message> Iterator for Parameters<'message> {
    type Item = Result<(u8, &'message [u8]), MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, rest) = self.0.split_first()?;
        let value = rest
            .split_first()
            .and_then(|(&length, rest)| rest.split_at_checked(length.into()));
        let (item, rest) = match value {
            Some((value, rest)) => (Ok((kind, value)), rest),
            None => (Err(MessageError::Malformed), &[][..]),
        };
        self.0 = rest;
        Some(item)
    }
}

/// What is sent, or the letter of the reason why nothing is.
fn number(standard: Standard, number: &Presentation) -> Result<String, u8> {
    match number {
        Presentation::Given(number) => {
            let number = match number.strip_prefix("+1") {
                Some(national) if standard == Standard::Gr30 && national.len() == 10 => national,
                _ => number,
            };
            displayed_number(number, standard.number_max()).ok_or(b'O')
        }
        Presentation::Private => Err(b'P'),
        Presentation::Unavailable => Err(b'O'),
    }
}

fn name(standard: Standard, name: &Presentation) -> Result<String, u8> {
    match name {
        Presentation::Given(name) => displayed_name(name, standard.name_max()).ok_or(b'O'),
        Presentation::Private => Err(b'P'),
        Presentation::Unavailable => Err(b'O'),
    }
}

fn absent(reason: &[u8]) -> Presentation {
    if reason == b"P" {
        Presentation::Private
    } else {
        Presentation::Unavailable
    }
}

fn text(bytes: &[u8]) -> String {
    let printable = |&byte: &u8| {
        if matches!(byte, b' '..=b'~') {
            char::from(byte)
        } else {
            '?'
        }
    };
    bytes.iter().map(printable).collect()
}

/// MMDDHHMM.
fn time_digits(time: CallTime) -> [u8; 8] {
    let mut digits = [0; 8];
    for (pair, value) in digits
        .chunks_exact_mut(2)
        .zip([time.month, time.day, time.hour, time.minute])
    {
        pair[0] = b'0' + value / 10 % 10;
        pair[1] = b'0' + value % 10;
    }
    digits
}

fn parse_time(digits: &[u8]) -> Option<CallTime> {
    if digits.len() != 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pair = |index: usize| (digits[index] - b'0') * 10 + (digits[index + 1] - b'0');
    let time = CallTime {
        month: pair(0),
        day: pair(2),
        hour: pair(4),
        minute: pair(6),
    };
    let valid =
        (1..=12).contains(&time.month) && (1..=31).contains(&time.day) && time.hour < 24 && time.minute < 60;
    valid.then_some(time)
}

/// Type and length in front, checksum behind.
struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    fn new(kind: u8) -> Self {
        Self { bytes: vec![kind, 0] }
    }

    fn bytes(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    fn parameter(&mut self, kind: u8, value: &[u8]) {
        self.bytes.push(kind);
        self.bytes.push(value.len() as u8);
        self.bytes(value);
    }

    #[expect(
        clippy::expect_used,
        reason = "values are cut to 20 bytes each: at most 80 bytes of 258"
    )]
    fn finish(mut self) -> MessageBytes {
        self.bytes[1] = (self.bytes.len() - 2) as u8;
        let sum = self.bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
        self.bytes.push(sum.wrapping_neg());
        MessageBytes::new(&self.bytes).expect("a short message fits")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(text: &str) -> Presentation {
        Presentation::Given(text.to_owned())
    }

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect()
    }

    fn at(month: u8, day: u8, hour: u8, minute: u8) -> Option<CallTime> {
        Some(CallTime {
            month,
            day,
            hour,
            minute,
        })
    }

    #[test]
    fn single_message_of_30_september() {
        let caller = Caller {
            number: given("6095551212"),
            name: Presentation::Unavailable,
            time: at(9, 30, 12, 24),
            ..Caller::default()
        };
        let bytes = hex("04 12 30 39 33 30 31 32 32 34 36 30 39 35 35 35 31 32 31 32 51");
        assert_eq!(single_call_setup(&caller).as_slice(), bytes);
        assert_eq!(parse(&bytes), Ok(Message::CallSetup(caller)));
    }

    #[test]
    fn single_message_of_1_october() {
        let caller = Caller {
            number: given("+16095551212"),
            name: Presentation::Unavailable,
            time: at(10, 1, 17, 50),
            ..Caller::default()
        };
        let bytes = hex("04 12 31 30 30 31 31 37 35 30 36 30 39 35 35 35 31 32 31 32 57");
        assert_eq!(single_call_setup(&caller).as_slice(), bytes);
    }

    #[test]
    fn multiple_message_with_name() {
        let caller = Caller {
            number: given("2013487000"),
            name: given("JOHN SMITH"),
            time: at(1, 2, 15, 4),
            ..Caller::default()
        };
        let bytes = hex(
            "80 22 01 08 30 31 30 32 31 35 30 34 02 0a 32 30 31 33 34 38 37 30 30 30 \
             07 0a 4a 4f 48 4e 20 53 4d 49 54 48 de",
        );
        assert_eq!(call_setup(Standard::Gr30, &caller).as_slice(), bytes);
        assert_eq!(parse(&bytes), Ok(Message::CallSetup(caller)));
    }

    #[test]
    fn message_waiting_on_and_off() {
        assert_eq!(message_waiting(true).as_slice(), hex("82 03 0b 01 ff 70"));
        assert_eq!(message_waiting(false).as_slice(), hex("82 03 0b 01 00 6f"));
        for waiting in [true, false] {
            for bytes in [message_waiting(waiting), single_message_waiting(waiting)] {
                assert_eq!(parse(bytes.as_slice()), Ok(Message::MessageWaiting(waiting)));
            }
        }
    }

    #[test]
    fn etsi_sends_the_call_type_first() {
        let bytes = call_setup(Standard::Etsi, &Caller::default());
        assert_eq!(bytes.as_slice(), hex("80 09 11 01 01 04 01 4f 08 01 4f b8"));
    }

    #[test]
    fn who_sent_the_call_on_is_told_where_the_standard_has_a_place_for_it() {
        let caller = Caller {
            redirecting: Some("49301234567".to_owned()),
            ..Caller::default()
        };
        let etsi = call_setup(Standard::Etsi, &caller);
        assert_eq!(
            etsi.as_slice(),
            hex("80 16 11 01 01 04 01 4f 08 01 4f 1a 0b 34 39 33 30 31 32 33 34 35 36 37 4a")
        );
        assert_eq!(parse(etsi.as_slice()), Ok(Message::CallSetup(caller.clone())));
        let plain = call_setup(Standard::Gr30, &Caller::default());
        assert_eq!(call_setup(Standard::Gr30, &caller), plain, "not in GR-30");
        let nobody = Caller {
            redirecting: Some("alice".to_owned()),
            ..Caller::default()
        };
        let plain = call_setup(Standard::Etsi, &Caller::default());
        assert_eq!(call_setup(Standard::Etsi, &nobody), plain, "no number");
    }

    #[test]
    fn withheld_and_unknown_are_different_reasons() {
        for (presentation, letter) in [(Presentation::Private, b'P'), (Presentation::Unavailable, b'O')] {
            let caller = Caller {
                number: presentation.clone(),
                name: presentation,
                time: None,
                ..Caller::default()
            };
            let bytes = call_setup(Standard::Gr30, &caller);
            assert_eq!(bytes.as_slice()[2..8], [0x04, 1, letter, 0x08, 1, letter]);
            assert_eq!(parse(bytes.as_slice()), Ok(Message::CallSetup(caller)));
        }
    }

    #[test]
    fn a_user_name_that_is_no_number_is_unavailable_but_keeps_the_name() {
        let caller = Caller {
            number: given("alice"),
            name: given("Alice"),
            time: None,
            ..Caller::default()
        };
        let Ok(Message::CallSetup(shown)) = parse(call_setup(Standard::Etsi, &caller).as_slice()) else {
            panic!("call setup expected");
        };
        assert_eq!(
            (shown.number, shown.name),
            (Presentation::Unavailable, given("Alice"))
        );
    }

    #[test]
    fn damage_is_told_apart() {
        let good = message_waiting(true);
        let good = good.as_slice();
        assert_eq!(parse(&[]), Err(MessageError::Truncated));
        assert_eq!(parse(&good[..good.len() - 1]), Err(MessageError::Truncated));
        let mut flipped = good.to_vec();
        flipped[4] ^= 1;
        assert_eq!(parse(&flipped), Err(MessageError::Checksum));
        assert_eq!(parse(&[0x33, 0x00, 0xcd]), Err(MessageError::Type(0x33)));
        assert_eq!(
            parse(&[0x80, 0x02, 0x02, 0x09, 0x73]),
            Err(MessageError::Malformed)
        );
    }

    proptest! {
        #[test]
        fn parse_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn parse_never_panics_behind_a_good_checksum(
            kind in prop_oneof![Just(0x04_u8), Just(0x06), Just(0x80), Just(0x82), any::<u8>()],
            data in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = vec![kind, data.len() as u8];
            bytes.extend(&data);
            let sum = bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
            bytes.push(sum.wrapping_neg());
            prop_assert_ne!(parse(&bytes), Err(MessageError::Checksum));
        }

        #[test]
        fn whatever_the_caller_is_called_the_message_reads_back(
            number in ".{0,40}", name in ".{0,80}",
        ) {
            let caller = Caller { number: given(&number), name: given(&name), redirecting: Some(number.clone()), ..Caller::default() };
            for standard in [Standard::Gr30, Standard::Etsi] {
                let bytes = call_setup(standard, &caller);
                prop_assert!(parse(bytes.as_slice()).is_ok());
            }
            prop_assert!(parse(single_call_setup(&caller).as_slice()).is_ok());
        }
    }
}
