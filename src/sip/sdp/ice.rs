//! ICE in session descriptions (RFC 8839): `ice-ufrag`, `ice-pwd`, `candidate`, `ice-lite`, `ice-mismatch`,
//! `ice-options`; and `rtcp` (RFC 3605) where RTCP isn't on the port after RTP's.

use super::description::{Description, Stream};
use crate::media::TransmitKind;
use crate::media::ice::{self, Candidate, CandidateKind, Credentials, PACE, PACE_UNSAID, component_number};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Candidates read from one description; more is no telephone.
const CANDIDATES_MAX: usize = 40;

/// Slower than this no peer is waited for.
const PACE_MAX: Duration = Duration::from_millis(500);

/// RFC 8839 section 5.4.
const TEXT_BYTES_MAX: usize = 256;

/// How our stream is reached beyond address and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Where RTCP is received, if not on the port after RTP's.
    pub rtcp: Option<SocketAddr>,
    /// What we say of ICE; `None`: we don't do it. An offer says it, an answer only to a peer that does.
    pub ice: Option<LocalIce>,
}

/// Our side of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalIce {
    /// Ours.
    pub credentials: Credentials,
    /// Ours.
    pub candidates: Vec<Candidate>,
    /// The peer's candidates that we have chosen, for an offer after that (RFC 8839 section 5.2).
    pub remote: Vec<(TransmitKind, SocketAddr)>,
}

/// What the peer says of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteIce {
    /// Nothing, or that a router between us has changed our addresses.
    None,
    /// Its default address is none of its candidates: a router between us has changed it (RFC 8839 section 4.2.5).
    Mismatch,
    /// It does it.
    Offered(ice::Description),
}

impl RemoteIce {
    /// What it says, if it can be used.
    pub fn description(self) -> Option<ice::Description> {
        match self {
            Self::Offered(description) => Some(description),
            Self::None | Self::Mismatch => None,
        }
    }
}

/// What a stream says of ICE, received at `default`.
pub(super) fn remote(description: &Description, stream: &Stream, default: SocketAddr) -> RemoteIce {
    let text = |name| {
        description
            .attribute(stream, name)
            .filter(|value| (4..=TEXT_BYTES_MAX).contains(&value.len()))
    };
    let (Some(username_fragment), Some(password)) = (text("ice-ufrag"), text("ice-pwd")) else {
        return RemoteIce::None;
    };
    if stream.has("ice-mismatch") {
        return RemoteIce::None;
    }
    let candidates: Vec<Candidate> = stream
        .attributes("candidate")
        .filter_map(parse_candidate)
        .take(CANDIDATES_MAX)
        .collect();
    // A peer that trickles puts the discard port there (RFC 8840 section 4.1.1).
    let unknown_yet = default.ip().is_unspecified() || default.port() == 9;
    let known =
        |candidate: &Candidate| candidate.component == TransmitKind::Rtp && candidate.address == default;
    if !unknown_yet && !candidates.iter().any(known) {
        return RemoteIce::Mismatch;
    }
    RemoteIce::Offered(ice::Description {
        credentials: Credentials {
            username_fragment: username_fragment.to_owned(),
            password: password.to_owned(),
        },
        lite: description.attribute(stream, "ice-lite").is_some(),
        pace: pace(description, stream),
        candidates,
    })
}

/// Ta as the peer wants it (RFC 8839 section 5.5). Who is of RFC 5245 takes its formula, which comes to ours.
fn pace(description: &Description, stream: &Stream) -> Duration {
    let said = description
        .attribute(stream, "ice-pacing")
        .and_then(|value| value.parse().ok())
        .map(Duration::from_millis);
    let is_of_rfc_8445 = description
        .attribute(stream, "ice-options")
        .is_some_and(|options| options.split_ascii_whitespace().any(|option| option == "ice2"));
    let unsaid = if is_of_rfc_8445 { PACE_UNSAID } else { PACE };
    said.unwrap_or(unsaid).min(PACE_MAX)
}

/// The credentials of a description's audio: others than before mean a restart (RFC 8839 section 4.4.1.1.1).
pub fn ice_credentials(body: &[u8]) -> Option<Credentials> {
    let description = Description::parse(body).ok()?;
    let audio = |stream: &&Stream| stream.kind.eq_ignore_ascii_case("audio") && stream.port != 0;
    let stream = description.streams.iter().find(audio)?;
    let username_fragment = description.attribute(stream, "ice-ufrag")?.to_owned();
    let password = description.attribute(stream, "ice-pwd")?.to_owned();
    Some(Credentials {
        username_fragment,
        password,
    })
}

/// The attributes of an offer.
pub(super) fn offered(reach: &Reach) -> String {
    let mut text = String::new();
    write_rtcp(&mut text, reach);
    if let Some(ice) = &reach.ice {
        write_ice(&mut text, ice);
    }
    text
}

/// The attributes of the answer to somebody who says this.
pub(super) fn answered(reach: &Reach, remote: &RemoteIce) -> String {
    let mut text = String::new();
    write_rtcp(&mut text, reach);
    match (&reach.ice, remote) {
        (Some(ice), RemoteIce::Offered(_)) => write_ice(&mut text, ice),
        (Some(_), RemoteIce::Mismatch) => text.push_str("a=ice-mismatch\r\n"),
        _ => {}
    }
    text
}

fn write_rtcp(text: &mut String, reach: &Reach) {
    if let Some(address) = reach.rtcp {
        let version = if address.is_ipv4() { "IP4" } else { "IP6" };
        let _ = write!(
            text,
            "a=rtcp:{} IN {version} {}\r\n",
            address.port(),
            address.ip()
        );
    }
}

fn write_ice(text: &mut String, ice: &LocalIce) {
    let Credentials {
        username_fragment,
        password,
    } = &ice.credentials;
    // ice2: we do RFC 8445, not RFC 5245 (RFC 8445 section 10).
    let _ = write!(
        text,
        "a=ice-options:ice2\r\na=ice-pacing:{}\r\na=ice-ufrag:{username_fragment}\r\na=ice-pwd:{password}\r\n",
        PACE.as_millis()
    );
    for candidate in &ice.candidates {
        let component = component_number(candidate.component);
        let _ = write!(
            text,
            "a=candidate:{} {component} UDP {} {} {} typ {}",
            candidate.foundation,
            candidate.priority,
            candidate.address.ip(),
            candidate.address.port(),
            kind_name(candidate.kind)
        );
        if let Some(related) = candidate.related {
            let _ = write!(text, " raddr {} rport {}", related.ip(), related.port());
        }
        text.push_str("\r\n");
    }
    for (at, (component, address)) in ice.remote.iter().enumerate() {
        let component = component_number(*component);
        let before = if at == 0 { "a=remote-candidates:" } else { " " };
        let _ = write!(text, "{before}{component} {} {}", address.ip(), address.port());
    }
    if !ice.remote.is_empty() {
        text.push_str("\r\n");
    }
}

/// `foundation component UDP priority address port typ kind [raddr A rport P] ...` (RFC 8839 section 5.1). `None` for
/// other transports, host names, and what can't be read: such a candidate is passed over.
fn parse_candidate(value: &str) -> Option<Candidate> {
    let mut words = value.split_ascii_whitespace();
    let foundation = words.next().filter(|word| word.len() <= 32)?.to_owned();
    let component = match words.next()? {
        "1" => TransmitKind::Rtp,
        "2" => TransmitKind::Rtcp,
        _ => return None,
    };
    if !words.next()?.eq_ignore_ascii_case("udp") {
        return None;
    }
    let priority = words.next()?.parse().ok()?;
    let ip: IpAddr = words.next()?.parse().ok()?;
    let port = words.next()?.parse().ok()?;
    if !words.next()?.eq_ignore_ascii_case("typ") || ip.is_multicast() {
        return None;
    }
    let kind = match words.next()? {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::ServerReflexive,
        "prflx" => CandidateKind::PeerReflexive,
        "relay" => CandidateKind::Relayed,
        _ => return None,
    };
    Some(Candidate {
        foundation,
        component,
        priority,
        address: SocketAddr::new(ip, port),
        kind,
        related: None,
    })
}

const fn kind_name(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    }
}
