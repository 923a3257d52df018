//! What has to be read of a packet before it is opened (RFC 3550 sections 5.1 and 6.4, RFC 3711 section 3.4).

use super::SrtpError;

/// Fixed part of an RTP header.
const RTP_HEADER_BYTES: usize = 12;
/// Header and source of the first RTCP packet: they stay in the clear.
pub(super) const RTCP_CLEAR_BYTES: usize = 8;
/// The E bit and the index behind an RTCP packet.
pub(super) const RTCP_INDEX_BYTES: usize = 4;
/// Of the SRTCP index: the packet is encrypted.
pub(super) const E_BIT: u32 = 0x8000_0000;

/// Bytes of the RTP header with contributing sources and extension: they stay in the clear.
pub(super) fn rtp_header_bytes(packet: &[u8]) -> Result<usize, SrtpError> {
    let first = *packet.first().ok_or(SrtpError::Malformed)?;
    if first >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    let mut length = RTP_HEADER_BYTES + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        let words = word_at(packet, length)? & 0xFFFF;
        length += 4 + 4 * words as usize;
    }
    if packet.len() < length {
        return Err(SrtpError::Malformed);
    }
    Ok(length)
}

/// Sequence number.
pub(super) fn rtp_sequence(packet: &[u8]) -> Result<u16, SrtpError> {
    Ok(word_at(packet, 0)? as u16)
}

/// Synchronisation source of an RTP packet.
pub(super) fn rtp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    word_at(packet, 8)
}

/// Synchronisation source of the first packet of a compound one.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    if packet.first().is_none_or(|first| first >> 6 != 2) {
        return Err(SrtpError::Malformed);
    }
    word_at(packet, 4)
}

/// Four bytes of a packet, as a number.
pub(super) fn word_at(packet: &[u8], at: usize) -> Result<u32, SrtpError> {
    let bytes = packet.get(at..).and_then(<[u8]>::first_chunk);
    bytes
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or(SrtpError::Malformed)
}
