//! What goes no further than the next hop: Via, CANCEL, the ACK of a refusal.

use super::ClientTransaction;
use crate::sip::message::{CSeq, HeaderName, Method, Request, Response};

pub(super) fn with_via(request: &Request, via: &str) -> Vec<u8> {
    let mut request = request.clone();
    request.headers.insert_front(HeaderName::VIA, via);
    request.to_bytes()
}

/// CANCEL, or the ACK of a refusal: the INVITE's Request-URI, Route, From, Call-ID and CSeq number (9.1,
/// 17.1.1.3), without its body and its other headers.
pub(super) fn hop_by_hop(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    for name in [
        HeaderName::MAX_FORWARDS,
        HeaderName::ROUTE,
        HeaderName::FROM,
        HeaderName::TO,
        HeaderName::CALL_ID,
        HeaderName::USER_AGENT,
    ] {
        request.headers.copy_from(&invite.headers, &name);
    }
    if let Ok(cseq) = invite.headers.cseq() {
        request.headers.push(
            HeaderName::CSEQ,
            CSeq {
                number: cseq.number,
                method,
            }
            .to_string(),
        );
    }
    request
}

pub(super) fn refusal_ack(transaction: &ClientTransaction, response: &Response) -> Vec<u8> {
    let mut ack = hop_by_hop(&transaction.request, Method::Ack);
    ack.headers.remove(&HeaderName::TO);
    ack.headers.copy_from(&response.headers, &HeaderName::TO);
    with_via(&ack, &transaction.via)
}
