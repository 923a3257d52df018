//! The crooked messages of RFC 4475 and RFC 5118, each with the verdict it must get.

use super::*;

const RFC4475: &str = include_str!("../../../tests/data/sip/rfc4475.txt");
const RFC5118: &str = include_str!("../../../tests/data/sip/rfc5118.txt");

/// One of the messages.
pub(crate) struct Torture {
    pub name: String,
    /// Of its RFC.
    pub section: String,
    /// What the parser must make of it.
    pub parsed: String,
    /// What a user agent may do about it, by the RFC.
    pub answer: String,
    pub bytes: Vec<u8>,
}

/// All of them.
pub(crate) fn messages() -> Vec<Torture> {
    [RFC4475, RFC5118]
        .iter()
        .flat_map(|file| file.split("\n=== ").skip(1))
        .map(read)
        .collect()
}

fn read(section: &str) -> Torture {
    let (title, text) = section.split_once('\n').unwrap();
    let words: Vec<&str> = title.split(' ').collect();
    let [name, number, parsed, answer] = words[..] else {
        panic!("{title}")
    };
    // A comment before the next section belongs to that.
    let text = text.split("\n# ").next().unwrap();
    // The line break before what follows went with the splitting.
    let mut bytes = expand(&format!("{text}\n"));
    let body = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let length = format!(": {}\r\n", bytes.len() - body);
    if let Some(at) = bytes.windows(5).position(|window| window == b": @\r\n") {
        bytes.splice(at..at + 5, length.into_bytes());
    }
    Torture {
        name: name.to_owned(),
        section: number.to_owned(),
        parsed: parsed.to_owned(),
        answer: answer.to_owned(),
        bytes,
    }
}

fn expand(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hex = rest
            .strip_prefix("\\x")
            .and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        let repeated = rest.strip_prefix('{').and_then(|inner| {
            let (count, inner) = inner.split_once(':')?;
            let (word, after) = inner.split_once('}')?;
            Some((count.parse().ok()?, word, after))
        });
        if let Some(byte) = hex {
            bytes.push(byte);
            rest = &rest[4..];
        } else if let Some((count, word, after)) = repeated {
            bytes.extend(word.repeat(count).bytes());
            rest = after;
        } else {
            bytes.extend(
                if c == '\n' {
                    "\r\n".to_owned()
                } else {
                    c.to_string()
                }
                .bytes(),
            );
            rest = &rest[c.len_utf8()..];
        }
    }
    bytes
}

fn verdict(bytes: &[u8]) -> String {
    match Message::parse(bytes) {
        Ok(Message::Request(_)) => "request".to_owned(),
        Ok(Message::Response(_)) => "response".to_owned(),
        Err(ParseError::BadRequest(refused)) => refused.status.to_string(),
        Err(ParseError::Garbage(_)) => "drop".to_owned(),
        Err(ParseError::KeepAlive) => "keep-alive".to_owned(),
    }
}

fn request(name: &str) -> Request {
    let message = messages()
        .into_iter()
        .find(|message| message.name == name)
        .unwrap();
    match Message::parse(&message.bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_message_is_parsed_or_refused_as_it_deserves() {
    let all = messages();
    assert_eq!(all.len(), 49 + 12);
    let wrong: Vec<_> = all
        .iter()
        .filter(|message| verdict(&message.bytes) != message.parsed)
        .map(
            |Torture {
                 name, parsed, bytes, ..
             }| { format!("{name}: {parsed} wanted, {:?}", Message::parse(bytes)) },
        )
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is accepted is accepted again as we print it, and says the same.
#[test]
fn accepted_messages_survive_printing() {
    for Torture { name, bytes, .. } in messages() {
        if let Ok(message) = Message::parse(&bytes) {
            assert_eq!(Message::parse(&message.to_bytes()), Ok(message), "{name}");
        }
    }
}

#[test]
fn the_tortuous_invite_is_understood() {
    let invite = request("wsinv");
    let headers = &invite.headers;
    assert_eq!(headers.to().unwrap().tag().as_deref(), Some("1918181833n"));
    assert_eq!(
        headers.from().unwrap().display.as_deref(),
        Some(r#"J Rosenberg \""#)
    );
    assert_eq!(headers.from().unwrap().tag().as_deref(), Some("98asjd8"));
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(
        headers.cseq(),
        Ok(CSeq {
            number: 9,
            method: Method::Invite
        })
    );
    let vias: Vec<_> = headers.vias().unwrap().iter().map(Via::to_string).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    let route = &headers.routes().unwrap()[0];
    assert!(route.uri.as_sip().unwrap().is_loose_router());
    let contact = headers.contact().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params.value("q").as_deref(), Some("0.33"));
    assert_eq!(headers.first(&HeaderName::SUBJECT).as_deref(), Some(""));
    let own = HeaderName::parse("newfangledheader").unwrap();
    assert_eq!(
        headers.first(&own).as_deref(),
        Some("newfangled value continued newfangled value")
    );
    assert!(invite.body.starts_with(b"v=0\r\n"));
}

#[test]
fn escapes_are_undone_once_and_only_in_uris() {
    let invite = request("esc01");
    assert_eq!(invite.uri.user().as_deref(), Some("sips:user@example.com"));
    assert_eq!(invite.headers.to().unwrap().uri.user().as_deref(), Some("user"));
    assert_eq!(
        invite.headers.from().unwrap().uri.user().as_deref(),
        Some("I have spaces")
    );
    let contact = invite.headers.contact().unwrap();
    assert!(contact.uri.to_string().ends_with("n%61me=v%61lue%25%34%31"));

    let register = request("esc02");
    assert_eq!(register.method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(register.headers.to().unwrap().display.as_deref(), Some("%Z%45"));
    assert_eq!(register.headers.all(&HeaderName::CONTACT).count(), 2);

    let null = request("escnull");
    assert_eq!(
        null.headers.to().unwrap().uri.user().as_deref(),
        Some("null-\0-null")
    );
    let Contacts::List(contacts) = null.headers.contacts().unwrap() else {
        panic!()
    };
    assert!(!contacts[0].uri.equivalent(&contacts[1].uri));
}

/// A signature of 338 bytes of DER, line breaks of either kind within it.
#[test]
fn a_binary_body_is_kept_byte_by_byte() {
    let body = request("mpart01").body;
    assert_eq!(body.len(), 553);
    let der = body.windows(2).position(|pair| pair == b"0\x82").unwrap();
    let length = usize::from(u16::from_be_bytes([body[der + 2], body[der + 3]]));
    let rest = &body[der + 4 + length..];
    assert!(rest.starts_with(b"\r\n--7a9cbec02ceef655--"), "{rest:?}");
}

#[test]
fn only_the_first_of_two_requests_in_a_datagram_counts() {
    let register = request("dblreq");
    assert_eq!(register.method, Method::Register);
    assert!(register.body.is_empty());
}

#[test]
fn parameters_belong_where_the_brackets_say() {
    let contact = |name| request(name).headers.contact().unwrap();
    assert!(contact("cparam01").params.has("unknownparam"));
    assert!(
        !contact("cparam01")
            .uri
            .as_sip()
            .unwrap()
            .params
            .has("unknownparam")
    );
    assert!(
        contact("cparam02")
            .uri
            .as_sip()
            .unwrap()
            .params
            .has("unknownparam")
    );
    assert_eq!(contact("regescrt").uri.as_sip().unwrap().headers.len(), 1);
    assert_eq!(
        request("semiuri").uri.user().as_deref(),
        Some("user;par=u@example.net")
    );
}

#[test]
fn branches_without_anything_behind_the_cookie_are_old_ones() {
    assert_eq!(
        request("badbranch").headers.via_top().unwrap().rfc3261_branch(),
        None
    );
    assert_eq!(request("inv2543").headers.via_top().unwrap().branch(), None);
    let via = request("transports").headers.via_top().unwrap();
    assert_eq!(via.rfc3261_branch().as_deref(), Some("z9hG4bKkdjuw"));
}

#[test]
fn ipv6_hosts_and_ports() {
    let host_port = |name| match request(name).uri {
        Uri::Sip(uri) => (uri.host.to_string(), uri.port),
        other => panic!("{other:?}"),
    };
    assert_eq!(host_port("port-ambiguous"), ("[2001:db8::10:5070]".into(), None));
    assert_eq!(
        host_port("port-unambiguous"),
        ("[2001:db8::10]".into(), Some(5070))
    );
    assert_eq!(
        host_port("ipv6-bug-abnf-3-colons"),
        ("[2001:db8::c000:201]".into(), None)
    );
    assert_eq!(
        host_port("ipv6-correct-abnf-2-colons"),
        host_port("ipv6-bug-abnf-3-colons")
    );
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let via = request(name).headers.via_top().unwrap();
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok(), "{name}");
    }
}
