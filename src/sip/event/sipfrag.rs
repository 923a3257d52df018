//! `message/sipfrag` (RFC 3420) as NOTIFYs of the `refer` package have it (RFC 3515 2.4.5): a status line and little
//! else.

use crate::sip::message::StatusCode;

/// The body that tells of a response: its status line.
pub fn status_line(status: StatusCode) -> String {
    format!("SIP/2.0 {} {}\r\n", status.code(), status.reason())
}

/// The status a fragment tells of; `None`: it begins with no status line.
pub fn status(body: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(body).ok()?;
    let mut words = text.trim_start().lines().next()?.split_ascii_whitespace();
    let version = words.next()?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return None;
    }
    let code = words.next()?;
    let status = (code.len() == 3).then(|| code.parse().ok()).flatten()?;
    StatusCode::new(status).map(|status| status.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_there_and_back() {
        for (body, expected) in [
            ("SIP/2.0 100 Trying", Some(100)),
            ("SIP/2.0 180 Ringing\r\n", Some(180)),
            ("sip/2.0 200 OK\r\nTo: <sip:x@y>;tag=1\r\n", Some(200)),
            // Asterisk ends the line; Cisco puts an empty one before it.
            ("\r\nSIP/2.0 603 Declined\r\n", Some(603)),
            ("SIP/2.0 99 Low\r\n", None),
            ("SIP/2.0 700 High\r\n", None),
            ("SIP/2.0 2000 OK\r\n", None),
            ("SIP/2.0", None),
            ("INVITE sip:x@y SIP/2.0\r\n", None),
            ("", None),
        ] {
            assert_eq!(status(body.as_bytes()), expected, "{body:?}");
        }
        let line = status_line(StatusCode::new(486).unwrap());
        assert_eq!(line, "SIP/2.0 486 Busy Here\r\n");
        assert_eq!(status(line.as_bytes()), Some(486));
        assert_eq!(status(&[0xff, 0xfe]), None);
    }
}
