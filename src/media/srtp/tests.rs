use super::transform::{Protocol, Transform, keystream};
use super::*;
use aes::cipher::KeyInit;
use aes::{Aes128, Aes256};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const OFFSET: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000";

fn block(number: u16) -> [u8; 16] {
    let mut block: [u8; 16] = unhex(OFFSET).try_into().unwrap();
    block[14..].copy_from_slice(&number.to_be_bytes());
    block
}

/// RFC 3711 B.2: the keystream's beginning, and its end, where the counter is about to leave its 16 bits.
#[test]
fn rfc_3711_b_2_keystream_of_aes_128() {
    let cipher = Aes128::new_from_slice(&unhex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
    let mut first = [0; 48];
    keystream(&cipher, &block(0), &mut first);
    assert_eq!(
        hex(&first),
        "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"
    );
    let mut last = [0; 48];
    keystream(&cipher, &block(0xFEFF), &mut last);
    assert_eq!(
        hex(&last),
        "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44"
    );
}

/// RFC 6188 7.1.
#[test]
fn rfc_6188_7_1_keystream_of_aes_256() {
    let key = "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98";
    let cipher = Aes256::new_from_slice(&unhex(key)).unwrap();
    let mut first = [0; 48];
    keystream(&cipher, &block(0), &mut first);
    assert_eq!(
        hex(&first),
        "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31"
    );
}

fn derived(suite: Suite, key: &str, salt: &str) -> [String; 3] {
    let master = MasterKey::new(suite, &unhex(&format!("{key}{salt}"))).unwrap();
    let derive = |label, bytes: usize| {
        let mut out = vec![0; bytes];
        master.derive(label, &mut out);
        hex(&out)
    };
    [
        derive(key::Label::RtpEncryption, suite.key_bytes()),
        derive(key::Label::RtpSalt, suite.salt_bytes()),
        derive(key::Label::RtpAuthentication, 20),
    ]
}

const KEY_128: &str = "e1f97a0d3e018be0d64fa32c06de4139";
const SALT_128: &str = "0ec675ad498afeebb6960b3aabe6";
const KEY_256: &str = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6";
const SALT_256: &str = "3b04803de51ee7c96423ab5b78d2";

/// RFC 3711 B.3.
#[test]
fn rfc_3711_b_3_key_derivation() {
    assert_eq!(
        derived(Suite::AesCm128HmacSha1_80, KEY_128, SALT_128),
        [
            "c61e7a93744f39ee10734afe3ff7a087",
            "30cbbc08863d8c85d49db34a9ae1",
            "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
        ]
    );
}

/// RFC 6188 7.2.
#[test]
fn rfc_6188_7_2_key_derivation() {
    assert_eq!(
        derived(Suite::Aes256CmHmacSha1_80, KEY_256, SALT_256),
        [
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        ]
    );
}

/// A salt of 96 bits; the expected value is what `openssl enc -aes-128-ctr` makes of the counter block.
#[test]
fn key_derivation_with_the_shorter_salt_of_gcm() {
    let [key, ..] = derived(
        Suite::AeadAes128Gcm,
        "000102030405060708090a0b0c0d0e0f",
        "a0a1a2a3a4a5a6a7a8a9aaab",
    );
    assert_eq!(key, "077c6143cb221bc355ff23d5f984a16e");
}

fn master(suite: Suite, seed: u64) -> MasterKey {
    MasterKey::random(suite, &mut StdRng::seed_from_u64(seed))
}

fn check_rtp(mut outbound: Outbound, mut inbound: Inbound, plain: &str, sealed: &str) {
    let plain = unhex(plain);
    let mut buffer = [plain.clone(), vec![0; EXPANSION_BYTES_MAX]].concat();
    let length = outbound.protect_rtp(&mut buffer, plain.len()).unwrap();
    assert_eq!(hex(&buffer[..length]), sealed);
    let mut packet = unhex(sealed);
    assert_eq!(inbound.unprotect_rtp(&mut packet), Ok(plain.len()));
    assert_eq!(hex(&packet[..plain.len()]), hex(&plain));
}

fn check_rtcp(mut outbound: Outbound, mut inbound: Inbound, plain: &str, sealed: &str) {
    let plain = unhex(plain);
    let mut buffer = [plain.clone(), vec![0; EXPANSION_BYTES_MAX]].concat();
    let length = outbound.protect_rtcp(&mut buffer, plain.len()).unwrap();
    assert_eq!(hex(&buffer[..length]), sealed);
    let mut packet = unhex(sealed);
    assert_eq!(inbound.unprotect_rtcp(&mut packet), Ok(plain.len()));
    assert_eq!(hex(&packet[..plain.len()]), hex(&plain));
}

fn of_rfc_3711(suite: Suite, key: &str, salt: &str) -> (Outbound, Inbound) {
    let master = MasterKey::new(suite, &unhex(&format!("{key}{salt}"))).unwrap();
    (Outbound::new(&master), Inbound::new(&master, 0))
}

const PLAIN_RTP: &str = "800f1234decafbadcafebabeabababababababababababababababab";

/// Whole packets as libsrtp makes them of the RFCs' keys.
#[test]
fn packets_of_libsrtp_in_counter_mode() {
    let (outbound, inbound) = of_rfc_3711(Suite::AesCm128HmacSha1_80, KEY_128, SALT_128);
    check_rtp(
        outbound,
        inbound,
        PLAIN_RTP,
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
    );
    let (outbound, inbound) = of_rfc_3711(Suite::AesCm128HmacSha1_32, KEY_128, SALT_128);
    check_rtp(
        outbound,
        inbound,
        PLAIN_RTP,
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc",
    );
    let (outbound, inbound) = of_rfc_3711(Suite::Aes256CmHmacSha1_80, KEY_256, SALT_256);
    check_rtp(
        outbound,
        inbound,
        PLAIN_RTP,
        "800f1234decafbadcafebabef1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b",
    );
    // Its first SRTCP packet has index 1.
    let (mut outbound, inbound) = of_rfc_3711(Suite::AesCm128HmacSha1_80, KEY_128, SALT_128);
    outbound.set_next_rtcp(1);
    check_rtcp(
        outbound,
        inbound,
        "81c8000bcafebabeabababababababababababababababab",
        "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
    );
}

/// RFC 7714 states its packets with session keys.
fn of_rfc_7714(suite: Suite) -> (Outbound, Inbound) {
    let mut key = [0; 32];
    key.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
    let salt = *b"Quid pro quo\0\0";
    let transform = |protocol| Transform::from_session_keys(suite, protocol, &key, &[0; 20], &salt);
    let (rtp, rtcp) = (transform(Protocol::Rtp), transform(Protocol::Rtcp));
    let mut outbound = Outbound::from_transforms(suite, rtp.clone(), rtcp.clone());
    outbound.set_next_rtcp(0x5D4);
    (outbound, Inbound::from_transforms(suite, rtp, rtcp))
}

#[test]
fn rfc_7714_16_rtp_packets() {
    let plain = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    let header = "8040f17b8041f8d35501a0b2";
    for (suite, rest) in [
        (
            Suite::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let (outbound, inbound) = of_rfc_7714(suite);
        check_rtp(outbound, inbound, plain, &format!("{header}{rest}"));
    }
}

const PLAIN_RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

#[test]
fn rfc_7714_17_rtcp_packets() {
    for (suite, rest) in [
        (
            Suite::AeadAes128Gcm,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::AeadAes256Gcm,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let (outbound, inbound) = of_rfc_7714(suite);
        check_rtcp(outbound, inbound, PLAIN_RTCP, &format!("81c8000d4d617273{rest}"));
    }
}

#[test]
fn rfc_7714_17_3_tagged_but_not_encrypted() {
    let (_, mut inbound) = of_rfc_7714(Suite::AeadAes128Gcm);
    let mut packet = unhex(&format!("{PLAIN_RTCP}841dd9683dd78ec92ae58790125f62b3000005d4"));
    let length = inbound.unprotect_rtcp(&mut packet).unwrap();
    assert_eq!(hex(&packet[..length]), PLAIN_RTCP);
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let header = [
        &[0x80, 8][..],
        &sequence.to_be_bytes(),
        &[1, 2, 3, 4],
        &ssrc.to_be_bytes(),
    ]
    .concat();
    [header, vec![sequence as u8; 160]].concat()
}

fn protected(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buffer = [packet, &[0; EXPANSION_BYTES_MAX]].concat();
    let length = outbound.protect_rtp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

#[test]
fn a_changed_bit_anywhere_is_noticed_and_the_packet_left_alone() {
    for suite in Suite::ALL {
        let master = master(suite, 1);
        let sealed = protected(&mut Outbound::new(&master), &rtp(7, 9));
        let mut inbound = Inbound::new(&master, 0);
        for at in 0..sealed.len() {
            let mut packet = sealed.clone();
            packet[at] ^= 0x01;
            let forged = packet.clone();
            assert!(inbound.unprotect_rtp(&mut packet).is_err(), "{suite:?} byte {at}");
            assert_eq!(packet, forged);
        }
        assert_eq!(inbound.unprotect_rtp(&mut sealed.clone()), Ok(172), "{suite:?}");
    }
}

#[test]
fn a_flipped_e_bit_does_not_let_rtcp_through() {
    for suite in Suite::ALL {
        let master = master(suite, 1);
        let mut buffer = unhex(PLAIN_RTCP);
        let plain = buffer.len();
        buffer.resize(plain + EXPANSION_BYTES_MAX, 0);
        let length = Outbound::new(&master).protect_rtcp(&mut buffer, plain).unwrap();
        let word = if suite.is_gcm() { length - 4 } else { plain };
        let mut inbound = Inbound::new(&master, 0);
        let mut forged = buffer[..length].to_vec();
        forged[word] ^= 0x80;
        assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(SrtpError::Unauthentic));
        let mut packet = buffer[..length].to_vec();
        assert_eq!(inbound.unprotect_rtcp(&mut packet), Ok(plain));
        let mut again = buffer[..length].to_vec();
        assert_eq!(inbound.unprotect_rtcp(&mut again), Err(SrtpError::Replayed));
    }
}

#[test]
fn other_keys_open_nothing() {
    for suite in Suite::ALL {
        let sealed = protected(&mut Outbound::new(&master(suite, 1)), &rtp(7, 9));
        let mut inbound = Inbound::new(&master(suite, 2), 0);
        assert_eq!(
            inbound.unprotect_rtp(&mut sealed.clone()),
            Err(SrtpError::Unauthentic)
        );
    }
}

#[test]
fn a_master_key_identifier_is_passed_over() {
    for suite in Suite::ALL {
        let master = master(suite, 1);
        let mut sealed = protected(&mut Outbound::new(&master), &rtp(7, 9));
        // Before the tag in counter mode (RFC 3711 section 3.1), behind it in GCM (RFC 7714 section 8.2).
        let at = if suite.is_gcm() { sealed.len() } else { 172 };
        sealed.splice(at..at, [0, 0, 0, 1]);
        assert_eq!(
            Inbound::new(&master, 4).unprotect_rtp(&mut sealed),
            Ok(172),
            "{suite:?}"
        );
    }
}

#[test]
fn sending_on_wraps_and_never_repeats_an_index() {
    let master = master(Suite::AesCm128HmacSha1_80, 1);
    let (mut outbound, mut inbound) = (Outbound::new(&master), Inbound::new(&master, 0));
    for number in 65_530..140_000u32 {
        let packet = rtp(number as u16, 9);
        let mut sealed = protected(&mut outbound, &packet);
        if number % 997 == 0 {
            assert_eq!(inbound.unprotect_rtp(&mut sealed), Ok(172), "{number}");
            assert_eq!(sealed[..172], packet);
        }
    }
    let mut again = [rtp(140_000u32.wrapping_sub(1) as u16, 9), vec![0; 20]].concat();
    assert_eq!(outbound.protect_rtp(&mut again, 172), Err(SrtpError::Replayed));
    let mut short = rtp(140_000u32 as u16, 9);
    assert_eq!(outbound.protect_rtp(&mut short, 172), Err(SrtpError::NoRoom));
}

#[test]
fn a_listener_that_comes_late_finds_the_counter_at_one() {
    for suite in Suite::ALL {
        let master = master(suite, 1);
        let mut outbound = Outbound::new(&master);
        let _lost = protected(&mut outbound, &rtp(0xFFFF, 9));
        let mut heard = protected(&mut outbound, &rtp(0, 9));
        let mut inbound = Inbound::new(&master, 0);
        assert_eq!(inbound.unprotect_rtp(&mut heard), Ok(172), "{suite:?}");
        let mut next = protected(&mut outbound, &rtp(1, 9));
        assert_eq!(inbound.unprotect_rtp(&mut next), Ok(172), "{suite:?}");
    }
}

#[test]
fn a_call_that_was_on_hold_for_an_hour_is_heard_again() {
    for suite in Suite::ALL {
        let master = master(suite, 1);
        let (mut outbound, mut inbound) = (Outbound::new(&master), Inbound::new(&master, 0));
        // Every 10 000th of its packets; heard after pauses of up to 160 000, almost an hour at 20 ms.
        for number in (0..=420_000u32).step_by(10_000) {
            let mut sealed = protected(&mut outbound, &rtp(number as u16, 9));
            if [0, 30_000, 70_000, 140_000, 260_000, 420_000].contains(&number) {
                let opened = inbound.unprotect_rtp(&mut sealed);
                assert_eq!(opened, Ok(172), "{suite:?} {number}");
            }
        }
    }
}

#[test]
fn sources_have_counters_of_their_own() {
    let master = master(Suite::AeadAes128Gcm, 1);
    let mut inbound = Inbound::new(&master, 0);
    for ssrc in [9, 10, 11] {
        let mut outbound = Outbound::new(&master);
        for sequence in [100, 101] {
            let mut sealed = protected(&mut outbound, &rtp(sequence, ssrc));
            assert_eq!(inbound.unprotect_rtp(&mut sealed.clone()), Ok(172));
            assert_eq!(inbound.unprotect_rtp(&mut sealed), Err(SrtpError::Replayed));
        }
    }
}

#[test]
fn keys_cannot_be_printed() {
    let master = MasterKey::new(Suite::AesCm128HmacSha1_80, &[0xA5; 30]).unwrap();
    let keys = SrtpKeys {
        local: master.clone(),
        remote: master,
        remote_mki_bytes: 0,
    };
    let text = format!(
        "{keys:?} {:?} {:?}",
        Outbound::new(&keys.local),
        Inbound::new(&keys.remote, 0)
    );
    assert!(
        !text.contains("165") && !text.to_lowercase().contains("a5"),
        "{text}"
    );
    assert!(
        MasterKey::new(Suite::AeadAes128Gcm, &[0; 30]).is_none(),
        "a salt too long"
    );
}

#[test]
fn suites_have_the_names_of_the_registry() {
    for suite in Suite::ALL {
        assert_eq!(Suite::from_name(suite.name()), Some(suite));
        assert_eq!(
            MasterKey::new(suite, &vec![0; suite.material_bytes()])
                .unwrap()
                .suite(),
            suite
        );
    }
    assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
    assert_eq!(Suite::OFFERED[0], Suite::AesCm128HmacSha1_80);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the network does, each packet is heard once at most, as it was said, and all are that come within the
    /// window.
    #[test]
    fn loss_reorder_and_duplication(
        suite in 0..5usize,
        start in prop::sample::select(vec![0u16, 5, 0x7FFF, 0xFFF0, 0xFFFF]),
        fates in prop::collection::vec((0..10u8, 0..60usize, any::<bool>()), 1..200),
    ) {
        let master = master(Suite::ALL[suite], 3);
        let (mut outbound, mut inbound) = (Outbound::new(&master), Inbound::new(&master, 0));
        let mut flying = Vec::new();
        for (number, (luck, delay, twice)) in fates.into_iter().enumerate() {
            let packet = rtp(start.wrapping_add(number as u16), 9);
            let sealed = protected(&mut outbound, &packet);
            if luck == 0 {
                continue;
            }
            flying.push((number + delay, number, packet.clone(), sealed.clone()));
            if twice {
                flying.push((number + delay / 2, number, packet, sealed));
            }
        }
        flying.sort_by_key(|(due, ..)| *due);
        let mut heard = std::collections::BTreeSet::new();
        // Only what precedes the first packet heard may be lost to us: before a wrap its counter would be negative.
        let first = flying.first().map(|(_, number, ..)| *number);
        for (_, number, packet, mut sealed) in flying {
            let opened = inbound.unprotect_rtp(&mut sealed);
            if heard.contains(&number) {
                prop_assert_eq!(opened, Err(SrtpError::Replayed));
            } else if first.is_some_and(|first| number >= first) {
                prop_assert_eq!(opened, Ok(packet.len()));
                prop_assert_eq!(&sealed[..packet.len()], &packet[..]);
                heard.insert(number);
            } else if opened.is_ok() {
                prop_assert_eq!(&sealed[..packet.len()], &packet[..]);
                heard.insert(number);
            }
        }
    }

    #[test]
    fn no_bytes_panic_or_pass(bytes in prop::collection::vec(any::<u8>(), 0..200), first in 0x80..=0xBFu8) {
        fuzz::packet(&bytes);
        let mut bytes = bytes;
        if let Some(byte) = bytes.get_mut(1) {
            *byte = first;
        }
        fuzz::packet(&bytes);
    }
}
