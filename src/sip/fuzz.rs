//! Bodies of the fuzz targets for everything here that eats bytes from the network, compiled with the tests too.

use super::digest::{Authenticator, Challenge, Credentials};
use super::framing::StreamFramer;
use super::message::{HeaderName, Headers, Message, Method, NameAddr, Request, StatusCode, Uri, Via};
use super::sdp::{LocalDtls, MediaCapabilities, Reach, Security, Session, SrtpPolicy, session_description};
use crate::media::dtls::Fingerprint;
use crate::media::srtp::{MasterKey, Suite};
use crate::media::{Codec, Direction};
use rand::SeedableRng;
use rand::rngs::StdRng;
use secrecy::SecretString;
use std::net::IpAddr;

/// One datagram: read, looked into, printed, and read again as the same.
pub fn message(data: &[u8]) {
    match Message::parse(data) {
        Ok(message) => {
            look_into(message.headers());
            assert_eq!(
                Message::parse(&message.to_bytes()),
                Ok(message),
                "printed and read again"
            );
        }
        Err(error) => {
            let _ = error.to_string();
            if let super::message::ParseError::BadRequest(bad) = error {
                look_into(&bad.headers);
            }
        }
    }
}

/// A stream, in pieces as long as its first byte says.
pub fn stream(data: &[u8]) {
    let Some((size, rest)) = data.split_first() else {
        return;
    };
    let mut framer = StreamFramer::new();
    for chunk in rest.chunks(usize::from(*size).max(1)) {
        framer.push(chunk);
        while framer.poll().is_some() {}
    }
}

/// A session description as offer and as answer.
pub fn description(data: &[u8]) {
    let suites = [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm];
    let keys = suites.map(|suite| MasterKey::new(suite, &vec![1; suite.material_bytes()]));
    let capabilities = MediaCapabilities {
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        telephone_event: true,
        packet_time_ms: 20,
        address: IpAddr::from([192, 0, 2, 1]),
        rtp_port: 16_384,
        rtcp_mux: true,
        reach: Reach::default(),
        security: Security {
            policy: SrtpPolicy::Optional,
            keys: keys.into_iter().flatten().collect(),
            offered: suites.to_vec(),
            dtls: Some(LocalDtls {
                fingerprint: Fingerprint::of(b"a certificate"),
                role: None,
                offered: false,
            }),
        },
    };
    let mut session = Session::new(1);
    if let Ok((body, negotiated)) = session.answer(&capabilities, data, Direction::SendReceive) {
        assert!((10..=60).contains(&negotiated.packet_time_ms));
        // What we write is what we could accept.
        let own = super::sdp::accept_answer(&capabilities, &body, &body);
        assert_eq!(own.map(|own| own.codec), Ok(negotiated.codec));
    }
    session.offer(&capabilities, Direction::SendReceive);
    let _ = session.accept_answer(&capabilities, data);
    let mut headers = Headers::new();
    headers.push(HeaderName::CONTENT_TYPE, "multipart/mixed;boundary=x");
    let _ = session_description(&headers, data);
}

/// A challenge's value, answered.
pub fn challenge(data: &[u8]) {
    let mut response = Headers::new();
    response.push(HeaderName::WWW_AUTHENTICATE, data);
    let _ = Challenge::all(&response);
    let password = SecretString::from("p");
    let mut authenticator = Authenticator::new();
    let mut request = Request::new(Method::Register, Uri::Other("x:y".to_owned()));
    if authenticator.challenged(&request, &response).is_ok() {
        let credentials = Credentials {
            username: "u",
            password: &password,
        };
        authenticator.authorize(&mut request, credentials, &mut StdRng::seed_from_u64(1));
        let _ = authenticator.challenged(&request, &response);
    }
    authenticator.accepted(&response);
}

/// A URI, an address and a Via, each printed and read again as the same.
pub fn parts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(uri) = Uri::parse(&text) {
        assert_eq!(Uri::parse(&uri.to_string()), Ok(uri));
    }
    if let Some(address) = NameAddr::parse(&text) {
        assert_eq!(NameAddr::parse(&address.to_string()), Some(address));
    }
    if let Some(via) = Via::parse(&text) {
        assert_eq!(Via::parse(&via.to_string()), Some(via));
    }
}

fn look_into(headers: &Headers) {
    let _ = (
        headers.vias(),
        headers.from(),
        headers.to(),
        headers.contacts(),
        headers.contact(),
    );
    let _ = (
        headers.routes(),
        headers.record_routes(),
        headers.reasons(),
        headers.content_type(),
    );
    let _ = (
        headers.allow(),
        headers.supported(),
        headers.require(),
        headers.cseq(),
        headers.call_id(),
    );
    let _ = (
        headers.expires(),
        headers.min_expires(),
        headers.retry_after(),
        headers.rseq(),
    );
    let _ = (Challenge::all(headers), session_description(headers, b"v=0"));
    if let Ok(via) = headers.via_top() {
        let _ = (
            via.branch(),
            via.rfc3261_branch(),
            via.rport(),
            via.received(),
            via.maddr(),
            via.ttl(),
        );
    }
    let response = super::message::Response::to_request(headers, StatusCode::BAD_REQUEST, Some("t"));
    let _ = response.to_bytes();
}
