//! The far end of the call, on RTP: hears what the line says, and says it back.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use tipring::dsp::g711::{self, Law};

const RTP_HEADER_BYTES: usize = 12;

/// A running far end.
pub struct Peer {
    pub address: SocketAddr,
    packets: mpsc::Receiver<Vec<i16>>,
}

impl Peer {
    /// One that says back what it hears, or is silent.
    pub fn start(echo: bool) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let address = socket.local_addr().expect("bound");
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .expect("a socket");
        let (heard, packets) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                // RTCP comes to the same port (RFC 5761 tells them apart).
                if (192..=223).contains(&bytes[1]) {
                    continue;
                }
                if echo {
                    let _ = socket.send_to(&bytes[..length], from);
                }
                let payload = &bytes[RTP_HEADER_BYTES.min(length)..length];
                let mut samples = vec![0; payload.len()];
                g711::decode(Law::A, payload, &mut samples);
                if heard.send(samples).is_err() {
                    return;
                }
            }
        });
        Self { address, packets }
    }

    /// What it has heard since it was asked last.
    pub fn heard(&self) -> Vec<i16> {
        self.packets.try_iter().flatten().collect()
    }
}
