//! Whose packets are let in: symmetric RTP (RFC 4961) that can't be stolen, and changes of SSRC (RFC 3550
//! appendix A.1).
//!
//! The first source that behaves like a stream is the stream. From then on packets from elsewhere are ignored,
//! unless the stream has been silent for [`SILENT_MS`], or the newcomer is the address that signalling named and
//! the present one isn't.

use std::net::SocketAddr;

use super::rtp::Header;

/// After so long without a packet a stream gives up its claim. Longer than any pause of a stream that is merely
/// late; short enough that a handover between media servers costs less than a sentence.
const SILENT_MS: i64 = 1500;

/// Consecutive packets that make a newcomer a stream (RFC 3550 appendix A.1, MIN_SEQUENTIAL).
const PROBATION: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    address: SocketAddr,
    ssrc: u32,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: Source,
    next_sequence: u16,
    seen: u8,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the stream.
    Admitted,
    /// It begins a new stream (the first, another source or another SSRC).
    NewStream,
    /// It doesn't belong here, or not yet.
    Refused,
}

/// The gate of one session.
#[derive(Clone, Debug)]
pub struct Gate {
    signalled: SocketAddr,
    current: Option<(Source, i64)>,
    candidate: Option<Candidate>,
    /// A source that signalling has just replaced, and until when its stragglers are kept out, in ms.
    replaced: Option<(SocketAddr, i64)>,
}

impl Gate {
    /// Waits for a stream, most probably from `signalled`.
    pub fn new(signalled: SocketAddr) -> Self {
        Self {
            signalled: canonical(signalled),
            current: None,
            candidate: None,
            replaced: None,
        }
    }

    /// Signalling names the address again; the stream is dropped only where it is another one.
    pub fn signalled(&mut self, now_ms: i64, address: SocketAddr) {
        let address = canonical(address);
        if address == self.signalled {
            return;
        }
        self.replaced = self
            .current
            .filter(|(source, _)| source.address != address)
            .map(|(source, _)| (source.address, now_ms + SILENT_MS));
        self.signalled = address;
        self.current = self.current.filter(|(source, _)| source.address == address);
        self.candidate = None;
    }

    /// Where the stream comes from, as compared: an IPv4-mapped address as its IPv4 address.
    #[cfg(test)]
    fn source(&self) -> Option<SocketAddr> {
        self.current.map(|(source, _)| source.address)
    }

    /// SSRC of the stream.
    pub fn ssrc(&self) -> Option<u32> {
        self.current.map(|(source, _)| source.ssrc)
    }

    /// Judges a packet of a payload type that was agreed.
    pub fn judge(&mut self, now_ms: i64, from: SocketAddr, header: &Header) -> Verdict {
        let source = Source {
            address: canonical(from),
            ssrc: header.ssrc,
        };
        if let Some((current, last_ms)) = &mut self.current
            && *current == source
        {
            *last_ms = now_ms;
            return Verdict::Admitted;
        }
        if !self.may_apply(now_ms, source.address) {
            return Verdict::Refused;
        }
        let seen = match self.candidate {
            Some(candidate) if candidate.source == source && candidate.next_sequence == header.sequence => {
                candidate.seen + 1
            }
            _ => 1,
        };
        // The signalled address needs no probation for the first stream: the beginning of a call isn't cut.
        let first_expected = self.current.is_none() && source.address == self.signalled;
        if seen >= PROBATION || first_expected {
            self.current = Some((source, now_ms));
            self.candidate = None;
            self.replaced = None;
            return Verdict::NewStream;
        }
        self.candidate = Some(Candidate {
            source,
            next_sequence: header.sequence.wrapping_add(1),
            seen,
        });
        Verdict::Refused
    }

    /// Whether a source that isn't the stream may become it.
    fn may_apply(&self, now_ms: i64, address: SocketAddr) -> bool {
        if let Some((barred, until_ms)) = self.replaced
            && barred == address
            && now_ms < until_ms
        {
            return false;
        }
        match self.current {
            None => true,
            Some((current, last_ms)) => {
                current.address == address || address == self.signalled || now_ms - last_ms >= SILENT_MS
            }
        }
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address it is, so that both spellings compare equal.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], 4000))
    }

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp: 0,
            ssrc,
        }
    }

    #[test]
    fn the_signalled_address_is_let_in_at_once_and_others_after_two_packets() {
        let mut gate = Gate::new(address(1));
        assert_eq!(gate.judge(0, address(1), &header(7, 10)), Verdict::NewStream);
        let mut gate = Gate::new(address(1));
        assert_eq!(gate.judge(0, address(9), &header(7, 10)), Verdict::Refused);
        assert_eq!(gate.judge(20, address(9), &header(7, 11)), Verdict::NewStream);
        assert_eq!(gate.source(), Some(address(9)));
    }

    #[test]
    fn a_stranger_never_takes_a_living_stream() {
        let mut gate = Gate::new(address(1));
        gate.judge(0, address(1), &header(7, 0));
        for number in 1..500u16 {
            let now = i64::from(number) * 20;
            assert_eq!(gate.judge(now, address(9), &header(66, number)), Verdict::Refused);
            assert_eq!(
                gate.judge(now, address(9), &header(7, number)),
                Verdict::Refused,
                "same SSRC"
            );
            assert_eq!(gate.judge(now, address(1), &header(7, number)), Verdict::Admitted);
        }
    }

    #[test]
    fn a_silent_stream_gives_way() {
        let mut gate = Gate::new(address(1));
        gate.judge(0, address(1), &header(7, 0));
        assert_eq!(gate.judge(1499, address(9), &header(66, 1)), Verdict::Refused);
        assert_eq!(
            gate.judge(1500, address(9), &header(66, 2)),
            Verdict::Refused,
            "first of probation"
        );
        assert_eq!(gate.judge(1520, address(9), &header(66, 3)), Verdict::NewStream);
    }

    #[test]
    fn the_signalled_address_ousts_a_stranger_that_was_first() {
        let mut gate = Gate::new(address(1));
        gate.judge(0, address(9), &header(66, 0));
        gate.judge(20, address(9), &header(66, 1));
        assert_eq!(gate.source(), Some(address(9)));
        gate.judge(40, address(1), &header(7, 0));
        assert_eq!(gate.judge(60, address(1), &header(7, 1)), Verdict::NewStream);
        assert_eq!(gate.source(), Some(address(1)));
        gate.judge(80, address(9), &header(66, 2));
        assert_eq!(gate.judge(100, address(9), &header(66, 3)), Verdict::Refused);
    }

    #[test]
    fn one_stray_ssrc_changes_nothing_two_in_a_row_do() {
        let mut gate = Gate::new(address(1));
        gate.judge(0, address(1), &header(7, 0));
        assert_eq!(gate.judge(20, address(1), &header(8, 50)), Verdict::Refused);
        assert_eq!(gate.judge(40, address(1), &header(7, 1)), Verdict::Admitted);
        assert_eq!(gate.judge(60, address(1), &header(8, 51)), Verdict::NewStream);
        assert_eq!(gate.ssrc(), Some(8));
    }

    #[test]
    fn after_a_changed_answer_stragglers_of_the_old_source_stay_out() {
        let mut gate = Gate::new(address(1));
        gate.judge(0, address(1), &header(7, 0));
        gate.signalled(100, address(2));
        for number in 1..4 {
            assert_eq!(gate.judge(120, address(1), &header(7, number)), Verdict::Refused);
        }
        assert_eq!(gate.judge(140, address(2), &header(8, 0)), Verdict::NewStream);
    }

    #[test]
    fn a_mapped_address_is_the_address() {
        let mut gate = Gate::new(address(1));
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:4000".parse().unwrap();
        assert_eq!(gate.judge(0, mapped, &header(7, 0)), Verdict::NewStream);
        assert_eq!(gate.judge(20, address(1), &header(7, 1)), Verdict::Admitted);
    }
}
