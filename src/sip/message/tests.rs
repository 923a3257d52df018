use super::*;
use crate::sip::fuzz;
use proptest::prelude::*;

const HEAD: &str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
    Call-ID: x@y\r\nCSeq: 7 OPTIONS\r\n";

fn options(more: &str, body: &str) -> Vec<u8> {
    format!("OPTIONS sip:c@d SIP/2.0\r\n{HEAD}{more}\r\n{body}").into_bytes()
}

fn request(bytes: &[u8]) -> Request {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refusal(bytes: &[u8]) -> (u16, Fault) {
    match Message::parse(bytes) {
        Err(ParseError::BadRequest(bad)) => (bad.status.code(), bad.fault),
        other => panic!("{other:?}"),
    }
}

/// rsipstack lost every header behind such a line; ezk panicked.
#[test]
fn one_latin1_byte_loses_no_other_header() {
    let bytes = [
        b"OPTIONS sip:c@d SIP/2.0\r\nUser-Agent: B\xfcro\r\nOrganization\xe9: x\r\n".as_slice(),
        HEAD.as_bytes(),
        b"Subject: caf\xe9\r\n\r\n",
    ]
    .concat();
    // A byte in a name makes no header field at all, and a request with one is wrong...
    assert_eq!(refusal(&bytes), (400, Fault::HeaderLine(3)));
    // ...in values, and in a response's lines, it's borne.
    let bytes = [
        b"SIP/2.0 200 OK\r\nUser-Agent: B\xfcro\r\nOrganization\xe9: x\r\n".as_slice(),
        HEAD.as_bytes(),
        b"Subject: caf\xe9\r\n\r\n",
    ]
    .concat();
    let message = Message::parse(&bytes).unwrap();
    assert!(message.headers().via_top().is_ok());
    assert_eq!(
        message.headers().first(&HeaderName::SUBJECT).as_deref(),
        Some("caf\u{fffd}")
    );
    assert!(
        message.to_bytes().windows(4).any(|w| w == b"B\xfcro"),
        "the byte itself is kept"
    );
}

#[test]
fn line_ends_and_what_stands_before_a_message() {
    let plain = request(&options("", ""));
    let text = String::from_utf8(options("", "")).unwrap();
    assert_eq!(request(text.replace("\r\n", "\n").as_bytes()), plain);
    assert_eq!(request(format!("\r\n\r\n\0\n{text}").as_bytes()), plain);
    for nothing in [&b""[..], b"\r\n\r\n", b"\0\0\0\0", b"\r\n"] {
        assert_eq!(Message::parse(nothing), Err(ParseError::KeepAlive));
    }
}

#[test]
fn folded_and_compact_fields() {
    let folded = options("s :\tone\r\n \ttwo \r\n   three\r\nk:100rel,\r\n timer\r\n", "");
    let headers = request(&folded).headers;
    assert_eq!(
        headers.first(&HeaderName::SUBJECT).as_deref(),
        Some("one two three")
    );
    assert_eq!(headers.supported(), ["100rel", "timer"]);
}

#[test]
fn bodies_and_their_length() {
    assert_eq!(
        request(&options("", "abc")).body,
        b"abc",
        "a datagram needs no Content-Length"
    );
    assert_eq!(request(&options("l: 2\r\n", "abc")).body, b"ab");
    assert_eq!(
        refusal(&options("l: 4\r\n", "abc")),
        (400, Fault::BodyTruncated { want: 4, have: 3 })
    );
    for wrong in [
        "l: -1\r\n",
        "l: +1\r\n",
        "l: x\r\n",
        "l:\r\n",
        "l: 99999999999999999999999\r\n",
    ] {
        let fault = Fault::Header(HeaderError::Malformed(HeaderName::CONTENT_LENGTH));
        assert_eq!(refusal(&options(wrong, "abc")), (400, fault), "{wrong}");
    }
    let written = request(&options("l: 2\r\n", "abc")).to_bytes();
    assert!(
        String::from_utf8(written)
            .unwrap()
            .ends_with("Content-Length: 2\r\n\r\nab")
    );
}

#[test]
fn fields_that_may_stand_only_once() {
    let lines = [
        "Call-ID: z",
        "CSeq: 7 OPTIONS",
        "From: <sip:a@b>;tag=1",
        "To: <sip:c@d>",
    ];
    for line in lines {
        let name = HeaderName::parse(line.split(':').next().unwrap()).unwrap();
        let wanted = (400, Fault::Header(HeaderError::Repeated(name)));
        assert_eq!(refusal(&options(&format!("{line}\r\n"), "")), wanted);
    }
    let (status, fault) = refusal(&options("l: 0\r\nContent-Length: 0\r\n", ""));
    assert_eq!(
        (status, fault),
        (
            400,
            Fault::Header(HeaderError::Repeated(HeaderName::CONTENT_LENGTH))
        )
    );
}

#[test]
fn limits() {
    let many = "X: y\r\n".repeat(MAX_HEADERS - 5);
    assert_eq!(request(&options(&many, "")).headers.len(), MAX_HEADERS);
    assert_eq!(
        refusal(&options(&format!("{many}X: y\r\n"), "")),
        (513, Fault::TooManyHeaders)
    );
    let big = "x".repeat(MAX_MESSAGE_BYTES);
    assert_eq!(refusal(&options("", &big)), (513, Fault::TooLarge));
}

/// Each of these grew with the square of its length in one parser or another.
#[test]
fn long_inputs_of_one_kind_are_read_at_once() {
    let fold = format!("Subject: a\r\n{}", " b\r\n".repeat(15_000));
    let commas = format!("Contact: {}<sip:a@b>\r\n", "<sip:a@b>,".repeat(6_000));
    let quotes = format!("Subject: {}\r\n", "\"\\".repeat(30_000));
    let params = format!("To: <sip:a@b>{}\r\n", ";a".repeat(30_000));
    for text in [fold, commas, quotes, params] {
        fuzz::message(&options(&text, ""));
    }
}

#[test]
fn garbage_is_told_from_wrong_requests() {
    for garbage in [
        &b"hello"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\xfd\xfc",
        b"OPTIONS sip:a@b SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/3.0 200 OK\r\n\r\n",
        b"SIP/2.0 99 Low\r\nVia: SIP/2.0/UDP h\r\n\r\n",
    ] {
        assert!(matches!(Message::parse(garbage), Err(ParseError::Garbage(_))));
    }
    let unfinished = format!("OPTIONS sip:c@d SIP/2.0\r\n{HEAD}");
    assert_eq!(refusal(unfinished.as_bytes()), (400, Fault::Unfinished));
    let version = String::from_utf8(options("", ""))
        .unwrap()
        .replacen("SIP/2.0", "SIP/3.0", 1);
    assert_eq!(refusal(version.as_bytes()), (505, Fault::Version));
}

#[test]
fn responses_copy_what_they_must_and_only_add_the_tag() {
    let bytes = b"INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2\r\nv: SIP/2.0/TCP c\r\n\
        f: \"caf\xe9\" <sip:a@b>;tag=1\r\nt: c <sip:c@d>\r\ni: x\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\nSubject: s\r\n\r\n";
    let invite = request(bytes);
    let ringing = Response::to_request(&invite.headers, StatusCode::RINGING, Some("tt"));
    let wanted = b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2\r\nVia: SIP/2.0/TCP c\r\n\
        From: \"caf\xe9\" <sip:a@b>;tag=1\r\nTo: c <sip:c@d>;tag=tt\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
        Content-Length: 0\r\n\r\n";
    assert_eq!(ringing.to_bytes(), wanted);
    let trying = Response::to_request(&invite.headers, StatusCode::TRYING, None);
    assert_eq!(
        trying.headers.first(&HeaderName::TIMESTAMP).as_deref(),
        Some("54")
    );
    assert_eq!(trying.headers.to().unwrap().tag(), None);
    let again = Response::to_request(&ringing.headers, StatusCode::OK, Some("other"));
    assert_eq!(
        again.headers.to().unwrap().tag().as_deref(),
        Some("tt"),
        "a tag that is there stays"
    );
}

#[test]
fn the_top_via_can_be_marked() {
    let mut headers = Headers::new();
    headers.push(HeaderName::VIA, "SIP/2.0/UDP a;branch=1;rport, SIP/2.0/UDP b");
    let mut via = headers.via_top().unwrap();
    via.params.set("received", "192.0.2.9");
    via.params.set("rport", "5062");
    headers.replace_first_element(&HeaderName::VIA, &via.to_string());
    let wanted = "SIP/2.0/UDP a;branch=1;rport=5062;received=192.0.2.9, SIP/2.0/UDP b";
    assert_eq!(headers.first(&HeaderName::VIA).as_deref(), Some(wanted));
}

#[test]
fn values_cannot_smuggle_header_fields_in() {
    let mut headers = Headers::new();
    headers.push(HeaderName::SUBJECT, "a\r\nEvil: yes\0");
    assert_eq!(
        headers.first(&HeaderName::SUBJECT).as_deref(),
        Some("a  Evil: yes")
    );
    let mut response = Response::new(StatusCode::OK);
    response.reason = "fine\r\nEvil: yes".to_owned();
    assert!(
        !String::from_utf8(response.to_bytes())
            .unwrap()
            .contains("\r\nEvil")
    );
}

#[test]
fn small_typed_fields() {
    let headers = request(&options(
        "Retry-After: 18000;duration=3600 (I'm in a meeting)\r\nExpires: 99999999999\r\nMin-Expires: 60\r\n\
         Reason: SIP ;cause=200 ;text=\"Call completed elsewhere\", Q.850;cause=16\r\nAllow: INVITE, ACK,, BYE\r\n\
         Content-Type: Multipart/Mixed; boundary=\"a b\"\r\nContact: *\r\n",
        "",
    ))
    .headers;
    assert_eq!(headers.retry_after(), Some(18_000));
    assert_eq!(headers.expires(), Some(u32::MAX));
    assert_eq!(headers.min_expires(), Some(60));
    let reasons = headers.reasons();
    assert_eq!(
        (reasons[0].protocol.as_str(), reasons[0].cause),
        ("SIP", Some(200))
    );
    assert_eq!(
        reasons[0].to_string(),
        r#"SIP;cause=200;text="Call completed elsewhere""#
    );
    assert_eq!(reasons[1].cause, Some(16));
    assert_eq!(headers.allow(), [Method::Invite, Method::Ack, Method::Bye]);
    let kind = headers.content_type().unwrap();
    assert_eq!((kind.main.as_str(), kind.sub.as_str()), ("multipart", "mixed"));
    assert_eq!(kind.params.value("boundary").as_deref(), Some("a b"));
    assert_eq!(headers.contacts(), Ok(Contacts::All));
}

#[test]
fn a_control_character_in_a_reason_phrase_reads_as_it_prints() {
    for reason in ["\0 made up", "ends in one\u{7}", "\u{85}"] {
        fuzz::message(format!("SIP/2.0 200 {reason}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n").as_bytes());
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<_> = torture::messages()
        .into_iter()
        .map(|message| message.bytes)
        .collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..12);
    (prop::sample::select(all), edits).prop_map(|(mut bytes, edits)| {
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at.min(bytes.len()), byte),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                // Bytes that mean something are likelier to upset a parser.
                _ => bytes.insert(
                    at.min(bytes.len()),
                    b"<>\"\\;,:@ \r\n[]%/="[usize::from(byte % 16)],
                ),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_messages_never_panic_and_print_as_they_read(bytes in mutated()) {
        fuzz::message(&bytes);
        fuzz::stream(&bytes);
    }

    #[test]
    fn any_uri_address_or_via_prints_as_it_reads(
        text in r#"("[a-z\\"]{0,4}" ?)?<?(sips?|tel|SIP/2.0/UDP |x):?[a-z0-9%;?=+]{0,6}@?(\[::1\]|[a-z.]{1,5})?:?[0-9]{0,5}(;[a-z]{1,4}(="?[a-z;]{1,3}"?)?){0,3}>?(;[a-z]{0,3})?"#
    ) {
        fuzz::parts(text.as_bytes());
    }

    /// Whatever we can build, we read back as it was built.
    #[test]
    fn built_messages_are_read_back(
        method in "[A-Z]{3,9}",
        user in "[ -~\u{e9}]{1,10}",
        display in "[ -~\u{e9}]{0,10}",
        tag in "[a-z0-9.]{1,8}",
        fields in prop::collection::vec(("[A-Za-z-]{2,12}", prop::collection::vec(any::<u8>(), 0..20)), 0..10),
        body in prop::collection::vec(any::<u8>(), 0..60),
        number in any::<u32>(),
    ) {
        let method = Method::parse(&method).unwrap();
        let uri = Uri::from(SipUri::new(Some(&user), Host::Name("example.com".into())).with_port(Some(5070)));
        let mut request = Request::new(method.clone(), uri.clone());
        let via = Via::new("UDP", Host::V6("2001:db8::1".parse().unwrap()), Some(5060));
        let from = NameAddr::new(uri.clone()).with_display(Some(&display)).with_tag(&tag);
        request.headers.push(HeaderName::VIA, via.to_string());
        request.headers.push(HeaderName::FROM, from.to_string());
        request.headers.push(HeaderName::TO, NameAddr::new(uri).to_string());
        request.headers.push(HeaderName::CALL_ID, "x");
        request.headers.push(HeaderName::CSEQ, CSeq { number, method }.to_string());
        for (name, value) in fields {
            // A prefix, so that none of the fields with a grammar of its own is met.
            request.headers.push(HeaderName::parse(&format!("X-{name}")).unwrap(), value);
        }
        request.body = body;
        let read = Message::parse(&request.to_bytes());
        prop_assert_eq!(&read, &Ok(Message::Request(request)));
        let headers = read.unwrap().headers().clone();
        prop_assert_eq!(headers.from().unwrap(), from);
        let to = headers.to().unwrap();
        prop_assert_eq!(to.uri.user().unwrap(), user);
    }
}
