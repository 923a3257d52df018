//! Keeping routers' mappings alive while a session sends nothing, on hold above all (RFC 6263).

/// So long without a packet, and one is sent that says nothing (RFC 6263 section 4.7 has 15 s).
const EVERY_US: i64 = 15_000_000;

/// A payload type that stands for nothing (unassigned in RFC 3551): receivers pass such a packet over (RFC 6263
/// section 4.6).
pub const PAYLOAD_TYPE: u8 = 20;

/// Watches whether anything is sent.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    packets: u32,
    since_us: i64,
}

impl KeepAlive {
    /// Nothing has been sent yet.
    pub fn new(now_us: i64) -> Self {
        Self {
            packets: 0,
            since_us: now_us,
        }
    }

    /// Whether it is time; `packets` have been sent in all.
    pub fn is_due(&mut self, now_us: i64, packets: u32) -> bool {
        if packets != self.packets {
            self.packets = packets;
            self.since_us = now_us;
        }
        let due = now_us - self.since_us >= EVERY_US;
        if due {
            self.since_us = now_us;
        }
        due
    }
}
