//! Writing our own descriptions.

use super::description::Stream;
use super::{MediaCapabilities, Origin};
use crate::media::{Codec, Direction};
use std::fmt::Write;
use std::net::IpAddr;

/// A stream in a description of ours.
pub(super) enum Line<'a> {
    /// Our audio.
    Audio {
        transport: &'a str,
        /// Codecs and their payload types.
        codecs: &'a [(Codec, u8)],
        telephone_event: Option<u8>,
        packet_time_ms: u8,
        direction: Direction,
        rtcp_mux: bool,
        /// Attributes of ICE and of RTCP's address.
        reach: &'a str,
        /// Further attributes, without `a=`.
        security: &'a [String],
    },
    /// A stream of the offer that we refuse.
    Refused(&'a Stream),
}

/// The whole description. Writing to a String cannot fail, so results are passed over.
pub(super) fn write(capabilities: &MediaCapabilities, origin: Origin, lines: &[Line<'_>]) -> Vec<u8> {
    let address = match capabilities.address {
        IpAddr::V4(address) => format!("IN IP4 {address}"),
        IpAddr::V6(address) => format!("IN IP6 {address}"),
    };
    // A name of one character: an empty one or a space alone offends some parsers.
    let mut text = format!(
        "v=0\r\no=- {} {} {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n",
        origin.id, origin.version
    );
    for line in lines {
        write_stream(&mut text, capabilities, line);
    }
    text.into_bytes()
}

fn write_stream(text: &mut String, capabilities: &MediaCapabilities, line: &Line<'_>) {
    match line {
        Line::Refused(stream) => {
            // Kind, transport and formats as offered (RFC 3264 section 6).
            let _ = write!(text, "m={} 0 {}", stream.kind, stream.transport);
            stream.formats.iter().for_each(|format| {
                let _ = write!(text, " {format}");
            });
            text.push_str("\r\n");
        }
        Line::Audio {
            transport,
            codecs,
            telephone_event,
            packet_time_ms,
            direction,
            rtcp_mux,
            reach,
            security,
        } => {
            let _ = write!(text, "m=audio {} {transport}", capabilities.rtp_port);
            let numbers = codecs.iter().map(|(_, number)| *number).chain(*telephone_event);
            numbers.for_each(|number| {
                let _ = write!(text, " {number}");
            });
            text.push_str("\r\n");
            for (codec, number) in *codecs {
                let _ = write!(text, "a=rtpmap:{number} {}/8000\r\n", encoding_name(*codec));
            }
            if let Some(number) = telephone_event {
                // Events 0-15: the keys of a telephone (RFC 4733 section 3.2).
                let _ = write!(
                    text,
                    "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n"
                );
            }
            let _ = write!(text, "a=ptime:{packet_time_ms}\r\n");
            if *rtcp_mux {
                text.push_str("a=rtcp-mux\r\n");
            }
            text.push_str(reach);
            for attribute in *security {
                let _ = write!(text, "a={attribute}\r\n");
            }
            let _ = write!(text, "a={}\r\n", direction_name(*direction));
        }
    }
}

/// The name in `rtpmap` (RFC 3551).
pub(super) const fn encoding_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcma => "PCMA",
        Codec::Pcmu => "PCMU",
    }
}

/// The payload type that means the codec without `rtpmap` (RFC 3551 table 4).
pub(super) const fn static_payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcma => 8,
        Codec::Pcmu => 0,
    }
}

const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::SendReceive => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::ReceiveOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}
