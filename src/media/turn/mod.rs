//! TURN (RFC 8656): an address at a server on the open network, from which everything that permitted peers send is
//! passed on here, for calls between two networks that let nothing else through.
//!
//! The client asks over UDP with long-term credentials (RFC 8489 section 9.2, MESSAGE-INTEGRITY with MD5 keys). While
//! paths are being sought it sends with Send indications; the peer that is chosen gets a channel, whose framing
//! ([`channel_data`]) is cheap enough for the audio thread.

mod client;
mod request;

pub use client::{TurnClient, TurnEvent};

use std::net::SocketAddr;

/// A server and who we are there.
#[derive(Clone, Debug)]
pub struct TurnServer {
    /// Its address.
    pub address: SocketAddr,
    /// User name.
    pub username: String,
    /// Password.
    pub password: secrecy::SecretString,
}

/// Channel number and length before the data of a ChannelData message (RFC 8656 section 12.4).
pub const CHANNEL_HEADER_BYTES: usize = 4;

/// Writes a ChannelData message into `frame`; `None`: it doesn't fit. Over UDP nothing is padded.
pub fn frame_channel_data<'a>(channel: u16, data: &[u8], frame: &'a mut [u8]) -> Option<&'a [u8]> {
    let length = u16::try_from(data.len()).ok()?;
    let whole = frame.get_mut(..CHANNEL_HEADER_BYTES + data.len())?;
    whole[..2].copy_from_slice(&channel.to_be_bytes());
    whole[2..CHANNEL_HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    whole[CHANNEL_HEADER_BYTES..].copy_from_slice(data);
    Some(whole)
}

/// Reads a ChannelData message: channel number and data.
pub fn channel_data(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<CHANNEL_HEADER_BYTES>()?;
    let channel = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    Some((channel, rest.get(..length)?))
}
