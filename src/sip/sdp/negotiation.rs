//! Offer and answer (RFC 3264).

use super::description::{Description, Stream, parse_address};
use super::ice::{self, RemoteIce};
use super::security::Agreed;
use super::writer::{self, Line, encoding_name, static_payload_type};
use super::{MediaCapabilities, Negotiated, Origin, SdpError};
use crate::media::{Codec, Direction};
use std::net::{IpAddr, SocketAddr};

/// Payload type of telephone-events in our offers: what most peers use.
const OFFERED_TELEPHONE_EVENT: u8 = 101;

/// An offer of one audio stream.
pub fn offer(capabilities: &MediaCapabilities, origin: Origin, direction: Direction) -> Vec<u8> {
    let codecs: Vec<_> = capabilities
        .codecs
        .iter()
        .map(|codec| (*codec, static_payload_type(*codec)))
        .collect();
    let audio = Line::Audio {
        transport: capabilities.security.offered_transport(),
        codecs: &codecs,
        telephone_event: capabilities.telephone_event.then_some(OFFERED_TELEPHONE_EVENT),
        packet_time_ms: whole_packets(capabilities.packet_time_ms.into()),
        direction,
        rtcp_mux: capabilities.rtcp_mux || capabilities.security.offers_mux(),
        reach: &ice::offered(&capabilities.reach),
        security: &capabilities.security.offered_attributes(),
    };
    writer::write(capabilities, origin, &[audio])
}

/// The answer to an offer, and what was agreed: the first audio stream that can be used, with the first codec of
/// the peer's order that is one of ours. An encrypted stream goes before one that isn't.
pub fn answer(
    capabilities: &MediaCapabilities,
    origin: Origin,
    remote_offer: &[u8],
    direction: Direction,
) -> Result<(Vec<u8>, Negotiated), SdpError> {
    let remote = Description::parse(remote_offer)?;
    let mut fault = None;
    let mut accepted = None;
    let encrypted = |stream: &Stream| capabilities.security.choose(&remote, stream).is_some();
    let mut candidates: Vec<_> = remote.streams.iter().enumerate().collect();
    candidates.sort_by_key(|(_, stream)| !encrypted(stream));
    for (at, stream) in candidates {
        let offered = capabilities.security.choose(&remote, stream);
        match choose(capabilities, &remote, stream, offered.is_some()) {
            Ok(choice) => {
                accepted = Some((at, stream, choice, offered));
                break;
            }
            // The first stream's trouble is what the person should hear of, if it's audio at all.
            Err(SdpError::NoAudio) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    let (audio_at, stream, choice, offered) = accepted.ok_or_else(|| fault.unwrap_or(SdpError::NoAudio))?;
    let (security, agreed) = capabilities.security.answer(offered);
    let reach = ice::answered(&capabilities.reach, &choice.ice);
    let negotiated = Negotiated {
        receive_payload_type: choice.payload_type,
        receive_telephone_event: choice.telephone_event,
        direction: meet(direction, choice.remote_direction),
        ..choice.into_negotiated(capabilities, agreed)
    };
    let codecs = [(negotiated.codec, negotiated.payload_type)];
    let lines: Vec<_> = (remote.streams.iter().enumerate())
        .map(|(at, refused)| {
            if at != audio_at {
                return Line::Refused(refused);
            }
            Line::Audio {
                transport: &stream.transport,
                codecs: &codecs,
                telephone_event: negotiated.telephone_event,
                packet_time_ms: negotiated.packet_time_ms,
                direction: negotiated.direction,
                rtcp_mux: negotiated.rtcp_mux,
                reach: &reach,
                security: &security,
            }
        })
        .collect();
    Ok((writer::write(capabilities, origin, &lines), negotiated))
}

/// What the peer's answer to `our_offer` agrees to.
pub fn accept_answer(
    capabilities: &MediaCapabilities,
    our_offer: &[u8],
    remote_answer: &[u8],
) -> Result<Negotiated, SdpError> {
    let ours = Description::parse(our_offer)?;
    let remote = Description::parse(remote_answer)?;
    // A re-offer in a call the peer began may have refused streams before the audio: same place in both.
    let at = ours
        .streams
        .iter()
        .position(|stream| is_audio(stream) && stream.port != 0)
        .ok_or(SdpError::NoAudio)?;
    let (Some(offered), Some(answered)) = (ours.streams.get(at), remote.streams.get(at)) else {
        return Err(SdpError::NoAudio);
    };
    if is_audio(answered) && answered.port == 0 {
        return Err(SdpError::Refused);
    }
    let agreed = capabilities.security.agreed(offered, &remote, answered)?;
    let mut choice = choose(capabilities, &remote, answered, agreed.encrypts())?;
    choice.rtcp_mux &= offered.has("rtcp-mux");
    let offered_direction = stated_direction(&ours, offered);
    let codec = choice.codec;
    // What arrives has the numbers of our offer, whatever the answer calls them (RFC 3264 section 6.1).
    let receive_payload_type = offered
        .payload_types()
        .find(|number| codec_of(offered, *number) == Some(codec))
        .unwrap_or(choice.payload_type);
    let mut negotiated = Negotiated {
        receive_payload_type,
        receive_telephone_event: choice.telephone_event.and(telephone_event_of(offered)),
        direction: meet(offered_direction, choice.remote_direction),
        ..choice.into_negotiated(capabilities, agreed)
    };
    if !offered.has("ice-ufrag") {
        negotiated.ice = None;
    }
    Ok(negotiated)
}

/// What a remote stream offers us.
struct Choice {
    codec: Codec,
    payload_type: u8,
    telephone_event: Option<u8>,
    remote_rtp: SocketAddr,
    /// From `a=rtcp`.
    remote_rtcp: Option<SocketAddr>,
    rtcp_mux: bool,
    packet_time_ms: Option<u32>,
    most_packet_time_ms: Option<u32>,
    /// Seen from the peer.
    remote_direction: Direction,
    ice: RemoteIce,
}

fn choose(
    capabilities: &MediaCapabilities,
    remote: &Description,
    stream: &Stream,
    encrypted: bool,
) -> Result<Choice, SdpError> {
    if !is_audio(stream) || stream.port == 0 {
        return Err(SdpError::NoAudio);
    }
    capabilities.security.admits(&stream.transport, encrypted)?;
    let (codec, payload_type) = stream
        .payload_types()
        .find_map(|number| {
            let codec = codec_of(stream, number)?;
            capabilities.codecs.contains(&codec).then_some((codec, number))
        })
        .ok_or_else(|| SdpError::NoCodec(format_names(stream)))?;
    let address = remote.address(stream)?;
    let on_hold = address.is_unspecified();
    if address.is_multicast() || (!on_hold && address.is_ipv4() != capabilities.address.is_ipv4()) {
        return Err(SdpError::Unreachable(address, capabilities.address));
    }
    let milliseconds = |name| {
        // `20.0` has been seen.
        let value = remote.attribute(stream, name)?;
        value
            .split('.')
            .next()?
            .trim()
            .parse()
            .ok()
            .filter(|value| *value > 0)
    };
    let stated = stated_direction(remote, stream);
    let remote_rtp = SocketAddr::new(address, stream.port);
    Ok(Choice {
        codec,
        payload_type,
        telephone_event: telephone_event_of(stream).filter(|_| capabilities.telephone_event),
        remote_rtp,
        remote_rtcp: rtcp_of(stream, address),
        rtcp_mux: stream.has("rtcp-mux"),
        packet_time_ms: milliseconds("ptime"),
        most_packet_time_ms: milliseconds("maxptime"),
        // Hold as RFC 2543 had it: nothing may be sent to 0.0.0.0 (RFC 3264 section 8.4).
        remote_direction: if on_hold {
            without_receiving(stated)
        } else {
            stated
        },
        ice: ice::remote(remote, stream, remote_rtp),
    })
}

impl Choice {
    fn into_negotiated(self, capabilities: &MediaCapabilities, agreed: Agreed) -> Negotiated {
        let wanted = self
            .packet_time_ms
            .unwrap_or_else(|| capabilities.packet_time_ms.into());
        let by_handshake = agreed.dtls.is_some();
        let rtcp_mux = self.rtcp_mux && (capabilities.rtcp_mux || by_handshake);
        let next_port = SocketAddr::new(self.remote_rtp.ip(), self.remote_rtp.port().saturating_add(1));
        let nowhere = SocketAddr::new(self.remote_rtp.ip(), 0);
        agreed.join(Negotiated {
            codec: self.codec,
            payload_type: self.payload_type,
            receive_payload_type: self.payload_type,
            telephone_event: self.telephone_event,
            receive_telephone_event: self.telephone_event,
            remote_rtp: self.remote_rtp,
            remote_rtcp: match self.remote_rtcp {
                _ if rtcp_mux => self.remote_rtp,
                // A port of its own would need a handshake of its own (RFC 5764 section 3).
                _ if by_handshake => nowhere,
                stated => stated.unwrap_or(next_port),
            },
            rtcp_mux,
            packet_time_ms: whole_packets(self.most_packet_time_ms.map_or(wanted, |most| wanted.min(most))),
            direction: self.remote_direction,
            ice: self
                .ice
                .description()
                .filter(|_| capabilities.reach.ice.is_some()),
            srtp: None,
            dtls: None,
        })
    }
}

/// 10 to 60 ms in steps of 10, rounded down (a packet longer than asked for may be dropped).
fn whole_packets(milliseconds: u32) -> u8 {
    match milliseconds / 10 {
        0 | 1 => 10,
        2 => 20,
        3 => 30,
        4 => 40,
        5 => 50,
        _ => 60,
    }
}

fn is_audio(stream: &Stream) -> bool {
    stream.kind.eq_ignore_ascii_case("audio")
}

/// The codec a payload type stands for: by `rtpmap`, or else by RFC 3551.
fn codec_of(stream: &Stream, number: u8) -> Option<Codec> {
    let mapped = stream.rtpmap(number);
    [Codec::Pcma, Codec::Pcmu].into_iter().find(|codec| match mapped {
        Some((name, rate)) => name.eq_ignore_ascii_case(encoding_name(*codec)) && rate == 8000,
        None => static_payload_type(*codec) == number,
    })
}

/// Payload type of telephone-events with our clock rate.
fn telephone_event_of(stream: &Stream) -> Option<u8> {
    stream.payload_types().find(|number| {
        stream
            .rtpmap(*number)
            .is_some_and(|(name, rate)| name.eq_ignore_ascii_case("telephone-event") && rate == 8000)
    })
}

fn format_names(stream: &Stream) -> Vec<String> {
    let name = |format: &String| match format.parse().ok().and_then(|number| stream.rtpmap(number)) {
        Some((name, rate)) => format!("{name}/{rate}"),
        None => format.clone(),
    };
    stream.formats.iter().map(name).collect()
}

/// `a=rtcp:53020` or `a=rtcp:53020 IN IP4 192.0.2.1` (RFC 3605); what can't be read is as good as not there.
fn rtcp_of(stream: &Stream, address: IpAddr) -> Option<SocketAddr> {
    let value = stream.attributes("rtcp").next()?;
    let (port, connection) = value
        .split_once(' ')
        .map_or((value, None), |(port, rest)| (port, Some(rest)));
    let port = port.trim().parse().ok().filter(|port| *port != 0)?;
    let address = connection
        .and_then(|connection| parse_address(connection).ok())
        .unwrap_or(address);
    Some(SocketAddr::new(address, port))
}

fn stated_direction(description: &Description, stream: &Stream) -> Direction {
    match description.first_attribute_of(stream, &["sendrecv", "sendonly", "recvonly", "inactive"]) {
        Some("sendonly") => Direction::SendOnly,
        Some("recvonly") => Direction::ReceiveOnly,
        Some("inactive") => Direction::Inactive,
        _ => Direction::SendReceive,
    }
}

const fn sends(direction: Direction) -> bool {
    matches!(direction, Direction::SendReceive | Direction::SendOnly)
}

const fn receives(direction: Direction) -> bool {
    matches!(direction, Direction::SendReceive | Direction::ReceiveOnly)
}

const fn direction_of(sends: bool, receives: bool) -> Direction {
    match (sends, receives) {
        (true, true) => Direction::SendReceive,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::ReceiveOnly,
        (false, false) => Direction::Inactive,
    }
}

const fn without_receiving(direction: Direction) -> Direction {
    direction_of(sends(direction), false)
}

/// Ours, as far as the peer's allows: we send what it receives and receive what it sends (RFC 3264 section 6.1).
const fn meet(ours: Direction, remote: Direction) -> Direction {
    direction_of(sends(ours) && receives(remote), receives(ours) && sends(remote))
}
