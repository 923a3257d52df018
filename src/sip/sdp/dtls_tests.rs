use super::security_tests::{ORIGIN, capabilities, description};
use super::*;
use crate::media::dtls::{Fingerprint, Role};

fn ours() -> Fingerprint {
    Fingerprint::of(b"ours")
}

fn theirs() -> Fingerprint {
    Fingerprint::of(b"theirs")
}

/// With a certificate, and the role of the handshake there has been.
fn with_dtls(policy: SrtpPolicy, role: Option<Role>) -> MediaCapabilities {
    let plain = capabilities(policy);
    MediaCapabilities {
        security: Security {
            dtls: Some(LocalDtls {
                fingerprint: ours(),
                role,
                offered: policy == SrtpPolicy::Dtls,
            }),
            ..plain.security.clone()
        },
        ..plain
    }
}

fn stream(transport: &str, attributes: &str) -> String {
    format!("m=audio 4000 {transport} 8\n{attributes}")
}

/// What follows from an offer: our role and our `setup`, or why there is no call.
fn answered(capabilities: &MediaCapabilities, streams: &str) -> String {
    match answer(
        capabilities,
        ORIGIN,
        &description(streams),
        Direction::SendReceive,
    ) {
        Ok((body, negotiated)) => {
            let text = String::from_utf8(body).unwrap();
            let setup = text.lines().find(|line| line.starts_with("a=setup"));
            let own = format!("a=fingerprint:sha-256 {}", ours());
            assert_eq!(text.contains(&own), setup.is_some(), "{text}");
            assert_eq!(negotiated.dtls.is_some(), setup.is_some(), "{text}");
            let role = negotiated.dtls.map(|agreement| agreement.role);
            let keys = negotiated.srtp.map(|keys| keys.local.suite().name());
            format!("{role:?} {setup:?} {keys:?}")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn offers_carry_a_fingerprint_and_leave_the_role_open() {
    let body = offer(&with_dtls(SrtpPolicy::Dtls, None), ORIGIN, Direction::SendReceive);
    let text = String::from_utf8(body).unwrap();
    for line in [
        "m=audio 16384 UDP/TLS/RTP/SAVP 8",
        "a=setup:actpass",
        &format!("a=fingerprint:sha-256 {}", ours()),
        "a=rtcp-mux",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}: {text}");
    }
    assert!(!text.contains("a=crypto"));
    // Nobody else's offers change.
    for policy in [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required] {
        let plain = offer(&capabilities(policy), ORIGIN, Direction::SendReceive);
        assert_eq!(
            offer(&with_dtls(policy, None), ORIGIN, Direction::SendReceive),
            plain
        );
    }
    // Without a certificate it is keys in SIP.
    let body = offer(&capabilities(SrtpPolicy::Dtls), ORIGIN, Direction::SendReceive);
    let required = offer(
        &capabilities(SrtpPolicy::Required),
        ORIGIN,
        Direction::SendReceive,
    );
    assert_eq!(body, required);
}

#[test]
fn what_becomes_of_offers() {
    let fingerprint = format!("a=fingerprint:sha-256 {}\n", theirs());
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi\n";
    let tls = "UDP/TLS/RTP/SAVP";
    let mut table = String::new();
    for (name, streams) in [
        ("actpass", stream(tls, &format!("a=setup:actpass\n{fingerprint}"))),
        ("active", stream(tls, &format!("a=setup:active\n{fingerprint}"))),
        ("passive", stream(tls, &format!("a=setup:passive\n{fingerprint}"))),
        (
            "holdconn",
            stream(tls, &format!("a=setup:holdconn\n{fingerprint}")),
        ),
        ("no setup", stream(tls, &fingerprint)),
        ("no fingerprint", stream(tls, "a=setup:actpass\n")),
        (
            "sha-1 only",
            stream(
                tls,
                "a=setup:actpass\na=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\n",
            ),
        ),
        (
            "with feedback",
            stream("UDP/TLS/RTP/SAVPF", &format!("a=setup:actpass\n{fingerprint}")),
        ),
        (
            "before the first stream",
            format!("a=setup:actpass\n{fingerprint}{}", stream(tls, "")),
        ),
        (
            "in the old profile",
            stream("RTP/SAVPF", &format!("a=setup:actpass\n{fingerprint}")),
        ),
        (
            "beside a key",
            stream("RTP/SAVP", &format!("a=setup:actpass\n{fingerprint}{key}")),
        ),
        (
            "a key in the profile of DTLS",
            stream(tls, &format!("a=setup:actpass\n{fingerprint}{key}")),
        ),
        (
            "beside plain RTP",
            stream("RTP/AVP", &format!("a=setup:actpass\n{fingerprint}")),
        ),
    ] {
        for policy in [
            SrtpPolicy::Off,
            SrtpPolicy::Optional,
            SrtpPolicy::Required,
            SrtpPolicy::Dtls,
        ] {
            let told = answered(&with_dtls(policy, None), &streams);
            table += &format!("{name}, {policy:?}: {told}\n");
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_handshake_there_has_been_keeps_its_roles() {
    let fingerprint = format!("a=fingerprint:sha-256 {}\n", theirs());
    let again = stream("UDP/TLS/RTP/SAVP", &format!("a=setup:actpass\n{fingerprint}"));
    for (role, setup) in [(Role::Client, "active"), (Role::Server, "passive")] {
        let told = answered(&with_dtls(SrtpPolicy::Optional, Some(role)), &again);
        assert_eq!(told, format!("Some({role:?}) Some(\"a=setup:{setup}\") None"),);
    }
}

/// What we make of an answer to our offer.
fn agreed(streams: &str) -> Result<Negotiated, SdpError> {
    let capabilities = with_dtls(SrtpPolicy::Dtls, None);
    let ours = offer(&capabilities, ORIGIN, Direction::SendReceive);
    accept_answer(&capabilities, &ours, &description(streams))
}

#[test]
fn answers_say_who_begins() {
    let fingerprints = format!(
        "a=fingerprint:sha-256 {}\na=fingerprint:md5 00:11\na=fingerprint:SHA-256 {}\n",
        theirs(),
        ours()
    );
    for (setup, role) in [
        ("a=setup:active\n", Role::Server),
        ("a=setup:passive\n", Role::Client),
        ("a=setup:actpass\n", Role::Server),
        ("", Role::Client),
    ] {
        let streams = stream("UDP/TLS/RTP/SAVP", &format!("{setup}{fingerprints}"));
        let agreement = agreed(&streams).unwrap().dtls.unwrap();
        assert_eq!(agreement.role, role, "{setup}");
        assert_eq!(agreement.fingerprints, [theirs(), ours()]);
    }
    let plain = stream("RTP/AVP", "");
    assert_eq!(agreed(&plain), Err(SdpError::Unprotected));
    for none in ["a=setup:holdconn\n", "a=setup:active\n"] {
        let fingerprint = if none.contains("holdconn") {
            &fingerprints
        } else {
            ""
        };
        let streams = stream("UDP/TLS/RTP/SAVP", &format!("{none}{fingerprint}"));
        assert_eq!(agreed(&streams), Err(SdpError::NoHandshake), "{streams}");
    }
}

#[test]
fn rtcp_goes_with_rtp_or_nowhere() {
    let attributes = format!("a=setup:active\na=fingerprint:sha-256 {}\n", theirs());
    let alone = agreed(&stream("UDP/TLS/RTP/SAVP", &format!("{attributes}a=rtcp:4001\n"))).unwrap();
    assert_eq!((alone.rtcp_mux, alone.remote_rtcp.port()), (false, 0));
    let shared = agreed(&stream("UDP/TLS/RTP/SAVP", &format!("{attributes}a=rtcp-mux\n"))).unwrap();
    assert_eq!((shared.rtcp_mux, shared.remote_rtcp.port()), (true, 4000));
}

#[test]
fn two_of_us_agree_on_roles_that_fit() {
    let mine = with_dtls(SrtpPolicy::Dtls, None);
    let yours = with_dtls(SrtpPolicy::Optional, None);
    let (mut caller, mut callee) = (Session::new(34), Session::new(100));
    let offered = caller.offer(&mine, Direction::SendReceive);
    let (reply, there) = callee.answer(&yours, &offered, Direction::SendReceive).unwrap();
    let here = caller.accept_answer(&mine, &reply).unwrap();
    assert!(here.rtcp_mux && there.rtcp_mux);
    assert_eq!(here.dtls.unwrap().role, Role::Server);
    assert_eq!(there.dtls.unwrap().role, Role::Client);
}
