//! Messages out of a stream: RFC 3261 section 18.3 and 7.5, keep-alives of RFC 5626 section 3.5.1.

use super::message::parse;
use super::message::{Fault, HeaderError, HeaderName, MAX_MESSAGE_BYTES, Message, ParseError};

/// Cuts one connection's bytes into messages.
///
/// ```text
/// framer.push(bytes);
/// while let Some(frame) = framer.poll() { … }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// Where the unread part of `buffer` starts.
    start: usize,
    /// Unread bytes in which no end of a header was found.
    searched: usize,
    /// Length of the message at `start`, once its header is whole.
    whole: Option<usize>,
    /// The last thing read was a single line break: another one makes it a ping.
    half_ping: bool,
    /// The connection can't be read on.
    broken: bool,
}

/// What came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Message(Message),
    /// A message to refuse or drop; the stream goes on behind it.
    Rejected(ParseError),
    /// A keep-alive: answer with [`PONG`].
    Ping,
    /// The answer to ours (or the first half of a ping, which can't be told apart yet).
    Pong,
    /// Where the next message starts can't be known: answer it if it can be, and close the connection.
    /// Nothing comes after it.
    Broken(ParseError),
}

/// The answer to a ping.
pub const PONG: &[u8] = b"\r\n";

/// A ping of our own.
pub const PING: &[u8] = b"\r\n\r\n";

impl StreamFramer {
    /// A connection without bytes yet.
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            whole: None,
            half_ping: false,
            broken: false,
        }
    }

    /// Bytes have arrived; [`Self::poll`] until it returns `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next thing in the stream; `None` until more bytes arrive.
    pub fn poll(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        let whole = match self.whole {
            Some(whole) => whole,
            None => {
                if self.searched == 0 {
                    match self.line_breaks() {
                        LineBreaks::Frame(frame) => return Some(frame),
                        LineBreaks::Unfinished => return None,
                        LineBreaks::None => {}
                    }
                }
                match self.find_end()? {
                    Ok(whole) => whole,
                    Err(fault) => return Some(self.break_off(fault)),
                }
            }
        };
        self.whole = Some(whole);
        let parsed = Message::parse(self.unread().get(..whole)?);
        self.start += whole;
        self.whole = None;
        self.searched = 0;
        Some(match parsed {
            Ok(message) => Frame::Message(message),
            Err(error) => Frame::Rejected(error),
        })
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Takes line breaks between messages.
    fn line_breaks(&mut self) -> LineBreaks {
        loop {
            let (used, frame) = match self.unread() {
                [b'\r', b'\n', ..] if self.half_ping => (2, Frame::Ping),
                [b'\r', b'\n', b'\r', b'\n', ..] => (4, Frame::Ping),
                // Half a line break, or a ping that isn't finished.
                [] | [b'\r'] | [b'\r', b'\n', b'\r'] => return LineBreaks::Unfinished,
                [b'\r', b'\n', ..] => (2, Frame::Pong),
                // A stray half of a line break.
                [b'\r' | b'\n', ..] => {
                    self.start += 1;
                    continue;
                }
                _ => {
                    self.half_ping = false;
                    return LineBreaks::None;
                }
            };
            self.half_ping = frame == Frame::Pong;
            self.start += used;
            return LineBreaks::Frame(frame);
        }
    }

    /// Length of the message at the start of what is unread; `None` while its header isn't whole.
    fn find_end(&mut self) -> Option<Result<usize, Fault>> {
        let unread = self.unread();
        let Some(head) = parse::head_length(unread, self.searched) else {
            let have = unread.len();
            // The end may straddle what is here and what comes.
            self.searched = have.saturating_sub(3);
            return (have > MAX_MESSAGE_BYTES).then_some(Err(Fault::TooLarge));
        };
        Some(match parse::content_length(unread.get(..head)?) {
            Err(fault) => Err(fault),
            Ok(None) => Err(HeaderError::Missing(HeaderName::CONTENT_LENGTH).into()),
            Ok(Some(body)) => match head.checked_add(body) {
                Some(whole) if whole <= MAX_MESSAGE_BYTES => Ok(whole),
                _ => Err(Fault::TooLarge),
            },
        })
    }

    fn break_off(&mut self, fault: Fault) -> Frame {
        self.broken = true;
        let error = parse::refuse_whole(self.unread(), fault);
        self.buffer = Vec::new();
        self.start = 0;
        Frame::Broken(error)
    }
}

enum LineBreaks {
    Frame(Frame),
    Unfinished,
    None,
}
