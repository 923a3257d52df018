//! `application/simple-message-summary` (RFC 3842): what waits in a mailbox.

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageSummary {
    /// Something does.
    pub waiting: bool,
    /// New voice messages, where the server counts them.
    pub new: Option<u32>,
    /// Old ones.
    pub old: Option<u32>,
}

impl MessageSummary {
    /// Reads one; `None`: it says neither yes nor no.
    ///
    /// Servers write `yes` in every case, forget the blank after the colon, and put other classes' counts beside
    /// the voice messages'.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let field = |name: &str| {
            let mut fields = text.lines().filter_map(|line| line.split_once(':'));
            fields
                .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        let waiting = match field("Messages-Waiting")? {
            yes if yes.eq_ignore_ascii_case("yes") => true,
            no if no.eq_ignore_ascii_case("no") => false,
            _ => return None,
        };
        let counts = field("Voice-Message").and_then(|value| {
            let (new, old) = value.split('(').next()?.split_once('/')?;
            Some((new.trim().parse().ok()?, old.trim().parse().ok()?))
        });
        Some(Self {
            waiting,
            new: counts.map(|counts: (u32, u32)| counts.0),
            old: counts.map(|counts| counts.1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_as_servers_write_them() {
        let summary = |waiting, counts: Option<(u32, u32)>| MessageSummary {
            waiting,
            new: counts.map(|counts| counts.0),
            old: counts.map(|counts| counts.1),
        };
        for (body, expected) in [
            // RFC 3842 section 5.
            (
                "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n",
                Some(summary(true, Some((2, 8)))),
            ),
            (
                "Messages-Waiting: no\r\nVoice-Message: 0/0\r\n",
                Some(summary(false, Some((0, 0)))),
            ),
            ("messages-waiting:YES\n", Some(summary(true, None))),
            (
                "Fax-Message: 1/0\r\nMessages-Waiting: yes",
                Some(summary(true, None)),
            ),
            (
                "Messages-Waiting: yes\r\nVoice-Message: many",
                Some(summary(true, None)),
            ),
            ("Messages-Waiting: perhaps", None),
            ("Voice-Message: 2/8", None),
            ("", None),
        ] {
            assert_eq!(MessageSummary::parse(body.as_bytes()), expected, "{body:?}");
        }
        assert_eq!(MessageSummary::parse(&[0xff]), None);
    }
}
