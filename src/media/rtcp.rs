//! RTCP (RFC 3550 section 6): sender and receiver reports with CNAME, BYE, and what the peer's reports tell.
//!
//! Reports are read with `rtcp-types`; what it allocates for (walking a compound packet, building one) is here. NTP time stamps are of a clock that starts with
//! the voice path, as section 4 allows a sender without wall-clock time.

use rtcp_types::{ReceiverReport, ReportBlock, RtcpPacketParser, SenderReport};

use super::reception::IntervalLoss;

/// Mean time between reports (RFC 3550 6.2: at least 5 s), varied by a half either way.
pub const INTERVAL_MS: i64 = 5_000;

/// Longest compound packet written: SR with a block, SDES, BYE.
pub const COMPOUND_BYTES_MAX: usize = 52 + 32 + 8;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// What we have sent, for a sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Time stamp of audio sent now.
    pub timestamp: u32,
    /// Packets.
    pub packets: u32,
    /// Payload bytes.
    pub octets: u32,
}

/// What we have received, for a report block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Whose.
    pub ssrc: u32,
    /// Loss.
    pub loss: IntervalLoss,
    /// Highest sequence number with cycles.
    pub extended_highest: u32,
    /// Interarrival jitter in samples.
    pub jitter: u32,
    /// Middle 32 bits of the peer's last sender report, and when it came; zeros without.
    pub last_report: Option<(u32, i64)>,
}

/// A compound packet to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Our SSRC.
    pub ssrc: u32,
    /// Time, microseconds since the voice path began.
    pub now_us: i64,
    /// Present: a sender report.
    pub sent: Option<Sent>,
    /// Present: a report block.
    pub received: Option<Received>,
    /// Canonical name, 1 to 20 bytes.
    pub name: &'a [u8],
    /// Whether this is our last.
    pub goodbye: bool,
}

impl Report<'_> {
    /// Writes the packet; its length.
    pub fn write(&self, bytes: &mut [u8]) -> usize {
        let mut writer = Writer { bytes, length: 0 };
        let blocks = u8::from(self.received.is_some());
        match self.sent {
            Some(sent) => {
                writer.header(blocks, SENDER_REPORT, 6 + 6 * u16::from(blocks));
                writer.word(self.ssrc);
                let ntp = ntp(self.now_us);
                writer.word((ntp >> 32) as u32);
                writer.word(ntp as u32);
                writer.word(sent.timestamp);
                writer.word(sent.packets);
                writer.word(sent.octets);
            }
            None => {
                writer.header(blocks, RECEIVER_REPORT, 1 + 6 * u16::from(blocks));
                writer.word(self.ssrc);
            }
        }
        if let Some(received) = self.received {
            writer.word(received.ssrc);
            let cumulative = received.loss.cumulative as u32 & 0x00FF_FFFF;
            writer.word((u32::from(received.loss.fraction) << 24) | cumulative);
            writer.word(received.extended_highest);
            writer.word(received.jitter);
            let (last, delay) = received
                .last_report
                .map_or((0, 0), |(last, at_us)| (last, short_ntp(self.now_us - at_us)));
            writer.word(last);
            writer.word(delay);
        }
        // One chunk: SSRC, CNAME item, a zero, padding to a word.
        let name = &self.name[..self.name.len().min(20)];
        let chunk = (4 + 2 + name.len() + 1).next_multiple_of(4);
        writer.header(1, SOURCE_DESCRIPTION, (chunk / 4) as u16);
        writer.word(self.ssrc);
        writer.put(&[1, name.len() as u8]);
        writer.put(name);
        writer.put(&[0; 4][..chunk - 6 - name.len()]);
        if self.goodbye {
            writer.header(1, GOODBYE, 1);
            writer.word(self.ssrc);
        }
        writer.length
    }
}

struct Writer<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Writer<'_> {
    fn header(&mut self, count: u8, kind: u8, words: u16) {
        let [high, low] = words.to_be_bytes();
        self.put(&[0x80 | count, kind, high, low]);
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_be_bytes());
    }

    fn put(&mut self, more: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + more.len()) {
            place.copy_from_slice(more);
            self.length += more.len();
        }
    }
}

/// What a compound packet of the peer's tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heard {
    /// Middle 32 bits of its sender report's time.
    pub sender_report: Option<u32>,
    /// Loss it reports of what we send, percent.
    pub loss_percent: Option<f32>,
    /// Round-trip time.
    pub round_trip_ms: Option<f32>,
    /// It says goodbye.
    pub goodbye: bool,
    /// There is a sender or receiver report in it.
    pub reports: bool,
    /// Highest sequence number of ours that it has received.
    pub highest: Option<u32>,
}

/// Reads a compound packet; `None` for anything else. `ours`: the SSRC whose report blocks count.
pub fn parse(datagram: &[u8], ours: u32, now_us: i64) -> Option<Heard> {
    let mut heard = Heard::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        // The crate's own iterator would allocate for every SDES it passes.
        let &[first, kind, high, low] = rest.first_chunk()?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if first >> 6 != 2 || length > rest.len() {
            return None;
        }
        let (packet, after) = rest.split_at(length);
        rest = after;
        // A packet inside that can't be read spoils only itself.
        match kind {
            SENDER_REPORT => {
                if let Ok(report) = SenderReport::parse(packet) {
                    heard.reports = true;
                    heard.sender_report = Some((report.ntp_timestamp() >> 16) as u32);
                    let blocks = report.report_blocks();
                    blocks.for_each(|block| heard.block(&block, ours, now_us));
                }
            }
            RECEIVER_REPORT => {
                if let Ok(report) = ReceiverReport::parse(packet) {
                    heard.reports = true;
                    let blocks = report.report_blocks();
                    blocks.for_each(|block| heard.block(&block, ours, now_us));
                }
            }
            GOODBYE => heard.goodbye = true,
            _ => {}
        }
    }
    (!datagram.is_empty()).then_some(heard)
}

impl Heard {
    fn block(&mut self, block: &ReportBlock<'_>, ours: u32, now_us: i64) {
        if block.ssrc() != ours {
            return;
        }
        self.highest = Some(block.extended_sequence_number());
        self.loss_percent = Some(f32::from(block.fraction_lost()) * 100.0 / 256.0);
        let last = block.last_sender_report_timestamp();
        if last == 0 {
            return;
        }
        // RFC 3550 6.4.1: A - LSR - DLSR, modulo 2^32, in 1/65536 s.
        let round_trip = ((ntp(now_us) >> 16) as u32)
            .wrapping_sub(last)
            .wrapping_sub(block.delay_since_last_sender_report_timestamp());
        // Peers that get DLSR wrong produce negative times, which wrap to hours; a minute is no round trip.
        if round_trip < 60 << 16 {
            self.round_trip_ms = Some(round_trip as f32 * 1000.0 / 65536.0);
        }
    }
}

/// 32.32 fixed point. Begins at a second, so that a report of the first moment isn't mistaken for none.
fn ntp(now_us: i64) -> u64 {
    let now_us = now_us.max(0) as u64 + 1_000_000;
    let (seconds, rest) = (now_us / 1_000_000, now_us % 1_000_000);
    (seconds << 32) | ((rest << 32) / 1_000_000)
}

/// 16.16 fixed point.
fn short_ntp(us: i64) -> u32 {
    ((us.max(0) as u64) * 65536 / 1_000_000).min(u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtcp_types::{Compound, Packet, Sdes};

    use super::*;

    const LOSS: IntervalLoss = IntervalLoss {
        fraction: 64,
        cumulative: -3,
    };

    fn report(goodbye: bool) -> Report<'static> {
        Report {
            ssrc: 0xAABB_CCDD,
            now_us: 7_500_000,
            sent: Some(Sent {
                timestamp: 80_000,
                packets: 500,
                octets: 80_000,
            }),
            received: Some(Received {
                ssrc: 0x1122_3344,
                loss: LOSS,
                extended_highest: 65_999,
                jitter: 17,
                last_report: Some((0x0102_0304, 6_500_000)),
            }),
            name: b"0123456789abcdef",
            goodbye,
        }
    }

    /// Our writer against the crate's reader.
    #[test]
    fn reports_read_back() {
        let mut bytes = [0; COMPOUND_BYTES_MAX];
        let length = report(true).write(&mut bytes);
        let packets: Vec<_> = Compound::parse(&bytes[..length])
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let [Packet::Sr(sender), Packet::Sdes(names), Packet::Bye(bye)] = &packets[..] else {
            panic!("{packets:?}");
        };
        assert_eq!(
            (sender.ssrc(), sender.packet_count(), sender.rtp_timestamp()),
            (0xAABB_CCDD, 500, 80_000)
        );
        assert_eq!(sender.ntp_timestamp(), (8 << 32) | (1 << 31));
        let block = sender.report_blocks().next().unwrap();
        assert_eq!(
            (block.ssrc(), block.fraction_lost(), block.cumulative_lost()),
            (0x1122_3344, 64, 0xFF_FFFD)
        );
        assert_eq!(block.delay_since_last_sender_report_timestamp(), 65_536);
        check_name(names);
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [0xAABB_CCDD]);
    }

    fn check_name(names: &Sdes<'_>) {
        let chunk = names.chunks().next().unwrap();
        let item = chunk.items().next().unwrap();
        assert_eq!((item.type_(), item.value()), (1, &b"0123456789abcdef"[..]));
    }

    #[test]
    fn a_receiver_report_without_a_block_is_whole() {
        let report = Report {
            sent: None,
            received: None,
            goodbye: false,
            ..report(false)
        };
        let mut bytes = [0; COMPOUND_BYTES_MAX];
        let length = report.write(&mut bytes);
        let heard = Heard {
            reports: true,
            ..Heard::default()
        };
        assert_eq!(parse(&bytes[..length], 1, 0), Some(heard));
    }

    #[test]
    fn the_round_trip_comes_out_of_the_peers_block() {
        let ours = 0x1122_3344;
        let mut bytes = [0; COMPOUND_BYTES_MAX];
        // The peer got our report of time 2 s after 30 ms and answers 500 ms later; it takes 50 ms back.
        let sent_at = (ntp(2_000_000) >> 16) as u32;
        let report = Report {
            now_us: 530_000,
            received: Some(Received {
                ssrc: ours,
                loss: LOSS,
                extended_highest: 1,
                jitter: 0,
                last_report: Some((sent_at, 30_000)),
            }),
            ..report(false)
        };
        let length = report.write(&mut bytes);
        let heard = parse(&bytes[..length], ours, 2_580_000).unwrap();
        assert!((heard.round_trip_ms.unwrap() - 80.0).abs() < 0.1, "{heard:?}");
        assert_eq!(heard.loss_percent, Some(25.0));
        assert!(heard.sender_report.is_some() && !heard.goodbye);
        assert_eq!(
            parse(&bytes[..length], 5, 2_580_000).unwrap().loss_percent,
            None,
            "of somebody else"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..96), kind in 199u8..208) {
            let _ = parse(&bytes, 7, 0);
            let mut bytes = bytes;
            if bytes.len() >= 4 {
                let words = (bytes.len() / 4 - 1) as u16;
                bytes[0] |= 0x80;
                bytes[0] &= 0xBF;
                bytes[1] = kind;
                bytes[2..4].copy_from_slice(&words.to_be_bytes());
                let length = (usize::from(words) + 1) * 4;
                let _ = parse(&bytes[..length], 7, i64::MAX / 2);
            }
        }
    }
}
