//! Telephone-events received (RFC 4733): each key reported once, and a clean tone to play in its place.

use std::collections::VecDeque;

use crate::dsp::Key;

/// Shortest tone played, whatever the packets say: receivers down the line need 40 ms, a margin on it.
const TONE_MIN_SAMPLES: u32 = 50 * 8;

/// Pause between two tones that follow each other (Q.24: at least 40 ms, a margin on it).
const PAUSE_SAMPLES: u32 = 50 * 8;

/// How far a tone runs past the duration last heard of: three packets of 20 ms may be lost.
const HOLD_SAMPLES: u32 = 80 * 8;

/// Event volumes are played between these (RFC 4733 section 3.2: levels below -36 dBm0 need not be detected).
const VOLUME_MAX: u8 = 36;

/// Keys waiting to be played; a person can't press faster than they play.
const QUEUE_MAX: usize = 32;

/// Length of a segment of a long event, at least; the field ends at 65535.
const SEGMENT_MIN: u32 = 60_000;

/// The four bytes of a telephone-event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// Event code.
    pub event: u8,
    /// Whether this is the end.
    pub end: bool,
    /// Power of the tone, -dBm0, 0 to 63.
    pub volume: u8,
    /// Length so far, in samples.
    pub duration: u16,
}

impl EventPayload {
    /// Reads the first event of a payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = payload.first_chunk()?;
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [
            self.event,
            (u8::from(self.end) << 7) | (self.volume & 0x3F),
            high,
            low,
        ]
    }
}

/// A tone to play to the telephone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyTone {
    /// Which key.
    pub key: Key,
    /// Level of each of the two frequencies.
    pub level_dbm0: f32,
}

/// One event as far as its packets tell.
#[derive(Clone, Copy, Debug)]
struct Heard {
    key: Key,
    timestamp: u32,
    /// Samples of segments before this one.
    earlier: u32,
    duration: u32,
    ended: bool,
    level_dbm0: f32,
    played: u32,
}

impl Heard {
    fn is_over(&self) -> bool {
        let told = self.earlier.saturating_add(self.duration);
        let length = if self.ended {
            told
        } else {
            told.saturating_add(HOLD_SAMPLES)
        };
        self.played >= length.max(TONE_MIN_SAMPLES)
    }
}

/// The receiver of one session.
#[derive(Clone, Debug)]
pub struct EventReceiver {
    /// Newest last; the first is played.
    waiting: VecDeque<Heard>,
    /// The event begun last, as its packets go on arriving after it has been played.
    newest: Option<(u32, Key, u32, bool)>,
    pause: u32,
}

impl EventReceiver {
    /// No event yet.
    pub fn new() -> Self {
        Self {
            waiting: VecDeque::with_capacity(QUEUE_MAX),
            newest: None,
            pause: 0,
        }
    }

    /// Forgets everything, when another stream or session begins.
    pub fn reset(&mut self) {
        self.waiting.clear();
        self.newest = None;
        self.pause = 0;
    }

    /// Takes a packet. The key, where it is one not heard of before.
    pub fn packet(&mut self, timestamp: u32, marker: bool, payload: EventPayload) -> Option<Key> {
        let key = Key::from_event_code(payload.event)?;
        let duration = u32::from(payload.duration);
        if let Some((newest, newest_key, newest_duration, newest_ended)) = self.newest {
            let ahead = timestamp.wrapping_sub(newest);
            if ahead == 0 {
                self.newest = Some((
                    newest,
                    newest_key,
                    newest_duration.max(duration),
                    newest_ended | payload.end,
                ));
                self.update(timestamp, |heard| {
                    heard.duration = heard.duration.max(duration);
                    heard.ended |= payload.end;
                });
                return None;
            }
            if ahead > i32::MAX as u32 {
                // Of an event before the newest: a straggler, or one that was lost but for this.
                self.update(timestamp, |heard| {
                    heard.duration = heard.duration.max(duration);
                    heard.ended |= payload.end;
                });
                return None;
            }
            let segment = SEGMENT_MIN..=u32::from(u16::MAX);
            if key == newest_key && !newest_ended && !marker && segment.contains(&ahead) {
                self.newest = Some((timestamp, key, duration, payload.end));
                self.update(newest, |heard| {
                    heard.earlier = heard.earlier.saturating_add(ahead);
                    heard.timestamp = timestamp;
                    heard.duration = duration;
                    heard.ended = payload.end;
                });
                return None;
            }
            // The next one has begun: the one before is over, even if its end was lost.
            self.update(newest, |heard| heard.ended = true);
        }
        self.newest = Some((timestamp, key, duration, payload.end));
        if self.waiting.len() < QUEUE_MAX {
            let volume = payload.volume.min(VOLUME_MAX);
            self.waiting.push_back(Heard {
                key,
                timestamp,
                earlier: 0,
                duration,
                ended: payload.end,
                // The volume is of both frequencies together.
                level_dbm0: -f32::from(volume) - 3.0,
                played: 0,
            });
        }
        Some(key)
    }

    /// What to play in the next `samples`: asked once a turn.
    pub fn play(&mut self, samples: u32) -> Option<KeyTone> {
        if self.pause > 0 {
            self.pause = self.pause.saturating_sub(samples);
            return None;
        }
        let heard = self.waiting.front_mut()?;
        if heard.is_over() {
            self.waiting.pop_front();
            self.pause = PAUSE_SAMPLES.saturating_sub(samples);
            return None;
        }
        heard.played += samples;
        Some(KeyTone {
            key: heard.key,
            level_dbm0: heard.level_dbm0,
        })
    }

    /// Whether audio of the same stream is to be kept from the telephone now.
    pub fn is_playing(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn update(&mut self, timestamp: u32, change: impl FnOnce(&mut Heard)) {
        if let Some(heard) = self
            .waiting
            .iter_mut()
            .rev()
            .find(|heard| heard.timestamp == timestamp)
        {
            change(heard);
        }
    }
}
