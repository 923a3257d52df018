//! A telephone on a virtual line's socket, seen from the audio thread: whole messages in, messages out, never
//! blocking, with bounds on everything the other end could hold up.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use tipring_hw::virtual_line::wire::MAX_MESSAGE_BYTES;
use tipring_hw::virtual_line::{Decoder, Message, Receiver, WireError};

/// An answer this late counts as silence.
const ANSWER_WITHIN: Duration = Duration::from_millis(30);

/// Frames sent within [`ANSWER_WITHIN`], and one.
const OUTSTANDING_MAX: usize = 4;

/// Bytes taken from one telephone between two ticks: 25 frames or 340 hook edges. A contact bounces tens of
/// times; what floods more waits in the socket.
const BYTES_PER_TICK: usize = 4096;

/// Bytes waiting for a telephone that doesn't read: none of them audio, so this is a thousand signals.
const WAITING_BYTES_MAX: usize = 4096;

/// A telephone that hasn't read for so long is gone.
const STUCK_FOR: Duration = Duration::from_secs(5);

/// Why a telephone is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplugged {
    /// It closed its end.
    Closed,
    /// It sent something that isn't the protocol.
    Protocol(WireError),
    /// It doesn't read what it is sent.
    Stuck,
}

impl fmt::Display for Unplugged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("it hung up the connection"),
            Self::Protocol(error) => write!(formatter, "it doesn't speak the protocol: {error}"),
            Self::Stuck => formatter.write_str("it doesn't read what it is sent"),
        }
    }
}

/// The connection.
#[derive(Debug)]
pub struct Telephone {
    stream: UnixStream,
    decoder: Decoder,
    received: [u8; BYTES_PER_TICK],
    budget: usize,
    waiting: [u8; WAITING_BYTES_MAX],
    waiting_bytes: usize,
    stuck_since: Option<Instant>,
    /// When the frames not yet answered were sent, oldest first.
    outstanding: [Option<Instant>; OUTSTANDING_MAX],
}

impl Telephone {
    /// `stream` must not block.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(Receiver::Daemon),
            received: [0; BYTES_PER_TICK],
            budget: BYTES_PER_TICK,
            waiting: [0; WAITING_BYTES_MAX],
            waiting_bytes: 0,
            stuck_since: None,
            outstanding: [None; OUTSTANDING_MAX],
        }
    }

    /// To be waited for.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// The connection, to be closed elsewhere.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// A new tick, a new allowance.
    pub fn refill(&mut self) {
        self.budget = BYTES_PER_TICK;
    }

    /// Reads what has arrived and hands over each message; of audio only the newest frames that answer one of
    /// ours, so that what piled up during a stall is not heard late.
    pub fn receive(&mut self, mut heard: impl FnMut(Message)) -> Result<(), Unplugged> {
        while self.budget > 0 {
            let length = match self.stream.read(&mut self.received[..self.budget]) {
                Ok(0) => return Err(Unplugged::Closed),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(Unplugged::Closed),
            };
            // Less than there was room for: nothing is left, and asking again would only be told so.
            let is_all = length < self.budget;
            self.budget -= length;
            let input = &self.received[..length];
            let mut superfluous = audio_frames(&self.decoder, input).saturating_sub(self.outstanding_count());
            let mut rest = input;
            while let Some(message) = self.decoder.decode(&mut rest).map_err(Unplugged::Protocol)? {
                if let Message::Audio(_) = message {
                    if superfluous > 0 {
                        superfluous -= 1;
                        continue;
                    }
                    if take_oldest(&mut self.outstanding).is_none() {
                        continue;
                    }
                }
                heard(message);
            }
            if is_all {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether one of our frames has not been answered.
    pub fn owes_answer(&self) -> bool {
        self.outstanding[0].is_some()
    }

    /// This tick's allowance was used up: more may wait in the socket.
    pub fn may_have_more(&self) -> bool {
        self.budget == 0
    }

    /// Whether a frame has waited too long for its answer; asked until it says no, each yes is a frame of silence.
    pub fn answer_is_overdue(&mut self, now: Instant) -> bool {
        let overdue =
            self.outstanding[0].is_some_and(|sent| now.saturating_duration_since(sent) > ANSWER_WITHIN);
        if overdue {
            take_oldest(&mut self.outstanding);
        }
        overdue
    }

    /// Sends a frame of audio and expects its answer. `false`: the telephone isn't reading just now and misses it.
    pub fn send_audio(&mut self, now: Instant, message: &Message) -> Result<bool, Unplugged> {
        self.flush(now)?;
        let Some(free) = self.outstanding.iter_mut().find(|place| place.is_none()) else {
            return Ok(false);
        };
        if self.waiting_bytes > 0 {
            return Ok(false);
        }
        *free = Some(now);
        self.write(now, message)?;
        Ok(true)
    }

    /// Sends anything but audio; it waits for a telephone that isn't reading, in order.
    pub fn send_signal(&mut self, now: Instant, message: &Message) -> Result<(), Unplugged> {
        self.flush(now)?;
        self.write(now, message)
    }

    fn write(&mut self, now: Instant, message: &Message) -> Result<(), Unplugged> {
        let mut buffer = [0; MAX_MESSAGE_BYTES];
        let bytes = message.encode(&mut buffer);
        let written = if self.waiting_bytes == 0 {
            write_some(&mut self.stream, bytes)?
        } else {
            0
        };
        let rest = &bytes[written..];
        if rest.is_empty() {
            return Ok(());
        }
        let end = self.waiting_bytes + rest.len();
        let room = self
            .waiting
            .get_mut(self.waiting_bytes..end)
            .ok_or(Unplugged::Stuck)?;
        room.copy_from_slice(rest);
        self.waiting_bytes = end;
        self.stuck_since.get_or_insert(now);
        Ok(())
    }

    fn flush(&mut self, now: Instant) -> Result<(), Unplugged> {
        let Some(since) = self.stuck_since else {
            return Ok(());
        };
        let written = write_some(&mut self.stream, &self.waiting[..self.waiting_bytes])?;
        self.waiting.copy_within(written..self.waiting_bytes, 0);
        self.waiting_bytes -= written;
        if self.waiting_bytes == 0 {
            self.stuck_since = None;
        } else if written > 0 {
            self.stuck_since = Some(now);
        } else if now.saturating_duration_since(since) > STUCK_FOR {
            return Err(Unplugged::Stuck);
        }
        Ok(())
    }

    fn outstanding_count(&self) -> usize {
        self.outstanding.iter().flatten().count()
    }
}

/// Frames of audio that `input` completes; a copy of the decoder counts them.
fn audio_frames(decoder: &Decoder, input: &[u8]) -> usize {
    let mut decoder = decoder.clone();
    let mut rest = input;
    let mut count = 0;
    while let Ok(Some(message)) = decoder.decode(&mut rest) {
        count += usize::from(matches!(message, Message::Audio(_)));
    }
    count
}

fn take_oldest(outstanding: &mut [Option<Instant>; OUTSTANDING_MAX]) -> Option<Instant> {
    let oldest = outstanding[0].take();
    outstanding.rotate_left(1);
    oldest
}

/// How much of `bytes` the socket took.
fn write_some(stream: &mut UnixStream, bytes: &[u8]) -> Result<usize, Unplugged> {
    match stream.write(bytes) {
        Ok(written) => Ok(written),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        Err(_) => Err(Unplugged::Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_EVERY: Duration = Duration::from_millis(10);

    fn plugged() -> (Telephone, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Telephone::new(ours), theirs)
    }

    fn audio(value: i16) -> Message {
        Message::Audio([value; 80])
    }

    fn say(stream: &mut UnixStream, message: &Message) {
        stream
            .write_all(message.encode(&mut [0; MAX_MESSAGE_BYTES]))
            .unwrap();
    }

    fn heard(telephone: &mut Telephone) -> Vec<Message> {
        let mut messages = Vec::new();
        telephone.receive(|message| messages.push(message)).unwrap();
        messages
    }

    #[test]
    fn an_answer_is_heard_at_once_and_only_when_asked_for() {
        let (mut telephone, mut far) = plugged();
        let start = Instant::now();
        say(&mut far, &audio(1));
        assert_eq!(heard(&mut telephone), [], "nobody asked");
        assert_eq!(telephone.send_audio(start, &audio(0)), Ok(true));
        say(&mut far, &audio(2));
        assert_eq!(heard(&mut telephone), [audio(2)]);
        assert!(!telephone.answer_is_overdue(start + 10 * FRAME_EVERY));
    }

    #[test]
    fn after_a_stall_the_newest_answers_are_heard() {
        let (mut telephone, mut far) = plugged();
        let start = Instant::now();
        let mut silence = 0;
        for tick in 0..10 {
            let now = start + tick * FRAME_EVERY;
            while telephone.answer_is_overdue(now) {
                silence += 1;
            }
            assert_eq!(telephone.send_audio(now, &audio(0)), Ok(true));
        }
        assert_eq!(silence, 6, "four are still within their time");
        for value in 0..10 {
            say(&mut far, &audio(value));
        }
        assert_eq!(heard(&mut telephone), [audio(6), audio(7), audio(8), audio(9)]);
    }

    #[test]
    fn a_telephone_that_never_reads_is_let_go_and_never_waited_for() {
        let (mut telephone, _far) = plugged();
        let start = Instant::now();
        let gone = (0..3000_u32).find_map(|tick| {
            let now = start + tick * FRAME_EVERY;
            while telephone.answer_is_overdue(now) {}
            telephone
                .send_audio(now, &audio(0))
                .err()
                .map(|reason| (reason, now - start))
        });
        let (reason, after) = gone.unwrap();
        assert_eq!(reason, Unplugged::Stuck);
        assert!(after > STUCK_FOR);
    }

    #[test]
    fn a_flood_waits_for_the_next_tick() {
        let (mut telephone, mut far) = plugged();
        let mut flood = Vec::new();
        for clock_us in 0..1000 {
            let closed = clock_us % 2 == 0;
            let message = Message::Hook { closed, clock_us };
            flood.extend_from_slice(message.encode(&mut [0; MAX_MESSAGE_BYTES]));
        }
        // In one piece: a thousand small ones would fill the kernel's books.
        far.write_all(&flood).unwrap();
        let first = heard(&mut telephone).len();
        assert_eq!(first, BYTES_PER_TICK / 12);
        assert_eq!(heard(&mut telephone).len(), 0);
        let mut all = first;
        for _ in 0..3 {
            telephone.refill();
            all += heard(&mut telephone).len();
        }
        assert_eq!(all, 1000, "nothing is lost");
    }

    #[test]
    fn nonsense_and_the_end_unplug() {
        let (mut telephone, mut far) = plugged();
        far.write_all(b"GET / HTTP/1.0\r\n").unwrap();
        assert_eq!(
            telephone.receive(|_| {}),
            Err(Unplugged::Protocol(WireError::Type(b'G')))
        );
        let (mut telephone, far) = plugged();
        drop(far);
        assert_eq!(telephone.receive(|_| {}), Err(Unplugged::Closed));
    }
}
