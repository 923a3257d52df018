//! Session descriptions of a peer: as offer and as answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tipring::media::{Codec, Direction};
use tipring::sip::sdp::{MediaCapabilities, Session};

fuzz_target!(|bytes: &[u8]| {
    let capabilities = MediaCapabilities {
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        telephone_event: true,
        packet_time_ms: 20,
        address: std::net::IpAddr::from([192, 0, 2, 1]),
        rtp_port: 16384,
        rtcp_mux: false,
    };
    let _ = Session::new(1).answer(&capabilities, bytes, Direction::SendReceive);
    let mut caller = Session::new(2);
    caller.offer(&capabilities, Direction::SendReceive);
    let _ = caller.accept_answer(&capabilities, bytes);
});
