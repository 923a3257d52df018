use super::*;

fn capabilities() -> MediaCapabilities {
    MediaCapabilities {
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        telephone_event: true,
        packet_time_ms: 20,
        address: IpAddr::from([192, 0, 2, 10]),
        rtp_port: 16_384,
        rtcp_mux: false,
    }
}

const ORIGIN: Origin = Origin { id: 17, version: 17 };

#[test]
fn two_of_us_agree() {
    let (mut caller, mut callee) = (Session::new(34), Session::new(100));
    let callee_capabilities = MediaCapabilities {
        codecs: vec![Codec::Pcmu],
        address: IpAddr::from([192, 0, 2, 20]),
        rtp_port: 20_000,
        ..capabilities()
    };
    let offered = caller.offer(&capabilities(), Direction::SendReceive);
    let (answered, theirs) = callee
        .answer(&callee_capabilities, &offered, Direction::SendReceive)
        .unwrap();
    let ours = caller.accept_answer(&capabilities(), &answered).unwrap();
    assert_eq!(ours.codec, Codec::Pcmu);
    assert_eq!((ours.payload_type, ours.receive_payload_type), (0, 0));
    assert_eq!(
        (ours.telephone_event, ours.receive_telephone_event),
        (Some(101), Some(101))
    );
    assert_eq!(ours.remote_rtp, "192.0.2.20:20000".parse().unwrap());
    assert_eq!(ours.remote_rtcp, "192.0.2.20:20001".parse().unwrap());
    assert_eq!(theirs.remote_rtp, "192.0.2.10:16384".parse().unwrap());
    assert_eq!(ours.direction, Direction::SendReceive);
}
