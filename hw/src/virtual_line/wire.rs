//! Messages of the virtual line: one byte type, two bytes payload length (little endian), payload.
//!
//! | type | from | payload |
//! |---|---|---|
//! | `A` | both | 80 signed 16-bit little-endian samples, mono, 8000 Hz |
//! | `H` | telephone | u8 loop closed, u64 little-endian microseconds on the telephone's clock |
//! | `R` | daemon | u8 ringing voltage on |
//! | `P` | daemon | u8 battery reversed |
//! | `B` | daemon | u8 loop fed |

/// Samples in one audio frame: 10 ms at 8000 Hz.
pub const FRAME_SAMPLES: usize = 80;

/// Bytes before the payload: type and length.
pub const HEADER_BYTES: usize = 3;

/// The longest message, an audio frame.
pub const MAX_MESSAGE_BYTES: usize = HEADER_BYTES + 2 * FRAME_SAMPLES;

/// One message. Small enough to be passed by value; decoding allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// One frame of audio; 0 dBm0 is a sine of peak 22,827.
    Audio([i16; FRAME_SAMPLES]),
    /// An edge of the telephone's hook switch, bounce included.
    Hook {
        /// The loop is closed (off hook).
        closed: bool,
        /// Microseconds on the telephone's own monotonic clock.
        clock_us: u64,
    },
    /// Ringing voltage went on or off.
    Ring {
        /// On.
        on: bool,
    },
    /// The battery's polarity.
    Polarity {
        /// Reversed.
        reversed: bool,
    },
    /// The loop feed.
    Battery {
        /// Fed; not so while the line is out of service or signals disconnection.
        fed: bool,
    },
}

impl Message {
    /// Writes the message into `buffer` and returns the bytes to send.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; MAX_MESSAGE_BYTES]) -> &'b [u8] {
        let payload_bytes = match self {
            Self::Audio(samples) => {
                for (bytes, sample) in buffer[HEADER_BYTES..].chunks_exact_mut(2).zip(samples) {
                    bytes.copy_from_slice(&sample.to_le_bytes());
                }
                2 * FRAME_SAMPLES
            }
            Self::Hook { closed, clock_us } => {
                buffer[HEADER_BYTES] = u8::from(*closed);
                buffer[HEADER_BYTES + 1..HEADER_BYTES + 9].copy_from_slice(&clock_us.to_le_bytes());
                9
            }
            Self::Ring { on: flag } | Self::Polarity { reversed: flag } | Self::Battery { fed: flag } => {
                buffer[HEADER_BYTES] = u8::from(*flag);
                1
            }
        };
        buffer[0] = self.kind().byte();
        // At most 160, see MAX_MESSAGE_BYTES.
        buffer[1..HEADER_BYTES].copy_from_slice(&(payload_bytes as u16).to_le_bytes());
        &buffer[..HEADER_BYTES + payload_bytes]
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Audio(_) => Kind::Audio,
            Self::Hook { .. } => Kind::Hook,
            Self::Ring { .. } => Kind::Ring,
            Self::Polarity { .. } => Kind::Polarity,
            Self::Battery { .. } => Kind::Battery,
        }
    }
}

/// Which end a [`Decoder`] reads for: each may only be sent what the other is entitled to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The daemon: audio and hook edges come in.
    Daemon,
    /// The telephone: audio, ringing, polarity and battery come in.
    Telephone,
}

/// Cuts a byte stream into messages.
///
/// After an error every further call fails in the same way: the connection has to be closed.
#[derive(Clone, Debug)]
pub struct Decoder {
    receiver: Receiver,
    buffer: [u8; MAX_MESSAGE_BYTES],
    filled: usize,
}

impl Decoder {
    /// A decoder for one end of a fresh connection.
    pub fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            buffer: [0; MAX_MESSAGE_BYTES],
            filled: 0,
        }
    }

    /// Takes bytes off the front of `input` until a message is complete; `None` when `input` is used up.
    ///
    /// # Errors
    ///
    /// A type this end has no use for, a length that is not the type's, or a flag that is neither 0 nor 1.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        loop {
            let wanted = match self.step()? {
                Step::Complete(kind) => {
                    let message = self.message(kind)?;
                    self.filled = 0;
                    return Ok(Some(message));
                }
                Step::Want(bytes) => bytes,
            };
            if input.is_empty() {
                return Ok(None);
            }
            let (taken, rest) = input.split_at(input.len().min(wanted - self.filled));
            self.buffer[self.filled..self.filled + taken.len()].copy_from_slice(taken);
            self.filled += taken.len();
            *input = rest;
        }
    }

    /// Judges what is in the buffer as early as it can be: a bad type at its first byte.
    fn step(&self) -> Result<Step, WireError> {
        if self.filled == 0 {
            return Ok(Step::Want(1));
        }
        let kind = self.kind()?;
        if self.filled < HEADER_BYTES {
            return Ok(Step::Want(HEADER_BYTES));
        }
        let (length, expected) = (
            u16::from_le_bytes([self.buffer[1], self.buffer[2]]),
            kind.payload_bytes(),
        );
        if usize::from(length) != expected {
            return Err(WireError::Length {
                kind: char::from(kind.byte()),
                length,
                expected,
            });
        }
        if self.filled < HEADER_BYTES + expected {
            return Ok(Step::Want(HEADER_BYTES + expected));
        }
        Ok(Step::Complete(kind))
    }

    fn kind(&self) -> Result<Kind, WireError> {
        let byte = self.buffer[0];
        match (Kind::from_byte(byte), self.receiver) {
            (Some(kind @ (Kind::Audio | Kind::Hook)), Receiver::Daemon)
            | (
                Some(kind @ (Kind::Audio | Kind::Ring | Kind::Polarity | Kind::Battery)),
                Receiver::Telephone,
            ) => Ok(kind),
            _ => Err(WireError::Type(byte)),
        }
    }

    fn message(&self, kind: Kind) -> Result<Message, WireError> {
        let payload = &self.buffer[HEADER_BYTES..];
        Ok(match kind {
            Kind::Audio => {
                let mut samples = [0; FRAME_SAMPLES];
                for (sample, bytes) in samples.iter_mut().zip(payload.chunks_exact(2)) {
                    *sample = i16::from_le_bytes([bytes[0], bytes[1]]);
                }
                Message::Audio(samples)
            }
            Kind::Hook => {
                let mut clock = [0; 8];
                clock.copy_from_slice(&payload[1..9]);
                Message::Hook {
                    closed: flag(kind, payload[0])?,
                    clock_us: u64::from_le_bytes(clock),
                }
            }
            Kind::Ring => Message::Ring {
                on: flag(kind, payload[0])?,
            },
            Kind::Polarity => Message::Polarity {
                reversed: flag(kind, payload[0])?,
            },
            Kind::Battery => Message::Battery {
                fed: flag(kind, payload[0])?,
            },
        })
    }
}

/// What the decoder does next.
enum Step {
    /// Fill the buffer up to this many bytes.
    Want(usize),
    /// A whole message of this kind is there.
    Complete(Kind),
}

/// Why a connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A type byte this end has no use for.
    #[error("message of unknown type 0x{0:02x}")]
    Type(u8),
    /// A length that is not the type's.
    #[error("message {kind} of {length} bytes where {expected} were expected")]
    Length {
        /// The type's letter.
        kind: char,
        /// Bytes announced.
        length: u16,
        /// Bytes this type always has.
        expected: usize,
    },
    /// A flag that is neither 0 nor 1.
    #[error("message {kind} with state {value} where 0 or 1 was expected")]
    Flag {
        /// The type's letter.
        kind: char,
        /// The byte found.
        value: u8,
    },
}

fn flag(kind: Kind, value: u8) -> Result<bool, WireError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Flag {
            kind: char::from(kind.byte()),
            value,
        }),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Audio,
    Hook,
    Ring,
    Polarity,
    Battery,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x41 => Some(Self::Audio),
            0x48 => Some(Self::Hook),
            0x52 => Some(Self::Ring),
            0x50 => Some(Self::Polarity),
            0x42 => Some(Self::Battery),
            _ => None,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Audio => 0x41,
            Self::Hook => 0x48,
            Self::Ring => 0x52,
            Self::Polarity => 0x50,
            Self::Battery => 0x42,
        }
    }

    fn payload_bytes(self) -> usize {
        match self {
            Self::Audio => 2 * FRAME_SAMPLES,
            Self::Hook => 9,
            Self::Ring | Self::Polarity | Self::Battery => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<Vec<Message>, WireError> {
        let mut messages = Vec::new();
        while let Some(message) = decoder.decode(&mut bytes)? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn bytes_are_as_documented() {
        let mut buffer = [0; MAX_MESSAGE_BYTES];
        let hook = Message::Hook {
            closed: true,
            clock_us: 0x0102_0304_0506_0708,
        };
        assert_eq!(hook.encode(&mut buffer), [b'H', 9, 0, 1, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(Message::Ring { on: true }.encode(&mut buffer), [b'R', 1, 0, 1]);
        assert_eq!(
            Message::Polarity { reversed: false }.encode(&mut buffer),
            [b'P', 1, 0, 0]
        );
        assert_eq!(
            Message::Battery { fed: true }.encode(&mut buffer),
            [b'B', 1, 0, 1]
        );
        let mut samples = [0; FRAME_SAMPLES];
        samples[0] = -2;
        let bytes = Message::Audio(samples).encode(&mut buffer);
        assert_eq!(bytes.len(), 163);
        assert_eq!(bytes[..6], [b'A', 160, 0, 0xFE, 0xFF, 0]);
    }

    #[test]
    fn unknown_type_is_refused_at_its_first_byte_and_for_good() {
        let mut decoder = Decoder::new(Receiver::Daemon);
        assert_eq!(all(&mut decoder, b"X"), Err(WireError::Type(b'X')));
        assert_eq!(all(&mut decoder, &[b'H', 9, 0]), Err(WireError::Type(b'X')));
    }

    #[test]
    fn each_end_refuses_what_only_it_may_say() {
        for (receiver, own) in [(Receiver::Daemon, &b"RPB"[..]), (Receiver::Telephone, &b"H"[..])] {
            for byte in own {
                assert_eq!(
                    all(&mut Decoder::new(receiver), &[*byte]),
                    Err(WireError::Type(*byte))
                );
            }
        }
    }

    #[test]
    fn wrong_lengths_are_refused_before_the_payload() {
        for length in [0_u16, 1, 159, 161, 320, u16::MAX] {
            let header = [&b"A"[..], &length.to_le_bytes()].concat();
            let refused = all(&mut Decoder::new(Receiver::Daemon), &header);
            assert_eq!(
                refused,
                Err(WireError::Length {
                    kind: 'A',
                    length,
                    expected: 160
                })
            );
        }
    }

    #[test]
    fn a_hook_state_other_than_open_or_closed_is_refused() {
        let bytes = [b'H', 9, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
        let refused = all(&mut Decoder::new(Receiver::Daemon), &bytes);
        assert_eq!(refused, Err(WireError::Flag { kind: 'H', value: 2 }));
    }

    fn from_telephone() -> impl Strategy<Value = Message> {
        prop_oneof![
            any::<[i16; FRAME_SAMPLES]>().prop_map(Message::Audio),
            (any::<bool>(), any::<u64>()).prop_map(|(closed, clock_us)| Message::Hook { closed, clock_us }),
        ]
    }

    proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_messages(
            sent in prop::collection::vec(from_telephone(), 0..12),
            cut in 1_usize..200,
        ) {
            let mut stream = Vec::new();
            for message in &sent {
                stream.extend_from_slice(message.encode(&mut [0; MAX_MESSAGE_BYTES]));
            }
            let mut decoder = Decoder::new(Receiver::Daemon);
            let mut received = Vec::new();
            for piece in stream.chunks(cut) {
                received.extend(all(&mut decoder, piece).unwrap());
            }
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for receiver in [Receiver::Daemon, Receiver::Telephone] {
                let _ = all(&mut Decoder::new(receiver), &bytes);
            }
        }
    }
}
