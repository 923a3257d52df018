use super::*;
use crate::sip::message::{Method, Uri};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn challenge(value: &str) -> Challenge {
    let mut headers = Headers::new();
    headers.push(HeaderName::WWW_AUTHENTICATE, value);
    Challenge::all(&headers).remove(0)
}

fn response_of(value: &str) -> &str {
    let (_, rest) = value.split_once("response=\"").unwrap();
    rest.split('"').next().unwrap()
}

fn respond(server: &str, user: &str, password: &str, input: &hash::Input<'_>) -> String {
    let password = SecretString::from(password);
    authorization(
        &challenge(server),
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
