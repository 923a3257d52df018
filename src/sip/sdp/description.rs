//! Reading a session description, as much of it as a telephone needs. Tolerant: unknown and misplaced lines are
//! passed over, `s=` and `t=` may be missing, numbers in `o=` may be of any length, lines may end in LF.

use super::SdpError;
use std::net::IpAddr;

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// `c=` before the first stream.
    connection: Option<String>,
    /// `a=` before the first stream.
    attributes: Vec<Attribute>,
    /// The `m=` sections, in order.
    pub streams: Vec<Stream>,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// `audio`, `video`, `image`, ...
    pub kind: String,
    /// Port; 0: refused or switched off.
    pub port: u16,
    /// `RTP/AVP`, ...
    pub transport: String,
    /// Formats: payload types, for RTP.
    pub formats: Vec<String>,
    connection: Option<String>,
    attributes: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    name: String,
    value: Option<String>,
}

/// Most streams read from one description; more is no telephone call.
const MOST_STREAMS: usize = 32;

impl Description {
    /// Reads a description.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        if lines.next() != Some("v=0") {
            return Err(SdpError::NotSdp);
        }
        let mut description = Self {
            connection: None,
            attributes: Vec::new(),
            streams: Vec::new(),
        };
        for line in lines {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            match key {
                "m" if description.streams.len() >= MOST_STREAMS => {
                    return Err(SdpError::Line(line.to_owned()));
                }
                "m" => {
                    let stream = Stream::parse(value).ok_or_else(|| SdpError::Line(line.to_owned()))?;
                    description.streams.push(stream);
                }
                "c" => {
                    let stream = description.streams.last_mut();
                    let place = stream.map_or(&mut description.connection, |stream| &mut stream.connection);
                    place.get_or_insert_with(|| value.to_owned());
                }
                "a" => {
                    let stream = description.streams.last_mut();
                    let place = stream.map_or(&mut description.attributes, |stream| &mut stream.attributes);
                    place.push(Attribute::parse(value));
                }
                _ => {}
            }
        }
        Ok(description)
    }

    /// An attribute of a stream; where that hasn't it, the session's.
    pub fn attribute<'a>(&'a self, stream: &'a Stream, name: &str) -> Option<&'a str> {
        let named =
            |attributes: &'a [Attribute]| attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name));
        named(&stream.attributes)
            .or_else(|| named(&self.attributes))
            .map(|a| a.value.as_deref().unwrap_or(""))
    }

    /// The values of all attributes of a name that a stream has, or else the session.
    pub fn attributes<'a>(&'a self, stream: &'a Stream, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = stream.has(name);
        let attributes = if own { &stream.attributes } else { &self.attributes };
        attributes
            .iter()
            .filter(move |a| a.name.eq_ignore_ascii_case(name))
            .filter_map(|a| a.value.as_deref())
    }

    /// The first of several attributes that a stream has, or else the session.
    pub fn first_attribute_of<'a>(&self, stream: &Stream, names: &[&'a str]) -> Option<&'a str> {
        let first = |attributes: &[Attribute]| {
            attributes.iter().find_map(|a| {
                names
                    .iter()
                    .find(|name| a.name.eq_ignore_ascii_case(name))
                    .copied()
            })
        };
        first(&stream.attributes).or_else(|| first(&self.attributes))
    }

    /// The address a stream is received at.
    pub fn address(&self, stream: &Stream) -> Result<IpAddr, SdpError> {
        let connection = stream
            .connection
            .as_ref()
            .or(self.connection.as_ref())
            .ok_or(SdpError::NoAddress)?;
        parse_address(connection)
    }
}

impl Stream {
    /// Values of all attributes of that name.
    pub fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.name.eq_ignore_ascii_case(name))
            .filter_map(|attribute| attribute.value.as_deref())
    }

    /// Whether the stream itself has the attribute.
    pub fn has(&self, name: &str) -> bool {
        self.attributes
            .iter()
            .any(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// `rtpmap` of a payload type: encoding name and clock rate.
    pub fn rtpmap(&self, payload_type: u8) -> Option<(&str, u32)> {
        self.attributes("rtpmap").find_map(|value| {
            let (number, mapping) = value.split_once([' ', '\t'])?;
            if number.parse() != Ok(payload_type) {
                return None;
            }
            let mut parts = mapping.trim().split('/');
            let name = parts.next()?.trim();
            // Without a rate it's 8000: Cisco gateways have been seen to leave it out.
            let rate = parts.next().map_or(Some(8000), |rate| rate.trim().parse().ok())?;
            Some((name, rate))
        })
    }

    /// The payload types, in the stream's order of preference.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        // 7 bits (RFC 3550 section 5.1).
        self.formats
            .iter()
            .filter_map(|format| format.parse().ok())
            .filter(|number| *number < 128)
    }

    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let kind = words.next()?.to_owned();
        let port = words.next()?;
        // `port/number of ports`: the first is ours.
        let port = port.split('/').next()?.parse().ok()?;
        let transport = words.next()?.to_owned();
        Some(Self {
            kind,
            port,
            transport,
            formats: words.map(str::to_owned).collect(),
            connection: None,
            attributes: Vec::new(),
        })
    }
}

impl Attribute {
    fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some((name, value)) => Self {
                name: name.trim().to_owned(),
                value: Some(value.trim().to_owned()),
            },
            None => Self {
                name: text.trim().to_owned(),
                value: None,
            },
        }
    }
}

/// `IN IP4 192.0.2.1` (with `/ttl` behind a group's address).
pub(super) fn parse_address(connection: &str) -> Result<IpAddr, SdpError> {
    let malformed = || SdpError::Line(format!("c={connection}"));
    let mut words = connection.split_ascii_whitespace();
    let (Some(network), Some(_), Some(address)) = (words.next(), words.next(), words.next()) else {
        return Err(malformed());
    };
    if !network.eq_ignore_ascii_case("IN") {
        return Err(malformed());
    }
    let address = address.split('/').next().unwrap_or(address);
    // The address itself tells its version; brackets are wrong here and happen.
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(address);
    bare.parse().map_err(|_| SdpError::HostName(address.to_owned()))
}
