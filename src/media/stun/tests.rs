//! The vectors of RFC 5769, and everything else that can be wrong with a message.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::testing::epoch;

use super::{
    BindingClient, Class, Message, MessageWriter, TransactionId, attribute, is_channel_data, is_stun, method,
};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769 section 2.1.
const REQUEST: &str = "00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
    80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74 00 24 00 04 6e 00 01 ff
    80 29 00 08 93 2f f9 b1 51 26 3b 36 00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
    00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2 80 28 00 04 e5 7a 3b cf";

/// RFC 5769 section 2.2.
const RESPONSE_V4: &str = "01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
    80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20 00 20 00 08 00 01 a1 47 e1 12 a6 43
    00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7 80 28 00 04 c0 7d 4c 96";

/// RFC 5769 section 2.3.
const RESPONSE_V6: &str = "01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
    80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
    00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
    00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41 80 28 00 04 c8 fb 0b 4c";

#[test]
fn the_request_of_rfc_5769_is_read() {
    let request = bytes(REQUEST);
    let message = Message::parse(&request).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Request, method::BINDING)
    );
    assert!(message.is_sealed_with(PASSWORD));
    assert!(!message.is_sealed_with(b"another"));
    let attributes = message.attributes();
    assert_eq!(attributes.text(attribute::USERNAME), Some("evtj:h6vY"));
    assert_eq!(attributes.number_32(attribute::PRIORITY), Some(0x6E00_01FF));
    assert_eq!(
        attributes.number_64(attribute::ICE_CONTROLLED),
        Some(0x932F_F9B1_5126_3B36)
    );
    assert_eq!(attributes.first_unknown(), None);
}

#[test]
fn the_responses_of_rfc_5769_are_read() {
    for (response, address) in [
        (RESPONSE_V4, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let response = bytes(response);
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.class(), Class::Success);
        assert!(message.is_sealed_with(PASSWORD));
        assert_eq!(
            message.attributes().mapped_address(),
            Some(address.parse().unwrap())
        );
    }
}

#[test]
fn one_bit_wrong_anywhere_is_noticed() {
    let request = bytes(REQUEST);
    for bit in 0..request.len() * 8 {
        let mut broken = request.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        // What the fingerprint doesn't see is what makes it no STUN message, or one without a fingerprint.
        let sealed = Message::parse(&broken).is_some_and(|message| message.is_sealed_with(PASSWORD));
        let only_the_fingerprints_type = bit / 8 == request.len() - 8 || bit / 8 == request.len() - 7;
        assert!(!sealed || only_the_fingerprints_type, "bit {bit}");
    }
}

#[test]
fn what_follows_the_integrity_is_left_out() {
    let id = TransactionId([7; 12]);
    let mut sealed = MessageWriter::new(Class::Request, method::BINDING, id)
        .value(attribute::USERNAME, b"mine:yours")
        .seal(b"key")
        .value(attribute::USE_CANDIDATE, &[])
        .finish();
    let message = Message::parse(&sealed).unwrap();
    assert!(message.is_sealed_with(b"key"));
    assert_eq!(message.attributes().value(attribute::USE_CANDIDATE), None);
    sealed.truncate(sealed.len() - 1);
    assert!(Message::parse(&sealed).is_none());
}

#[test]
fn media_and_stun_on_one_port_are_told_apart() {
    assert!(is_stun(&bytes(REQUEST)));
    assert!(!is_stun(&[
        0x80, 8, 0, 1, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    ]));
    assert!(is_channel_data(&[0x40, 0, 0, 0]) && is_channel_data(&[0x4F]) && !is_channel_data(&[0x50]));
}

fn server() -> SocketAddr {
    "192.0.2.9:3478".parse().unwrap()
}

#[test]
fn a_question_is_asked_seven_times_and_given_up() {
    let start = epoch();
    let mut random = StdRng::seed_from_u64(1);
    let mut client = BindingClient::new(start, server(), None, &mut random);
    let mut sent = Vec::new();
    let mut now = start;
    loop {
        while client.poll_transmit().is_some() {
            sent.push(now.duration_since(start).as_millis());
        }
        let Some(due) = client.poll_timeout() else { break };
        now = due;
        client.handle_timeout(now, &mut random);
    }
    // RFC 8489 section 6.2.1.
    assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(now.duration_since(start).as_millis(), 39_500);
    assert!(!client.is_asking() && client.mapped().is_none());
}

#[test]
fn only_the_answer_to_the_question_counts_and_it_is_asked_again() {
    let mut now = epoch();
    let mut random = StdRng::seed_from_u64(1);
    let every = Some(Duration::from_secs(25));
    let mut client = BindingClient::new(now, server(), every, &mut random);
    let answer = |request: &[u8], port| {
        let id = Message::parse(request).unwrap().transaction();
        let mapped = SocketAddr::from(([203, 0, 113, 1], port));
        MessageWriter::new(Class::Success, method::BINDING, id)
            .xor_address(attribute::XOR_MAPPED_ADDRESS, mapped)
            .finish()
    };
    let request = client.poll_transmit().unwrap();
    let mut forged = answer(&request, 666);
    forged[19] ^= 1;
    assert!(!client.handle_message(now, &Message::parse(&forged).unwrap()));
    assert!(client.handle_message(now, &Message::parse(&answer(&request, 40_000)).unwrap()));
    assert_eq!(client.mapped().unwrap().port(), 40_000);
    now += Duration::from_secs(25);
    assert_eq!(client.poll_timeout(), Some(now));
    client.handle_timeout(now, &mut random);
    let again = client.poll_transmit().unwrap();
    assert_ne!(again, request, "a transaction of its own");
    client.handle_message(now, &Message::parse(&answer(&again, 40_001)).unwrap());
    assert_eq!(client.mapped().unwrap().port(), 40_001, "the mapping has changed");
}

proptest! {
    #[test]
    fn nothing_that_arrives_panics(mut datagram in prop::collection::vec(any::<u8>(), 0..300)) {
        super::fuzz(&datagram);
        if datagram.len() >= 20 {
            let length = ((datagram.len() - 20) / 4 * 4) as u16;
            datagram.truncate(20 + usize::from(length));
            datagram[0] &= 3;
            datagram[2..4].copy_from_slice(&length.to_be_bytes());
            datagram[4..8].copy_from_slice(&super::MAGIC_COOKIE);
            super::fuzz(&datagram);
        }
    }

    #[test]
    fn what_is_written_is_read(port: u16, host: [u8; 16], class in 0..4_u8, method in 0..0x100_u16) {
        let class = [Class::Request, Class::Indication, Class::Success, Class::Error][usize::from(class)];
        let address = SocketAddr::from((host, port));
        let written = MessageWriter::new(class, method, TransactionId([9; 12]))
            .xor_address(attribute::XOR_PEER_ADDRESS, address)
            .error(487, "Role Conflict")
            .seal(b"k")
            .fingerprint()
            .finish();
        let message = Message::parse(&written).unwrap();
        prop_assert_eq!((message.class(), message.method()), (class, method));
        prop_assert!(message.is_sealed_with(b"k"));
        prop_assert_eq!(message.attributes().xor_address(attribute::XOR_PEER_ADDRESS), Some(address));
        prop_assert_eq!(message.attributes().error(), Some(487));
    }
}
