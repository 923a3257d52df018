//! `application/pidf+xml` (RFC 3863) with the activities of RPID (RFC 4480): what others may know of a line.

use super::xml::escaped;

/// What a line shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nobody is calling.
    Idle,
    /// Somebody is on the telephone.
    OnThePhone,
    /// It can't be reached: its hardware has failed.
    Closed,
}

/// The document. `entity`: our address of record; `contact`: where calls go.
pub fn document(entity: &str, contact: &str, presence: Presence) -> String {
    let basic = match presence {
        Presence::Idle | Presence::OnThePhone => "open",
        Presence::Closed => "closed",
    };
    let person = match presence {
        Presence::OnThePhone => {
            "<dm:person id=\"p1\"><rpid:activities><rpid:on-the-phone/></rpid:activities></dm:person>"
        }
        Presence::Idle | Presence::Closed => "",
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"{}\">\
         <tuple id=\"t1\"><status><basic>{basic}</basic></status><contact>{}</contact></tuple>{person}</presence>\r\n",
        escaped(entity),
        escaped(contact)
    )
}

#[cfg(test)]
mod tests {
    use super::super::xml::elements;
    use super::*;

    #[test]
    fn each_state_has_its_document() {
        for (presence, basic, activity) in [
            (Presence::Idle, "open", false),
            (Presence::OnThePhone, "open", true),
            (Presence::Closed, "closed", false),
        ] {
            let text = document("sip:6001@example.net", "sip:6001@192.0.2.1;a=\"b\"&c", presence);
            let found = elements(text.as_bytes()).unwrap();
            let named = |name: &str| found.iter().find(|element| element.name == name);
            assert_eq!(
                named("presence").unwrap().attribute("entity"),
                Some("sip:6001@example.net")
            );
            assert_eq!(named("basic").unwrap().text, basic);
            assert_eq!(named("contact").unwrap().text, "sip:6001@192.0.2.1;a=\"b\"&c");
            assert_eq!(named("on-the-phone").is_some(), activity);
        }
    }
}
