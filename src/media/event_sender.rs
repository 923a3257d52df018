//! Telephone-events sent (RFC 4733): one key after the other, each with growing duration and a repeated end.

use std::collections::VecDeque;

use crate::dsp::{FRAME, Key};

use super::event_receiver::EventPayload;

/// Power announced: -10 dBm0, what a telephone's DTMF comes to at the exchange.
const VOLUME: u8 = 10;

/// Shortest event, and shortest pause between two (Q.24's 40 ms and a margin).
const EVENT_MIN_SAMPLES: u32 = 50 * 8;
const PAUSE_SAMPLES: u32 = 50 * 8;

/// The end is sent so often (RFC 4733 section 2.5.1.4).
const END_PACKETS: u8 = 3;

/// Time between two packets, whatever that of audio is: with it three ends fit into the pause.
const INTERVAL_SAMPLES: u32 = 20 * 8;

/// The first packets of an event come every turn. While none has arrived the far end conceals the first moments of
/// the tone, which went out as audio before the detector knew, and then it may be heard as a key of its own.
const EAGER_PACKETS: u8 = 3;

/// A segment ends before its duration field overflows (section 2.5.1.3), at a whole number of turns.
const SEGMENT_SAMPLES: u32 = 65_520;

const QUEUE_MAX: usize = 32;

/// A packet to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// First of its event.
    pub marker: bool,
    /// Time stamp of the event (or segment).
    pub timestamp: u32,
    /// Payload.
    pub payload: EventPayload,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    key: Key,
    /// `None`: the key is still down.
    duration: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    key: Key,
    /// Of the segment.
    timestamp: u32,
    /// Of the segment.
    elapsed: u32,
    earlier: u32,
    until: Option<u32>,
    /// Packets sent, as far as [`EAGER_PACKETS`] counts.
    sent: u8,
    until_packet: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    packet: EventPacket,
    left: u8,
    until_packet: u32,
}

/// The sender of one session.
#[derive(Clone, Debug)]
pub struct EventSender {
    waiting: VecDeque<Wanted>,
    sending: Option<Sending>,
    ending: Option<Ending>,
    pause: u32,
}

impl EventSender {
    /// Nothing to send.
    pub fn new() -> Self {
        Self {
            waiting: VecDeque::with_capacity(QUEUE_MAX),
            sending: None,
            ending: None,
            pause: 0,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.waiting.clear();
        self.sending = None;
        self.ending = None;
        self.pause = 0;
    }

    /// A key went down on the telephone.
    pub fn key_down(&mut self, key: Key) {
        self.want(key, None);
    }

    /// It went up again.
    pub fn key_up(&mut self, key: Key) {
        if let Some(wanted) = self.waiting.iter_mut().rev().find(|wanted| wanted.key == key)
            && wanted.duration.is_none()
        {
            wanted.duration = Some(EVENT_MIN_SAMPLES);
        } else if let Some(sending) = &mut self.sending
            && sending.key == key
            && sending.until.is_none()
        {
            let elapsed = sending.earlier.saturating_add(sending.elapsed);
            sending.until = Some(elapsed.max(EVENT_MIN_SAMPLES));
        }
    }

    /// Every key is up (on hook).
    pub fn all_up(&mut self) {
        for key in Key::ALL {
            self.key_up(key);
        }
    }

    /// A key to be sent for so long, after those before it.
    pub fn send(&mut self, key: Key, duration_ms: u16) {
        self.want(key, Some((u32::from(duration_ms) * 8).max(EVENT_MIN_SAMPLES)));
    }

    /// Whether audio gives way to an event now.
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// One turn of 10 ms. `timestamp`: of the turn's first sample.
    pub fn turn(&mut self, timestamp: u32) -> Option<EventPacket> {
        let frame = FRAME as u32;
        if self.sending.is_none() {
            if self.pause > 0 {
                self.pause = self.pause.saturating_sub(frame);
            } else if let Some(wanted) = self.waiting.pop_front() {
                self.ending = None;
                self.sending = Some(Sending {
                    key: wanted.key,
                    timestamp,
                    elapsed: 0,
                    earlier: 0,
                    until: wanted.duration,
                    sent: 0,
                    until_packet: 0,
                });
            }
        }
        if self.sending.is_some() {
            return self.advance();
        }
        let ending = self.ending.as_mut()?;
        ending.until_packet = ending.until_packet.saturating_sub(frame);
        if ending.until_packet > 0 {
            return None;
        }
        ending.until_packet = INTERVAL_SAMPLES;
        ending.left -= 1;
        let packet = ending.packet;
        if ending.left == 0 {
            self.ending = None;
        }
        Some(packet)
    }

    fn advance(&mut self) -> Option<EventPacket> {
        let frame = FRAME as u32;
        let sending = self.sending.as_mut()?;
        sending.elapsed += frame;
        let total = sending.earlier.saturating_add(sending.elapsed);
        let end = sending.until.is_some_and(|until| total >= until);
        let full = sending.elapsed >= SEGMENT_SAMPLES;
        let packet = EventPacket {
            marker: sending.sent == 0,
            timestamp: sending.timestamp,
            payload: EventPayload {
                event: sending.key.event_code(),
                end,
                volume: VOLUME,
                duration: sending.elapsed.min(u32::from(u16::MAX)) as u16,
            },
        };
        if end {
            self.sending = None;
            self.pause = PAUSE_SAMPLES;
            self.ending = Some(Ending {
                packet: EventPacket {
                    marker: false,
                    ..packet
                },
                left: END_PACKETS - 1,
                until_packet: INTERVAL_SAMPLES,
            });
            return Some(packet);
        }
        if sending.until_packet > frame && !full {
            sending.until_packet -= frame;
            return None;
        }
        sending.sent = EAGER_PACKETS.min(sending.sent + 1);
        sending.until_packet = if sending.sent < EAGER_PACKETS {
            frame
        } else {
            INTERVAL_SAMPLES
        };
        if full {
            sending.earlier = total;
            sending.timestamp = sending.timestamp.wrapping_add(sending.elapsed);
            sending.elapsed = 0;
        }
        Some(packet)
    }

    fn want(&mut self, key: Key, duration: Option<u32>) {
        if self.waiting.len() < QUEUE_MAX {
            self.waiting.push_back(Wanted { key, duration });
        }
    }
}
