//! What a descriptor in the audio thread's epoll set is.

use super::LineId;

/// Goes through the kernel as a number and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Commands are in the ring.
    Commands,
    /// RTP has arrived.
    Rtp(LineId),
    /// RTCP has arrived.
    Rtcp(LineId),
    /// A sound card has captured a period.
    Card(LineId),
}

impl Token {
    /// For the kernel.
    pub fn to_u64(self) -> u64 {
        let (kind, line) = match self {
            Self::Commands => (1, 0),
            Self::Rtp(LineId(line)) => (3, line),
            Self::Rtcp(LineId(line)) => (4, line),
            Self::Card(LineId(line)) => (5, line),
        };
        kind << 32 | u64::from(line)
    }

    /// From the kernel; `None` for a number that no token has.
    pub fn from_u64(token: u64) -> Option<Self> {
        // The lower half is the line's number whole.
        let line = LineId(token as u32);
        Some(match token >> 32 {
            1 => Self::Commands,
            3 => Self::Rtp(line),
            4 => Self::Rtcp(line),
            5 => Self::Card(line),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        let line = LineId(u32::MAX);
        for token in [
            Token::Commands,
            Token::Rtp(line),
            Token::Rtcp(LineId(0)),
            Token::Card(line),
        ] {
            assert_eq!(Token::from_u64(token.to_u64()), Some(token));
        }
        assert_eq!(Token::from_u64(u64::MAX), None);
    }
}
