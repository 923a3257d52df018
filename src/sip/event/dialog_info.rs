//! `application/dialog-info+xml` (RFC 4235): the calls of a line, as a busy lamp field wants them.

use super::xml::escaped;

/// One call, by what may be told of it. Call-ID and tags stay secret: they would let a watcher take the call over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogState {
    /// Names it among this line's.
    pub id: u64,
    /// We called.
    pub initiator: bool,
    /// How far it is.
    pub state: Progress,
}

/// How far a dialog is (RFC 4235 3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The INVITE is out.
    Trying,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
}

impl Progress {
    const fn name(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
        }
    }
}

/// The whole state.
pub fn document(entity: &str, version: u32, dialogs: &[DialogState]) -> String {
    let dialogs: String = dialogs
        .iter()
        .map(|dialog| {
            let direction = if dialog.initiator {
                "initiator"
            } else {
                "recipient"
            };
            format!(
                "<dialog id=\"{}\" direction=\"{direction}\"><state>{}</state></dialog>",
                dialog.id,
                dialog.state.name()
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" \
         entity=\"{}\">{dialogs}</dialog-info>\r\n",
        escaped(entity)
    )
}

#[cfg(test)]
mod tests {
    use super::super::xml::elements;
    use super::*;

    #[test]
    fn the_calls_of_a_line() {
        let dialogs = [
            DialogState {
                id: 7,
                initiator: true,
                state: Progress::Confirmed,
            },
            DialogState {
                id: 8,
                initiator: false,
                state: Progress::Early,
            },
        ];
        let text = document("sip:6001@example.net", 3, &dialogs);
        let found = elements(text.as_bytes()).unwrap();
        assert_eq!(found[0].attribute("version"), Some("3"));
        assert_eq!(found[0].attribute("state"), Some("full"));
        let states: Vec<_> = found
            .iter()
            .filter(|e| e.name == "state")
            .map(|e| e.text.as_str())
            .collect();
        assert_eq!(states, ["confirmed", "early"]);
        assert_eq!(found[1].attribute("direction"), Some("initiator"));
        assert_eq!(found[3].attribute("direction"), Some("recipient"));
        assert_eq!(elements(document("sip:a@b", 0, &[]).as_bytes()).unwrap().len(), 1);
    }
}
