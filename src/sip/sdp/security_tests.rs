use super::*;
use crate::media::srtp::{MasterKey, Suite};

pub(super) const ORIGIN: Origin = Origin { id: 17, version: 17 };

/// A master key whose every byte is this.
fn key(suite: Suite, byte: u8) -> MasterKey {
    MasterKey::new(suite, &vec![byte; suite.material_bytes()]).unwrap()
}

pub(super) fn capabilities(policy: SrtpPolicy) -> MediaCapabilities {
    MediaCapabilities {
        codecs: vec![Codec::Pcma],
        telephone_event: false,
        packet_time_ms: 20,
        address: IpAddr::from([192, 0, 2, 10]),
        rtp_port: 16_384,
        rtcp_mux: false,
        reach: Reach::default(),
        security: Security {
            policy,
            keys: Suite::ALL.into_iter().map(|suite| key(suite, 0x11)).collect(),
            offered: Suite::OFFERED.to_vec(),
            dtls: None,
        },
    }
}

pub(super) fn description(streams: &str) -> Vec<u8> {
    format!("v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{streams}").into_bytes()
}

/// The lines of our streams, and whether they are encrypted.
fn answered(policy: SrtpPolicy, streams: &str) -> String {
    let offer = description(streams);
    match answer(&capabilities(policy), ORIGIN, &offer, Direction::SendReceive) {
        Ok((body, negotiated)) => {
            let text = String::from_utf8(body).unwrap();
            let lines: Vec<_> = text
                .lines()
                .filter(|line| line.starts_with("m=") || line.starts_with("a=crypto"))
                .collect();
            let keys = negotiated.srtp.map(|keys| {
                assert_eq!(keys.local.suite(), keys.remote.suite());
                format!("{} mki {}", keys.remote.suite().name(), keys.remote_mki_bytes)
            });
            format!("{}\n  {}", keys.as_deref().unwrap_or("clear"), lines.join("\n  "))
        }
        Err(error) => error.to_string(),
    }
}

/// Base64 of 30, 46, 28 bytes of 0x22.
const KEY_128: &str = "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi";
const KEY_256: &str = "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIg==";
const KEY_GCM: &str = "IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIg==";

#[test]
fn offers_of_each_policy() {
    let mut shown = String::new();
    for policy in [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required] {
        let body = offer(&capabilities(policy), ORIGIN, Direction::SendReceive);
        let text = String::from_utf8(body).unwrap().replace('\r', "");
        shown += &format!("=== {policy:?}\n{text}");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn answers_of_each_policy() {
    let crypto = format!("a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}\n");
    let streams = [
        ("plain", "m=audio 4000 RTP/AVP 8\n".to_owned()),
        ("plain with a key", format!("m=audio 4000 RTP/AVP 8\n{crypto}")),
        ("encrypted", format!("m=audio 4000 RTP/SAVP 8\n{crypto}")),
        (
            "encrypted with feedback",
            format!("m=audio 4000 RTP/SAVPF 8\n{crypto}"),
        ),
        (
            "encrypted first, then plain",
            format!("m=audio 4000 RTP/SAVP 8\n{crypto}m=audio 4002 RTP/AVP 8\n"),
        ),
        (
            "plain first, then encrypted",
            format!("m=audio 4002 RTP/AVP 8\nm=audio 4000 RTP/SAVP 8\n{crypto}"),
        ),
        ("encrypted without a key", "m=audio 4000 RTP/SAVP 8\n".to_owned()),
        ("by DTLS", "m=audio 4000 UDP/TLS/RTP/SAVP 8\n".to_owned()),
    ];
    let mut table = String::new();
    for (name, streams) in streams {
        for policy in [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required] {
            table += &format!("{name}, {policy:?}: {}\n", answered(policy, &streams));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn lines_as_peers_write_them() {
    let lines = [
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"),
        format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY_128}"),
        format!("000000009 aes_256_cm_hmac_sha1_80 INLINE:{KEY_256}"),
        format!(
            "2 AES_256_CM_HMAC_SHA1_80 inline:{}",
            KEY_256.trim_end_matches('=')
        ),
        format!("3 AEAD_AES_128_GCM inline:{KEY_GCM}"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|2^20|1:4"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|1:4"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|2^31"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|2^20|1:4;inline:{KEY_128}|2^20|2:4"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} WSH=64"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} KDR=0 -FUTURE=1"),
        // And not as they should.
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} UNENCRYPTED_SRTP"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} UNENCRYPTED_SRTCP"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} UNAUTHENTICATED_SRTP"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} KDR=23"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128} FEC_ORDER=FEC_SRTP"),
        format!("1 F8_128_HMAC_SHA1_80 inline:{KEY_128}"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_GCM}"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}|1:128"),
        "1 AES_CM_128_HMAC_SHA1_80 inline:***".to_owned(),
        "1 AES_CM_128_HMAC_SHA1_80 uri:https://example.com/key".to_owned(),
        "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
        format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}"),
        String::new(),
    ];
    let mut table = String::new();
    for line in lines {
        let streams = format!("m=audio 4000 RTP/SAVP 8\na=crypto:{line}\n");
        table += &format!("{line}\n  {}\n", answered(SrtpPolicy::Optional, &streams));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_first_line_that_is_ours_is_taken_with_its_tag() {
    let streams = format!(
        "m=audio 4000 RTP/SAVP 8\na=crypto:1 AES_CM_192_HMAC_SHA1_80 inline:{KEY_128}\n\
         a=crypto:4 AEAD_AES_128_GCM inline:{KEY_GCM}\na=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}\n"
    );
    let offer = description(&streams);
    let (body, negotiated) = answer(
        &capabilities(SrtpPolicy::Required),
        ORIGIN,
        &offer,
        Direction::SendReceive,
    )
    .unwrap();
    let keys = negotiated.srtp.unwrap();
    assert!(keys.local == key(Suite::AeadAes128Gcm, 0x11) && keys.remote == key(Suite::AeadAes128Gcm, 0x22));
    let text = String::from_utf8(body).unwrap();
    let crypto: Vec<_> = text.lines().filter(|line| line.starts_with("a=crypto")).collect();
    // 28 bytes of 0x11.
    assert_eq!(
        crypto,
        ["a=crypto:4 AEAD_AES_128_GCM inline:EREREREREREREREREREREREREREREREREREREQ=="]
    );
}

/// Our offer, and what we make of this answer to it.
fn agreed(policy: SrtpPolicy, streams: &str) -> Result<Option<SrtpKeys>, SdpError> {
    let capabilities = capabilities(policy);
    let ours = offer(&capabilities, ORIGIN, Direction::SendReceive);
    accept_answer(&capabilities, &ours, &description(streams)).map(|negotiated| negotiated.srtp)
}

#[test]
fn answers_choose_a_line_by_its_tag() {
    let chosen = format!("m=audio 4000 RTP/SAVP 8\na=crypto:3 AEAD_AES_128_GCM inline:{KEY_GCM}\n");
    let keys = agreed(SrtpPolicy::Required, &chosen).unwrap().unwrap();
    assert!(keys.local == key(Suite::AeadAes128Gcm, 0x11) && keys.remote == key(Suite::AeadAes128Gcm, 0x22));
    let plain_profile = chosen.replace("SAVP", "AVP");
    assert!(agreed(SrtpPolicy::Optional, &plain_profile).unwrap().is_some());
    assert!(
        agreed(SrtpPolicy::Optional, &chosen).unwrap().is_some(),
        "a peer that corrects the profile"
    );
}

#[test]
fn answers_that_are_none() {
    let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_128}\n");
    let another_tag = line.replace(":1 ", ":9 ");
    let another_suite = line.replace(":1 ", ":2 ");
    let twice = format!("{line}a=crypto:3 AEAD_AES_128_GCM inline:{KEY_GCM}\n");
    for crypto in [another_tag, another_suite, twice] {
        let streams = format!("m=audio 4000 RTP/SAVP 8\n{crypto}");
        assert_eq!(
            agreed(SrtpPolicy::Required, &streams),
            Err(SdpError::NoSuite),
            "{streams}"
        );
    }
    let plain = "m=audio 4000 RTP/AVP 8\n";
    assert_eq!(agreed(SrtpPolicy::Required, plain), Err(SdpError::Unprotected));
    assert_eq!(
        agreed(SrtpPolicy::Required, "m=audio 4000 RTP/SAVP 8\n"),
        Err(SdpError::NoSuite)
    );
    assert_eq!(agreed(SrtpPolicy::Optional, plain), Ok(None));
    assert_eq!(
        agreed(SrtpPolicy::Off, &format!("{plain}{line}")),
        Ok(None),
        "a key nobody asked for"
    );
}

#[test]
fn two_of_us_agree_on_keys_that_fit() {
    let theirs = MediaCapabilities {
        security: Security {
            keys: vec![key(Suite::Aes256CmHmacSha1_80, 0x33)],
            ..capabilities(SrtpPolicy::Optional).security
        },
        ..capabilities(SrtpPolicy::Optional)
    };
    let ours = capabilities(SrtpPolicy::Optional);
    let (mut caller, mut callee) = (Session::new(34), Session::new(100));
    let offered = caller.offer(&ours, Direction::SendReceive);
    let (reply, there) = callee.answer(&theirs, &offered, Direction::SendReceive).unwrap();
    let here = caller.accept_answer(&ours, &reply).unwrap();
    let (here, there) = (here.srtp.unwrap(), there.srtp.unwrap());
    assert!(here.local == there.remote && here.remote == there.local);
    assert_eq!(here.local.suite(), Suite::Aes256CmHmacSha1_80);
}
