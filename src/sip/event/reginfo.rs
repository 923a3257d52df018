//! `application/reginfo+xml` (RFC 3680): what the registrar says of our binding.

use super::xml::elements;

/// What has become of a contact of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It is there.
    Active,
    /// It is gone; register anew at once (deactivated, probation, or expired without our knowing).
    Gone,
    /// It is gone by somebody's will (rejected, unregistered): registering anew is not what is wanted.
    Rejected,
}

/// How the contact for `ours` stands; `None`: the document doesn't say (RFC 3680 5.1: only full state names all).
pub fn binding(document: &[u8], ours: impl Fn(&str) -> bool) -> Option<Binding> {
    let found = elements(document)?;
    let full = found.first()?.attribute("state") == Some("full");
    let mut contact = None;
    let mut terminated = false;
    let mut answer = None;
    for element in &found {
        match element.name.as_str() {
            "registration" => terminated |= element.attribute("state") == Some("terminated"),
            "contact" => {
                contact = Some((
                    element.attribute("state").unwrap_or_default(),
                    element.attribute("event").unwrap_or_default(),
                ));
            }
            "uri" if ours(&element.text) => {
                let (state, event) = contact?;
                answer = Some(match (state, event) {
                    ("active", _) => Binding::Active,
                    (_, "rejected" | "unregistered") => Binding::Rejected,
                    _ => Binding::Gone,
                });
            }
            _ => {}
        }
    }
    answer.or((full && terminated).then_some(Binding::Gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(state: &str, contact: &str) -> String {
        format!(
            r#"<?xml version="1.0"?><reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="full">
            <registration aor="sip:joe@example.com" id="as9" state="{state}">{contact}</registration></reginfo>"#
        )
    }

    #[test]
    fn our_contact_by_its_uri() {
        let ours = |uri: &str| uri == "sip:joe@192.0.2.9";
        let contact = |state: &str, event: &str| {
            format!(
                r#"<contact id="1" state="active" event="registered"><uri>sip:joe@192.0.2.1</uri></contact>
                <contact id="2" state="{state}" event="{event}"><uri>sip:joe@192.0.2.9</uri></contact>"#
            )
        };
        for (state, event, expected) in [
            ("active", "registered", Binding::Active),
            ("active", "refreshed", Binding::Active),
            ("terminated", "deactivated", Binding::Gone),
            ("terminated", "expired", Binding::Gone),
            ("terminated", "probation", Binding::Gone),
            ("terminated", "rejected", Binding::Rejected),
            ("terminated", "unregistered", Binding::Rejected),
        ] {
            let text = document("active", &contact(state, event));
            assert_eq!(binding(text.as_bytes(), ours), Some(expected), "{state} {event}");
        }
        assert_eq!(
            binding(document("terminated", "").as_bytes(), ours),
            Some(Binding::Gone)
        );
        let others = contact("active", "registered").replace("192.0.2.9", "192.0.2.8");
        assert_eq!(binding(document("active", &others).as_bytes(), ours), None);
        assert_eq!(binding(b"<broken", ours), None);
    }
}
