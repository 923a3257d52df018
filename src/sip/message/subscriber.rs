//! Who a URI names, as a telephone knows them: numbers without what RFC 3966 lets stand in and behind them.

use super::Uri;

impl Uri {
    /// The user part with escapes undone; of a telephone number only what is dialled: visual separators and parameters
    /// (`;phone-context`, `;isub`) go. `tel:` URIs are numbers, and so is a user part that says so (`user=phone`,
    /// `;phone-context`) or begins with `+` (RFC 3261 19.1.6).
    pub fn subscriber(&self) -> Option<String> {
        let sip = match self {
            Self::Tel(tel) => return Some(tel.digits()),
            Self::Other(_) => return None,
            Self::Sip(sip) => sip,
        };
        let user = sip.user.as_ref()?.decoded().into_owned();
        let (number, params) = user.split_once(';').unwrap_or((&user, ""));
        let said = sip
            .params
            .value("user")
            .is_some_and(|value| value.eq_ignore_ascii_case("phone"));
        let meant =
            said || params.to_ascii_lowercase().starts_with("phone-context=") || number.starts_with('+');
        let digits: String = number
            .chars()
            .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
            .collect();
        let dialable = |c: char| c.is_ascii_digit() || matches!(c, '+' | '*' | '#' | 'A'..='D' | 'a'..='d');
        if meant && !digits.is_empty() && digits.chars().all(dialable) {
            return Some(digits);
        }
        Some(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        for (uri, expected) in [
            ("sip:6001@pbx", Some("6001")),
            ("sip:%2B15551234@192.0.2.1", Some("+15551234")),
            ("sip:+1-555-1234@gw;user=phone", Some("+15551234")),
            ("sip:+1(555)1234;isub=7@gw", Some("+15551234")),
            ("sip:5551234;phone-context=+1@gw;user=phone", Some("5551234")),
            ("sip:5551234%3Bphone-context=example.com@gw", Some("5551234")),
            ("sip:*21%23@pbx", Some("*21#")),
            ("sip:100-200@pbx", Some("100-200")),
            ("sip:john.doe@pbx;user=phone", Some("john.doe")),
            ("sip:a;b@pbx", Some("a;b")),
            ("tel:+44(20)7946-0000", Some("+442079460000")),
            ("tel:7042;phone-context=example.com", Some("7042")),
            ("sip:pbx.example.net", None),
            ("http://x/", None),
        ] {
            let uri = Uri::parse(uri).unwrap();
            assert_eq!(uri.subscriber().as_deref(), expected, "{uri}");
        }
    }
}
