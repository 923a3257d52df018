use super::*;
use crate::sip::message::{Method, Uri};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn headers(lines: &[(&HeaderName, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in lines {
        headers.push((*name).clone(), *value);
    }
    headers
}

fn asked(value: &str) -> Headers {
    headers(&[(&HeaderName::WWW_AUTHENTICATE, value)])
}

fn register() -> Request {
    Request::new(Method::Register, Uri::parse("sip:example.com").unwrap())
}

/// The value of one parameter of the credentials in a request.
fn sent(request: &Request, name: &str) -> Option<String> {
    let value = request.headers.first(&HeaderName::AUTHORIZATION)?;
    let (_, rest) = value.split_once(&format!("{name}="))?;
    let end = rest.find(',').unwrap_or(rest.len());
    Some(rest[..end].trim_matches('"').to_owned())
}

struct Peer {
    authenticator: Authenticator,
    rng: StdRng,
    password: SecretString,
}

impl Peer {
    fn new() -> Self {
        Self {
            authenticator: Authenticator::new(),
            rng: StdRng::seed_from_u64(1),
            password: SecretString::from("secret"),
        }
    }

    fn authorize(&mut self, request: &mut Request) {
        let credentials = Credentials {
            username: "6001",
            password: &self.password,
        };
        self.authenticator.authorize(request, credentials, &mut self.rng);
    }

    /// Answers a challenge to `request` and sends it again.
    fn retry(&mut self, request: &mut Request, response: &Headers) -> Result<(), DigestError> {
        self.authenticator.challenged(request, response)?;
        self.authorize(request);
        Ok(())
    }
}

fn respond(server: &str, user: &str, password: &str, input: &hash::Input<'_>) -> String {
    let password = SecretString::from(password);
    let challenge = Challenge::all(&asked(server)).remove(0);
    authorization(
        &challenge,
        Credentials {
            username: user,
            password: &password,
        },
        input,
    )
}

/// RFC 2617 section 3.5.
#[test]
fn vector_of_rfc_2617() {
    let value = respond(
        r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        "Mufasa",
        "Circle Of Life",
        &hash::Input {
            method: "GET",
            uri: "/dir/index.html",
            body: b"",
            cnonce: "0a4f113b",
            count: 1,
        },
    );
    assert_eq!(
        value,
        r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41", qop=auth, cnonce="0a4f113b", nc=00000001"#
    );
}

/// RFC 7616 section 3.9.1.
#[test]
fn vectors_of_rfc_7616() {
    let expected = [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ];
    for (algorithm, response) in expected {
        let value = respond(
            &format!(
                r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
            ),
            "Mufasa",
            "Circle of Life",
            &hash::Input {
                method: "GET",
                uri: "/dir/index.html",
                body: b"",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                count: 1,
            },
        );
        assert!(value.contains(&format!("response=\"{response}\"")), "{value}");
        assert!(value.contains(&format!("algorithm={algorithm},")), "{value}");
    }
}

/// RFC 2069 as its erratum 749 corrects it: no qop, no cnonce.
#[test]
fn servers_without_qop() {
    let value = respond(
        r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        "Mufasa",
        "CircleOfLife",
        &hash::Input {
            method: "GET",
            uri: "/dir/index.html",
            body: b"",
            cnonce: "unused",
            count: 1,
        },
    );
    assert!(
        value.contains(r#"response="1949323746fe6a43ef61f9606e7febea""#),
        "{value}"
    );
    assert!(
        !value.contains("cnonce") && !value.contains("nc=") && !value.contains("qop"),
        "{value}"
    );
}

/// The arithmetic of the variants, done here step by step with the hash functions alone.
#[test]
fn session_keys_and_body_protection() {
    use md5::Md5;
    use sha2::{Digest, Sha512_256};
    let md5 = |text: String| hash::hex(&Md5::digest(text));
    let sha = |text: String| hash::hex(&Sha512_256::digest(text));
    let input = hash::Input {
        method: "INVITE",
        uri: "sip:b@h",
        body: b"v=0\r\n",
        cnonce: "c",
        count: 0x1f,
    };

    let ha1 = md5(format!("{}:n:c", md5("u:r:p".into())));
    let wanted = md5(format!(
        "{ha1}:n:0000001f:c:auth:{}",
        md5("INVITE:sip:b@h".into())
    ));
    let value = respond(
        r#"Digest realm="r",nonce="n",qop="auth",algorithm=MD5-sess"#,
        "u",
        "p",
        &input,
    );
    assert!(value.contains(&format!("response=\"{wanted}\"")), "{value}");
    assert!(value.contains("nc=0000001f"), "{value}");

    let ha2 = sha(format!("INVITE:sip:b@h:{}", sha("v=0\r\n".into())));
    let wanted = sha(format!("{}:n:0000001f:c:auth-int:{ha2}", sha("u:r:p".into())));
    let value = respond(
        r#"Digest realm="r",nonce="n",qop="auth-int",algorithm=SHA-512-256"#,
        "u",
        "p",
        &input,
    );
    assert!(value.contains(&format!("response=\"{wanted}\"")), "{value}");
}

#[test]
fn challenges_as_servers_write_them() {
    let lines = headers(&[
        (&HeaderName::WWW_AUTHENTICATE, r#"NTLM realm="x", targetname="y""#),
        (
            &HeaderName::WWW_AUTHENTICATE,
            r#"digest  Realm = "a, b" ,nonce=unquoted,QOP=auth,stale="TRUE", algorithm="md5""#,
        ),
        (
            &HeaderName::PROXY_AUTHENTICATE,
            r#"Digest realm="p",nonce="1",qop="auth,auth-int", Digest realm="q", nonce="2""#,
        ),
        (&HeaderName::WWW_AUTHENTICATE, r#"Digest realm="no nonce""#),
    ]);
    let challenges = Challenge::all(&lines);
    assert_eq!(challenges.len(), 3);
    let first = &challenges[0];
    assert_eq!(
        (first.realm.as_str(), first.nonce.as_str(), first.stale),
        ("a, b", "unquoted", true)
    );
    assert_eq!(
        first.algorithm,
        Some(Algorithm {
            function: HashFunction::Md5,
            session: false
        })
    );
    assert_eq!(first.qops, Some(vec![Qop::Auth]));
    assert_eq!(challenges[1].target, Target::Proxy);
    assert_eq!(challenges[1].qops, Some(vec![Qop::Auth, Qop::AuthInt]));
    assert_eq!(
        (challenges[2].realm.as_str(), challenges[2].qops.clone()),
        ("q", None)
    );
}

#[test]
fn the_strongest_known_algorithm_is_taken_and_md5_where_nothing_else_is() {
    let offered = |names: &[&str]| {
        let mut response = Headers::new();
        for name in names {
            let value = format!(r#"Digest realm="r", nonce="{name}", qop="auth", algorithm={name}"#);
            response.push(HeaderName::WWW_AUTHENTICATE, value);
        }
        let (mut peer, mut request) = (Peer::new(), register());
        peer.retry(&mut request, &response)
            .map(|()| sent(&request, "algorithm").unwrap())
    };
    assert_eq!(offered(&["MD5", "SHA-256", "SHA3-512"]).as_deref(), Ok("SHA-256"));
    assert_eq!(
        offered(&["SHA-256", "SHA-512-256", "MD5"]).as_deref(),
        Ok("SHA-512-256")
    );
    assert_eq!(offered(&["SHA3-512", "MD5"]).as_deref(), Ok("MD5"));
    assert_eq!(offered(&["MD5-sess"]).as_deref(), Ok("MD5-sess"));
    assert_eq!(
        offered(&["MD5", "MD5-sess"]).as_deref(),
        Ok("MD5"),
        "the server's first among equals"
    );
    assert_eq!(
        offered(&["SHA3-512"]),
        Err(DigestError::Unsupported { realm: "r".into() })
    );
    assert_eq!(offered(&[]), Err(DigestError::NoChallenge));
}

#[test]
fn unknown_qualities_of_protection_are_passed_over() {
    let (mut peer, mut request) = (Peer::new(), register());
    peer.retry(
        &mut request,
        &asked(r#"Digest realm="r", nonce="n", qop="auth-conf,auth-int""#),
    )
    .unwrap();
    assert_eq!(sent(&request, "qop").as_deref(), Some("auth-int"));
    let refused = peer.retry(
        &mut register(),
        &asked(r#"Digest realm="r", nonce="n", qop="auth-conf""#),
    );
    assert_eq!(refused, Err(DigestError::Unsupported { realm: "r".into() }));
}

/// rsipstack and ezk met this with silence and with 8,799 requests in 3 s.
#[test]
fn a_wrong_password_is_tried_once_however_fresh_the_nonces() {
    let (mut peer, mut request) = (Peer::new(), register());
    peer.retry(&mut request, &asked(r#"Digest realm="r", nonce="1", qop="auth""#))
        .unwrap();
    let again = peer.retry(&mut request, &asked(r#"Digest realm="r", nonce="2", qop="auth""#));
    assert_eq!(again, Err(DigestError::Refused { realm: "r".into() }));
    // The same without qop, where no count is sent.
    let (mut peer, mut request) = (Peer::new(), register());
    peer.retry(&mut request, &asked(r#"Digest realm="r", nonce="1""#))
        .unwrap();
    let again = peer.retry(&mut request, &asked(r#"Digest realm="r", nonce="2""#));
    assert_eq!(again, Err(DigestError::Refused { realm: "r".into() }));
}

#[test]
fn a_nonce_that_ran_out_is_replaced_with_stale_or_without() {
    for stale in ["", ", stale=true"] {
        let (mut peer, mut first) = (Peer::new(), register());
        peer.retry(&mut first, &asked(r#"Digest realm="r", nonce="1", qop="auth""#))
            .unwrap();
        let mut later = register();
        peer.authorize(&mut later);
        assert_eq!(sent(&later, "nc").as_deref(), Some("00000002"));
        assert_eq!(sent(&later, "cnonce"), sent(&first, "cnonce"));
        peer.retry(
            &mut later,
            &asked(&format!(r#"Digest realm="r", nonce="2", qop="auth"{stale}"#)),
        )
        .unwrap();
        assert_eq!(sent(&later, "nc").as_deref(), Some("00000001"));
        assert_eq!(sent(&later, "nonce").as_deref(), Some("2"));
    }
}

#[test]
fn a_server_that_finds_every_nonce_stale_is_given_up() {
    let (mut peer, mut request) = (Peer::new(), register());
    let stale = asked(r#"Digest realm="r", nonce="n", qop="auth", stale=true"#);
    let tries = (0..20)
        .take_while(|_| peer.retry(&mut request, &stale).is_ok())
        .count();
    assert_eq!(tries, 1 + usize::from(MOST_STALE));
}

#[test]
fn a_proxy_and_then_the_registrar() {
    let (mut peer, mut request) = (Peer::new(), register());
    let proxy = headers(&[(
        &HeaderName::PROXY_AUTHENTICATE,
        r#"Digest realm="p", nonce="1", qop="auth""#,
    )]);
    peer.retry(&mut request, &proxy).unwrap();
    assert!(request.headers.has(&HeaderName::PROXY_AUTHORIZATION));
    peer.retry(&mut request, &asked(r#"Digest realm="r", nonce="2", qop="auth""#))
        .unwrap();
    assert_eq!(request.headers.lines(&HeaderName::PROXY_AUTHORIZATION).count(), 1);
    assert_eq!(request.headers.lines(&HeaderName::AUTHORIZATION).count(), 1);
}

#[test]
fn the_next_nonce_is_taken_from_the_answer() {
    let (mut peer, mut request) = (Peer::new(), register());
    peer.retry(&mut request, &asked(r#"Digest realm="r", nonce="1", qop="auth""#))
        .unwrap();
    peer.authenticator.accepted(&headers(&[(
        &HeaderName::AUTHENTICATION_INFO,
        r#"qop=auth, nextnonce="9""#,
    )]));
    peer.authorize(&mut request);
    assert_eq!(sent(&request, "nonce").as_deref(), Some("9"));
    assert_eq!(sent(&request, "nc").as_deref(), Some("00000001"));
}

#[test]
fn passwords_are_not_printed() {
    let peer = Peer::new();
    let credentials = Credentials {
        username: "6001",
        password: &peer.password,
    };
    let (mut authenticator, mut rng) = (Authenticator::new(), StdRng::seed_from_u64(2));
    let mut request = register();
    authenticator
        .challenged(&request, &asked(r#"Digest realm="r", nonce="1""#))
        .unwrap();
    authenticator.authorize(&mut request, credentials, &mut rng);
    let printed = format!("{credentials:?} {authenticator:?} {request:?}");
    assert!(
        printed.contains("6001") && !printed.contains("secret"),
        "{printed}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_challenge_is_survived(value in "(Digest )?[ -~\u{e4}]{0,80}", more in r#"(Digest )?(realm|nonce|qop|stale|algorithm)="?[a-z, ]{0,8}"?,?"#) {
        let response = asked(&format!("{value}{more}"));
        let (mut peer, mut request) = (Peer::new(), register());
        let _ = peer.retry(&mut request, &response);
        let _ = peer.retry(&mut request, &response);
    }
}

#[test]
fn md5_is_refused_where_it_is_switched_off() {
    let offered = |algorithms: &[&str]| {
        let mut peer = Peer::new();
        peer.authenticator = Authenticator::without_md5();
        let lines: Vec<String> = algorithms
            .iter()
            .map(|name| format!(r#"Digest realm="r", nonce="n", qop="auth", algorithm={name}"#))
            .collect();
        let lines: Vec<_> = lines
            .iter()
            .map(|line| (&HeaderName::WWW_AUTHENTICATE, line.as_str()))
            .collect();
        let mut request = register();
        peer.retry(&mut request, &headers(&lines))?;
        Ok(sent(&request, "algorithm").unwrap_or_default())
    };
    let unsupported = Err(DigestError::Unsupported { realm: "r".into() });
    assert_eq!(offered(&["MD5", "SHA-256"]).as_deref(), Ok("SHA-256"));
    assert_eq!(offered(&["SHA-512-256-sess"]).as_deref(), Ok("SHA-512-256-sess"));
    assert_eq!(offered(&["MD5"]), unsupported);
    assert_eq!(offered(&["MD5-sess"]), unsupported);
    let mut peer = Peer::new();
    peer.authenticator = Authenticator::without_md5();
    let unnamed = asked(r#"Digest realm="r", nonce="n""#);
    let refused = peer.retry(&mut register(), &unnamed);
    assert_eq!(
        refused,
        Err(DigestError::Unsupported { realm: "r".into() }),
        "no algorithm means MD5"
    );
}
