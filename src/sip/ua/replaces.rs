//! An INVITE that takes another call's place (RFC 3891).

use super::call::Stage;
use super::stray::status;
use super::wire::Arrived;
use super::{CallId, UserAgent};
use crate::sip::message::{HeaderName, Params, StatusCode};

/// A Replaces header: the dialog as we know it.
#[derive(Debug, PartialEq, Eq)]
struct Replaces {
    call_id: String,
    local_tag: String,
    remote_tag: String,
    early_only: bool,
}

impl Replaces {
    fn parse(text: &str) -> Option<Self> {
        let (call_id, params) = text.trim().split_once(';')?;
        let params = Params::parse(&format!(";{params}"))?;
        let tag = |name: &str| params.value(name).map(|tag| tag.into_owned());
        Some(Self {
            call_id: call_id.trim().to_owned(),
            local_tag: tag("to-tag")?,
            // "0": a peer of RFC 2543 has no tag.
            remote_tag: tag("from-tag").map(|tag| if tag == "0" { String::new() } else { tag })?,
            early_only: params.has("early-only"),
        })
    }
}

impl UserAgent {
    /// The call whose place an INVITE takes: `None` where it takes none, the refusal where it may not.
    pub(super) fn replaced_by(&self, arrived: &Arrived) -> Result<Option<CallId>, StatusCode> {
        let mut given = arrived.request.headers.lines(&HeaderName::REPLACES);
        let Some(first) = given.next() else {
            return Ok(None);
        };
        // RFC 3891 3: one at most, and well formed.
        let (Some(replaces), None) = (Replaces::parse(&first), given.next()) else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let call = self
            .find_call(&replaces.call_id, &replaces.local_tag, &replaces.remote_tag)
            .ok_or(StatusCode::NO_SUCH_CALL)?;
        let entry = self.calls.get(&call).ok_or(StatusCode::NO_SUCH_CALL)?;
        if entry.over {
            return Err(status(603));
        }
        let peer = match &entry.stage {
            // The early dialog of somebody who calls us is not ours to give away.
            Stage::Incoming(_) => return Err(StatusCode::NO_SUCH_CALL),
            Stage::Outgoing(_) => None,
            Stage::Up(_) if replaces.early_only => return Err(status(486)),
            Stage::Up(session) => Some(session.hop.remote.ip()),
        };
        // The tags are secrets of those who took part (8.1); in a call through a server, that server answers for
        // whoever brings them.
        let known = entry.account.as_ref().is_none_or(|account| {
            self.is_server_of(&account.name, arrived.remote) || peer == Some(arrived.remote.ip())
        });
        if known { Ok(Some(call)) } else { Err(status(403)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_a_dialog_from_its_receivers_side() {
        let parsed = Replaces::parse("98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff").unwrap();
        assert_eq!(parsed.call_id, "98732@sip.example.com");
        assert_eq!(
            (parsed.local_tag.as_str(), parsed.remote_tag.as_str()),
            ("ff87ff", "r33th4x0r")
        );
        assert!(!parsed.early_only);
        let early = Replaces::parse("a;to-tag=1;from-tag=0;early-only").unwrap();
        assert!(early.early_only && early.remote_tag.is_empty());
        for wrong in ["a", "a;to-tag=1", "a;from-tag=1", ""] {
            assert_eq!(Replaces::parse(wrong), None, "{wrong}");
        }
    }
}
