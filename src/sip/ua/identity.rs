//! Who calls, whom for, and how to ring: what an INVITE says of its caller and of where it has been (RFC 3323, 3325, 5806,
//! 7044, 7462), and what ours says of us.

use crate::sip::account::Account;
use crate::sip::message::{HeaderName, Host, NameAddr, Request, SipUri, Uri};

/// What an INVITE says of its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caller {
    pub user: Option<String>,
    pub name: Option<String>,
    pub private: bool,
}

/// Who calls: P-Asserted-Identity where the account's own server says so (RFC 3325 9), else From.
pub(super) fn caller(request: &Request, trusted: bool) -> Caller {
    let headers = &request.headers;
    let privacy = headers
        .first(&HeaderName::PRIVACY)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let withheld = privacy
        .split([';', ','])
        .map(str::trim)
        .any(|word| matches!(word, "id" | "user" | "header"));
    let asserted = headers
        .addresses(&HeaderName::P_ASSERTED_IDENTITY)
        .unwrap_or_default();
    let from = headers.from().ok();
    let anonymous = from.as_ref().is_some_and(is_anonymous);
    let identity = asserted.into_iter().next().filter(|_| trusted).or(from);
    Caller {
        name: identity
            .as_ref()
            .and_then(|identity| identity.display.clone())
            .filter(|name| !name.is_empty()),
        user: identity.as_ref().and_then(user),
        private: withheld || anonymous,
    }
}

/// RFC 3323 4.1.1.3: sip:anonymous@anonymous.invalid, or a user of that name.
fn is_anonymous(from: &NameAddr) -> bool {
    let host = from.uri.as_sip().map(|sip| sip.host.to_unbracketed());
    host.as_deref()
        .is_some_and(|host| host.eq_ignore_ascii_case("anonymous.invalid"))
        || from
            .uri
            .user()
            .is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
}

fn user(address: &NameAddr) -> Option<String> {
    address.uri.subscriber()
}

/// The number a call was diverted from last: Diversion's first entry (RFC 5806: the newest), or the last one of
/// History-Info that was retargeted (RFC 7044, a `cause` in its URI).
pub(super) fn redirecting_number(request: &Request) -> Option<String> {
    let headers = &request.headers;
    let diversion = headers.addresses(&HeaderName::DIVERSION).unwrap_or_default();
    if let Some(last) = diversion.first().filter(|from| {
        let privacy = from
            .params
            .value("privacy")
            .map(|value| value.to_ascii_lowercase());
        !privacy.is_some_and(|privacy| matches!(privacy.as_str(), "full" | "uri"))
    }) {
        return user(last);
    }
    if !diversion.is_empty() {
        return None;
    }
    // Each entry that names a cause was made by diverting the one before it.
    let history = headers.addresses(&HeaderName::HISTORY_INFO).unwrap_or_default();
    let at = history.iter().rposition(|entry| {
        let sip = entry.uri.as_sip();
        sip.is_some_and(|sip| sip.params.has("cause") || sip.header("Reason").is_some())
    })?;
    let from = history.get(at.checked_sub(1)?)?;
    let hidden = from.uri.as_sip().and_then(|sip| sip.header("Privacy"));
    if hidden.is_some_and(|privacy| !privacy.eq_ignore_ascii_case("none")) {
        return None;
    }
    user(from)
}

/// How an Alert-Info value wants the telephone to ring, by name: `Bellcore-dr2`, `internal`, a URN's own words. Nothing is
/// ever fetched.
pub(super) fn ring_name(alert_info: &str) -> Option<String> {
    let text = alert_info.trim();
    let (uri, params) = match text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((uri, params)) => (uri, params),
        None => text
            .split_once(';')
            .map_or((text, ""), |(uri, _)| (uri, &text[uri.len()..])),
    };
    let info = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("info")
            .then(|| value.trim().trim_matches('"'))
    });
    let name = info.unwrap_or_else(|| {
        // `http://127.0.0.1/Bellcore-dr2` says it in its path.
        match uri.strip_prefix("urn:alert:") {
            Some(urn) => urn,
            None => uri.rsplit('/').next().unwrap_or(uri),
        }
    });
    let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    (!name.is_empty()).then_some(name)
}

/// An INVITE that doesn't say who calls (RFC 3323 4.1). The account's own server is told by P-Preferred-Identity, and asked
/// to keep it to itself (RFC 3325 9.2).
pub(super) fn withhold(request: &mut Request, account: &Account) {
    let nobody: Uri = SipUri::new(Some("anonymous"), Host::Name("anonymous.invalid".to_owned())).into();
    let mut from = NameAddr::new(nobody).with_display(Some("Anonymous"));
    let headers = &mut request.headers;
    if let Ok(known) = headers.from() {
        from.params = known.params;
    }
    headers.set(HeaderName::FROM, from.to_string());
    headers.push(
        HeaderName::P_PREFERRED_IDENTITY,
        account.identity(None).to_string(),
    );
    headers.push(HeaderName::PRIVACY, "id");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Method;

    fn request(headers: &[(HeaderName, &str)]) -> Request {
        let mut request = Request::new(Method::Invite, "sip:6001@192.0.2.1".parse().unwrap());
        for (name, value) in headers {
            request.headers.push(name.clone(), *value);
        }
        request
    }

    #[test]
    fn the_asserted_identity_counts_from_the_own_server_only() {
        let request = request(&[
            (HeaderName::FROM, "\"Spoof\" <sip:911@evil.example>;tag=1"),
            (
                HeaderName::P_ASSERTED_IDENTITY,
                "\"Anna\" <sip:4711@example.net>, <tel:+494711>",
            ),
        ]);
        let told = |trusted| {
            let caller = caller(&request, trusted);
            (caller.user.unwrap(), caller.name.unwrap())
        };
        assert_eq!(told(true), ("4711".into(), "Anna".into()));
        assert_eq!(told(false), ("911".into(), "Spoof".into()));
    }

    #[test]
    fn anonymity_in_each_of_its_forms() {
        for (from, privacy, private) in [
            ("<sip:1@example.net>;tag=1", "id", true),
            ("<sip:1@example.net>;tag=1", "none", false),
            ("<sip:1@example.net>;tag=1", "user;critical", true),
            (
                "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
                "none",
                true,
            ),
            ("<sip:x@ANONYMOUS.INVALID>;tag=1", "none", true),
            ("<sip:Anonymous@example.net>;tag=1", "none", true),
        ] {
            let request = request(&[(HeaderName::FROM, from), (HeaderName::PRIVACY, privacy)]);
            assert_eq!(caller(&request, true).private, private, "{from} {privacy}");
        }
    }

    #[test]
    fn the_number_a_call_was_diverted_from() {
        let diverted = |name: HeaderName, value: &str| redirecting_number(&request(&[(name, value)]));
        assert_eq!(
            diverted(
                HeaderName::DIVERSION,
                "<sip:200@a>;reason=no-answer, <sip:100@a>;reason=unconditional"
            )
            .as_deref(),
            Some("200")
        );
        assert_eq!(diverted(HeaderName::DIVERSION, "<sip:200@a>;privacy=full"), None);
        // RFC 7044: each entry with a cause came of the one before it.
        let history = "<sip:100@a>;index=1, <sip:200@a;cause=302>;index=1.1, <sip:6001@192.0.2.1;cause=486>;index=1.1.1";
        assert_eq!(
            diverted(HeaderName::HISTORY_INFO, history).as_deref(),
            Some("200")
        );
        let hidden = "<sip:200@a?Privacy=history>;index=1, <sip:6001@192.0.2.1;cause=302>;index=1.1";
        assert_eq!(diverted(HeaderName::HISTORY_INFO, hidden), None);
        assert_eq!(
            diverted(HeaderName::HISTORY_INFO, "<sip:6001@192.0.2.1>;index=1"),
            None
        );
        assert_eq!(redirecting_number(&request(&[])), None);
    }

    #[test]
    fn alert_info_names_a_ring_and_is_never_fetched() {
        for (value, expected) in [
            ("<http://127.0.0.1/Bellcore-dr2>", Some("Bellcore-dr2")),
            ("<Bellcore-dr3>", Some("Bellcore-dr3")),
            ("Bellcore-r4", Some("Bellcore-r4")),
            ("<urn:alert:service:call-waiting>", Some("service:call-waiting")),
            (
                "<http://pbx.example.net/ring>;info=alert-internal",
                Some("alert-internal"),
            ),
            (";info=\"external\"", Some("external")),
            ("<>", None),
            ("", None),
        ] {
            assert_eq!(ring_name(value).as_deref(), expected, "{value}");
        }
    }
}
