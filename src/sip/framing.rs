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
    /// We have sent a ping: the next line break is its answer, not the second half of a ping of theirs.
    pub fn ping_sent(&mut self) {
        self.half_ping = false;
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";

    fn message(body: &str) -> Vec<u8> {
        format!("{OPTIONS}l: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn frames(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut framer = StreamFramer::new();
        let mut frames = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            frames.extend(std::iter::from_fn(|| framer.poll()));
        }
        frames
    }

    fn bodies(frames: &[Frame]) -> Vec<&[u8]> {
        let body = |frame| match frame {
            &Frame::Message(Message::Request(ref request)) => request.body.as_slice(),
            other => panic!("{other:?}"),
        };
        frames.iter().map(body).collect()
    }

    #[test]
    fn messages_follow_each_other_in_one_piece_or_in_bytes() {
        let stream = [message("one"), message(""), message("three\r\n\r\n")].concat();
        let whole = frames(&[&stream]);
        assert_eq!(bodies(&whole), [&b"one"[..], b"", b"three\r\n\r\n"]);
        let bytes: Vec<_> = stream.chunks(1).collect();
        assert_eq!(frames(&bytes), whole);
    }

    #[test]
    fn the_answers_to_two_pings_are_two_answers() {
        let mut framer = StreamFramer::default();
        for _ in 0..3 {
            framer.ping_sent();
            framer.push(PONG);
            assert_eq!((framer.poll(), framer.poll()), (Some(Frame::Pong), None));
        }
    }

    #[test]
    fn keep_alives() {
        assert_eq!(frames(&[PING]), [Frame::Ping]);
        assert_eq!(frames(&[b"\r\n"]), [Frame::Pong]);
        assert_eq!(
            frames(&[b"\r\n", b"\r\n"]),
            [Frame::Pong, Frame::Ping],
            "the halves of a ping"
        );
        assert_eq!(frames(&[b"\r\n\r", b"\n\r\n\r\n"]), [Frame::Ping, Frame::Ping]);
        assert_eq!(frames(&[b"\n\r\r\n\r\n"]), [Frame::Ping]);
        let around = [b"\r\n\r\n".as_slice(), &message("x"), b"\r\n\r\n"].concat();
        let around = frames(&[&around]);
        assert_eq!((&around[0], &around[2]), (&Frame::Ping, &Frame::Ping));
    }

    #[test]
    fn a_wrong_message_of_known_length_harms_no_other() {
        let wrong = String::from_utf8(message("abc"))
            .unwrap()
            .replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE");
        let stream = [wrong.into_bytes(), message("next")].concat();
        let frames = frames(&[&stream]);
        assert!(
            matches!(&frames[0], Frame::Rejected(ParseError::BadRequest(bad)) if bad.fault == Fault::CSeqMethod)
        );
        assert_eq!(bodies(&frames[1..]), [b"next"]);
    }

    #[test]
    fn without_a_length_the_connection_is_lost() {
        let missing = format!("{OPTIONS}\r\n");
        let negative = format!("{OPTIONS}Content-Length: -1\r\n\r\n");
        let two = format!("{OPTIONS}Content-Length: 1\r\nContent-Length: 2\r\n\r\n");
        for text in [missing, negative, two] {
            let mut framer = StreamFramer::new();
            framer.push(text.as_bytes());
            assert!(
                matches!(framer.poll(), Some(Frame::Broken(ParseError::BadRequest(bad))) if bad.status.code() == 400)
            );
            framer.push(&message(""));
            assert_eq!(framer.poll(), None);
        }
        let other = frames(&[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]);
        assert!(matches!(other[..], [Frame::Broken(ParseError::Garbage(_))]));
    }

    #[test]
    fn what_never_ends_is_cut_off() {
        let huge = format!("{OPTIONS}Content-Length: 99999999999\r\n\r\n");
        assert!(matches!(
            &frames(&[huge.as_bytes()])[..],
            [Frame::Broken(ParseError::BadRequest(_))]
        ));
        let mut framer = StreamFramer::new();
        for _ in 0..100 {
            framer.push(&[b'x'; 1000]);
            if let Some(frame) = framer.poll() {
                assert_eq!(frame, Frame::Broken(ParseError::Garbage(Fault::StartLine)));
                return;
            }
        }
        panic!("never cut off");
    }

    #[test]
    fn a_flood_of_stray_line_breaks_is_no_deep_recursion() {
        assert_eq!(frames(&[&[b'\n'; 200_000]]), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However the network cuts the stream, the same messages come out.
        #[test]
        fn cuts_do_not_matter(bodies_sent in prop::collection::vec("[a-z\r\n]{0,20}", 1..5), cuts in prop::collection::vec(1usize..60, 1..40)) {
            let stream: Vec<u8> = bodies_sent.iter().flat_map(|body| message(body)).collect();
            let mut chunks = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            let out = frames(&chunks);
            let wanted: Vec<_> = bodies_sent.iter().map(String::as_bytes).collect();
            prop_assert_eq!(bodies(&out), wanted);
        }

        #[test]
        fn any_bytes_are_survived(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let chunks: Vec<_> = chunks.iter().map(Vec::as_slice).collect();
            let _ = frames(&chunks);
        }
    }
}
