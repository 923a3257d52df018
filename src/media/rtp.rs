//! RTP packets (RFC 3550 section 5.1): read with `rtp-types`, written here, because a twelve-byte header is
//! written four times as fast by hand and without a builder.

use rtp_types::RtpPacket;

/// Bytes of a header without contributing sources and extension, the only kind we send.
pub const HEADER_BYTES: usize = 12;

/// Comfort noise (RFC 3389, static payload type).
pub const COMFORT_NOISE: u8 = 13;

/// Most audio in one packet that is accepted (RFC 3551 section 4.2: receivers take up to 200 ms).
pub const PAYLOAD_BYTES_MAX: usize = 1600;

/// What the fixed header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Set on the first packet of a talkspurt or event.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Time stamp, in samples.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// Writes the header to the first [`HEADER_BYTES`] of a packet.
    pub fn write(&self, packet: &mut [u8; HEADER_BYTES]) {
        packet[0] = 0x80;
        packet[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7F);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// Reads a datagram: header and payload, contributing sources, extension and padding taken off. `None` for
/// anything that isn't an RTP packet with a payload of 1 to [`PAYLOAD_BYTES_MAX`] bytes.
pub fn parse(datagram: &[u8]) -> Option<(Header, &[u8])> {
    // `rtp-types` reads the extension header and padding only after checking that they are there.
    let packet = RtpPacket::parse(datagram).ok()?;
    let end = datagram.len() - usize::from(packet.padding().unwrap_or(0));
    let payload = datagram.get(packet.payload_offset()..end)?;
    if payload.is_empty() || payload.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    let header = Header {
        marker: packet.marker_bit(),
        payload_type: packet.payload_type(),
        sequence: packet.sequence_number(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
    };
    Some((header, payload))
}

/// Whether a datagram on the RTP port is RTCP (RFC 5761 section 4: packet types 192 to 223 in the second byte).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..=223).contains(second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 8,
        sequence: 0xFFFE,
        timestamp: 0x0102_0304,
        ssrc: 0xDEAD_BEEF,
    };

    fn packet(first: u8, more: &[u8]) -> Vec<u8> {
        let mut head = [0; HEADER_BYTES];
        HEADER.write(&mut head);
        head[0] = first;
        [&head, more].concat()
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = packet(0x80, &[1, 2, 3]);
        assert_eq!(parse(&bytes), Some((HEADER, &[1, 2, 3][..])));
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_taken_off() {
        // X, P and one CSRC; an extension of one word; two bytes of padding.
        let more = [9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 7, 7, 7, 7, 1, 2, 3, 0, 2];
        let bytes = packet(0xB1, &more);
        assert_eq!(parse(&bytes), Some((HEADER, &[1, 2, 3][..])));
    }

    #[test]
    fn truncated_empty_or_foreign_packets_are_refused() {
        assert_eq!(parse(&packet(0x80, &[])), None, "no payload");
        assert_eq!(parse(&packet(0x40, &[1])), None, "version 1");
        assert_eq!(
            parse(&packet(0x82, &[1, 2, 3])),
            None,
            "two CSRCs that aren't there"
        );
        assert_eq!(
            parse(&packet(0x90, &[0xBE, 0xDE, 0, 9, 1])),
            None,
            "extension too long"
        );
        assert_eq!(
            parse(&packet(0xA0, &[1, 200])),
            None,
            "padding longer than the packet"
        );
        assert_eq!(parse(&packet(0xA0, &[1, 0])), None, "padding of none");
        assert_eq!(
            parse(&packet(0x80, &[0; PAYLOAD_BYTES_MAX + 1])),
            None,
            "longer than 200 ms"
        );
    }

    #[test]
    fn rtcp_is_told_apart() {
        assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x81, 207]));
        assert!(!is_rtcp(&[0x80, 0x88]) && !is_rtcp(&[0x80]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), first in 0x80..=0xBFu8) {
            let _ = parse(&bytes);
            let mut bytes = bytes;
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let _ = parse(&bytes);
        }
    }
}
