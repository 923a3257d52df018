//! RTP we send: audio gathered into packets, telephone-events, one sequence and one clock for both.

use std::net::SocketAddr;

use rand::Rng;

use crate::dsp::{FRAME, g711};

use super::event_sender::EventPacket;
use super::keep_alive;
use super::outbox::{Outbox, TransmitKind};
use super::rtcp::Sent;
use super::rtp::{HEADER_BYTES, Header};
use super::{Codec, SessionParams};

/// Bytes of the longest packet: 60 ms.
const PAYLOAD_BYTES_MAX: usize = 480;

/// The sending side of one session. SSRC, sequence and time stamp outlive changes of the session.
#[derive(Clone, Debug)]
pub struct Sender {
    ssrc: u32,
    sequence: u16,
    /// Of the next sample of the line.
    timestamp: u32,
    pending: [u8; PAYLOAD_BYTES_MAX],
    filled: usize,
    /// The next audio begins a talkspurt.
    marker: bool,
    packets: u32,
    octets: u32,
}

impl Sender {
    /// Begins at random places (RFC 3550 5.1).
    pub fn new(random: &mut impl Rng) -> Self {
        Self {
            ssrc: random.next_u32(),
            // Below 2^15: with SRTP a listener that misses the beginning has to tell how often the number has
            // wrapped (RFC 4568 section 6.4).
            sequence: random.next_u32() as u16 & 0x7FFF,
            timestamp: random.next_u32(),
            pending: [0; PAYLOAD_BYTES_MAX],
            filled: 0,
            marker: true,
            packets: 0,
            octets: 0,
        }
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Figures for a sender report; `None` while nothing has been sent.
    pub fn sent(&self) -> Option<Sent> {
        (self.packets > 0).then_some(Sent {
            timestamp: self.timestamp,
            packets: self.packets,
            octets: self.octets,
        })
    }

    /// Time stamp of the first sample that hasn't been sent.
    pub fn unsent_timestamp(&self) -> u32 {
        self.timestamp.wrapping_sub(self.filled as u32)
    }

    /// Whether the next ten milliseconds of audio fill a packet.
    pub fn frame_completes_packet(&self, params: &SessionParams) -> bool {
        self.filled + FRAME >= packet_bytes(params)
    }

    /// Ten milliseconds of audio.
    pub fn audio(
        &mut self,
        params: &SessionParams,
        to: SocketAddr,
        frame: &[i16; FRAME],
        outbox: &mut Outbox,
    ) {
        let wanted = packet_bytes(params);
        if self.filled + FRAME > PAYLOAD_BYTES_MAX {
            self.filled = 0;
        }
        let law = law(params.codec);
        g711::encode(law, frame, &mut self.pending[self.filled..]);
        self.filled += FRAME;
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        if self.filled < wanted {
            return;
        }
        let header = Header {
            marker: self.marker,
            payload_type: params.payload_type,
            sequence: self.next_sequence(),
            timestamp: self.unsent_timestamp(),
            ssrc: self.ssrc,
        };
        let payload = &self.pending[..self.filled];
        send(header, payload, to, outbox);
        self.count(payload.len());
        self.marker = false;
        self.filled = 0;
    }

    /// Ten milliseconds in which no audio is sent; what was gathered is dropped. The clock runs on.
    pub fn silence(&mut self) {
        self.filled = 0;
        self.marker = true;
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
    }

    /// A packet that says nothing, to keep routers' mappings alive.
    pub fn keep_alive(&mut self, to: SocketAddr, outbox: &mut Outbox) {
        let header = Header {
            marker: false,
            payload_type: keep_alive::PAYLOAD_TYPE,
            sequence: self.next_sequence(),
            timestamp: self.unsent_timestamp(),
            ssrc: self.ssrc,
        };
        send(header, &[], to, outbox);
        self.count(0);
    }

    /// A telephone-event's packet.
    pub fn event(&mut self, payload_type: u8, to: SocketAddr, packet: EventPacket, outbox: &mut Outbox) {
        let header = Header {
            marker: packet.marker,
            payload_type,
            sequence: self.next_sequence(),
            timestamp: packet.timestamp,
            ssrc: self.ssrc,
        };
        let payload = packet.payload.to_bytes();
        send(header, &payload, to, outbox);
        self.count(payload.len());
    }

    fn next_sequence(&mut self) -> u16 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        sequence
    }

    fn count(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }
}

/// Bytes of a full packet, one a sample.
fn packet_bytes(params: &SessionParams) -> usize {
    (usize::from(params.packet_time_ms) * 8).clamp(FRAME, PAYLOAD_BYTES_MAX)
}

/// The companding law of a codec.
pub fn law(codec: Codec) -> g711::Law {
    match codec {
        Codec::Pcma => g711::Law::A,
        Codec::Pcmu => g711::Law::Mu,
    }
}

fn send(header: Header, payload: &[u8], to: SocketAddr, outbox: &mut Outbox) {
    outbox.push(TransmitKind::Rtp, to, |bytes| {
        let Some((head, rest)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() else {
            return 0;
        };
        header.write(head);
        rest[..payload.len()].copy_from_slice(payload);
        HEADER_BYTES + payload.len()
    });
}
