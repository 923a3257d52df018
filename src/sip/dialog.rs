//! A dialog: what two user agents remember of each other between requests (RFC 3261 section 12).

use super::message::{CSeq, HeaderName, Headers, Method, NameAddr, Request, Response, Uri};

/// One dialog, early or confirmed.
#[derive(Clone, Debug)]
pub struct Dialog {
    call_id: String,
    /// Our From (or To), tag included.
    local: NameAddr,
    /// The peer's, tag included where it has one (RFC 2543 peers have none).
    remote: NameAddr,
    local_seq: u32,
    remote_seq: Option<u32>,
    remote_target: Uri,
    route_set: Vec<NameAddr>,
    contact: Uri,
    /// The peer's last Allow names UPDATE.
    takes_update: bool,
}

impl Dialog {
    /// The dialog a response to our INVITE makes (12.1.2): provisional or 2xx with a tag. `None` where the
    /// response lacks what a dialog needs.
    pub fn from_response(request: &Request, response: &Response) -> Option<Self> {
        let local = request.headers.from().ok()?;
        let remote = response.headers.to().ok()?;
        // A provisional response without Contact makes a dialog too, with the URI that was called.
        let remote_target = first_contact(&response.headers).unwrap_or_else(|| request.uri.clone());
        let mut route_set = response.headers.record_routes().unwrap_or_default();
        route_set.reverse();
        Some(Self {
            call_id: request.headers.call_id().ok()?,
            local,
            remote,
            local_seq: request.headers.cseq().ok()?.number,
            remote_seq: None,
            remote_target,
            route_set,
            contact: request.headers.contact().ok()?.uri,
            takes_update: allows_update(&response.headers),
        })
    }

    /// The dialog our response to an INVITE makes (12.1.1).
    pub fn from_request(request: &Request, local_tag: &str, contact: Uri) -> Option<Self> {
        let local = request.headers.to().ok()?.with_tag(local_tag);
        Some(Self {
            call_id: request.headers.call_id().ok()?,
            local,
            remote: request.headers.from().ok()?,
            local_seq: 0,
            remote_seq: Some(request.headers.cseq().ok()?.number),
            remote_target: first_contact(&request.headers).or_else(|| sender_of_old(request))?,
            route_set: request.headers.record_routes().ok()?,
            contact,
            takes_update: allows_update(&request.headers),
        })
    }

    /// This dialog goes on where an early one of the same tags stood: numbers already used stay used.
    #[must_use]
    pub fn following(mut self, early: &Self) -> Self {
        self.local_seq = self.local_seq.max(early.local_seq);
        self.remote_seq = self.remote_seq.max(early.remote_seq);
        self.takes_update |= early.takes_update;
        self
    }

    /// Whether the peer takes UPDATE (RFC 3311 section 4: its Allow says so).
    pub fn takes_update(&self) -> bool {
        self.takes_update
    }

    /// The peer answered an UPDATE with 405 or 501: it takes none, whatever it said.
    pub fn forget_update(&mut self) {
        self.takes_update = false;
    }

    /// Whether a request with this Call-ID, To tag and From tag belongs here.
    pub fn is_named(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        self.call_id == call_id
            && self.local.tag().as_deref() == Some(local_tag)
            && self.remote.tag().as_deref().unwrap_or_default() == remote_tag
    }

    /// The peer's tag; empty where it has none.
    pub fn remote_tag(&self) -> String {
        self.remote.tag().map(|tag| tag.into_owned()).unwrap_or_default()
    }

    /// The next request of ours, without Via and body (12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_seq += 1;
        self.build(method, self.local_seq)
    }

    /// The ACK of a 2xx: the INVITE's sequence number (13.2.2.4).
    pub fn ack(&self, invite_seq: u32) -> Request {
        self.build(Method::Ack, invite_seq)
    }

    /// A request of ours was sent again under this number (credentials).
    pub fn note_sent(&mut self, seq: u32) {
        self.local_seq = self.local_seq.max(seq);
    }

    /// Takes a request's sequence number; `false`: it is out of order (12.2.2).
    pub fn accept(&mut self, seq: u32) -> bool {
        let in_order = self.remote_seq.is_none_or(|last| seq >= last);
        if in_order {
            self.remote_seq = Some(seq);
        }
        in_order
    }

    /// The peer moved: a target refresh request or response with a Contact.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = first_contact(headers) {
            self.remote_target = target;
        }
        if headers.has(&HeaderName::ALLOW) {
            self.takes_update = allows_update(headers);
        }
    }

    /// Where the next request goes: the first route, or the remote target.
    pub fn next_hop(&self) -> &Uri {
        self.route_set
            .first()
            .map_or(&self.remote_target, |route| &route.uri)
    }

    /// Where the peer says it is.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Who the peer is.
    pub fn remote_uri(&self) -> &Uri {
        &self.remote.uri
    }

    /// Our tag.
    pub fn local_tag(&self) -> String {
        self.local.tag().map(|tag| tag.into_owned()).unwrap_or_default()
    }

    /// The value of a Replaces header that names this dialog to its peer (RFC 3891 6.1).
    pub fn replaces(&self) -> String {
        let tag = |party: &NameAddr| party.tag().map_or_else(|| "0".to_owned(), |tag| tag.into_owned());
        format!(
            "{};to-tag={};from-tag={}",
            self.call_id,
            tag(&self.remote),
            tag(&self.local)
        )
    }

    /// We moved: our Contact from now on.
    pub fn set_contact(&mut self, contact: Uri) {
        self.contact = contact;
    }

    /// Our Contact in this dialog.
    pub fn contact(&self) -> &Uri {
        &self.contact
    }

    fn build(&self, method: Method, seq: u32) -> Request {
        let mut uri = self.remote_target.clone();
        let mut routes = self.route_set.clone();
        // A strict router in front: its URI becomes the Request-URI, the target goes to the end (12.2.1.1).
        if let Some(first) = routes.first()
            && !first.uri.as_sip().is_some_and(|sip| sip.is_loose_router())
        {
            let first = routes.remove(0).uri;
            routes.push(NameAddr::new(std::mem::replace(&mut uri, first)));
        }
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.push(HeaderName::MAX_FORWARDS, "70");
        for route in routes {
            headers.push(HeaderName::ROUTE, route.to_string());
        }
        headers.push(HeaderName::FROM, self.local.to_string());
        headers.push(HeaderName::TO, self.remote.to_string());
        headers.push(HeaderName::CALL_ID, self.call_id.as_str());
        headers.push(HeaderName::CSEQ, CSeq { number: seq, method }.to_string());
        request
    }
}

/// Where requests to a peer of RFC 2543 go: Contact was not required there, and From is where it is reached.
fn sender_of_old(request: &Request) -> Option<Uri> {
    let old = request.headers.via_top().ok()?.rfc3261_branch().is_none();
    old.then(|| request.headers.from().ok().map(|from| from.uri))
        .flatten()
}

fn allows_update(headers: &Headers) -> bool {
    headers.allow().contains(&Method::Update)
}

fn first_contact(headers: &Headers) -> Option<Uri> {
    let contact = headers.contact().ok()?;
    contact.uri.as_sip().is_some().then_some(contact.uri)
}
