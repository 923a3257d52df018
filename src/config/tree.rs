//! YAML text → a tree in which everything knows its place. The only user of the YAML parser.
//!
//! What a configuration has no use for is refused here: anchors and aliases (and with them the texts that unfold
//! without end), tags, several documents, keys that are not plain text, deep nesting, files of megabytes.

use granit_parser::{Event, Marker, Parser, ScalarStyle};

use super::FILE_BYTES_MAX;
use super::problem::{Place, Problems};

/// Deepest nesting; the notation needs four levels.
const DEPTH_MAX: usize = 16;

/// A piece of YAML.
#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar {
        text: String,
        /// Written without quotes.
        plain: bool,
        /// Written in one line without escapes, so that places inside it can be pointed at.
        verbatim: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// Something that has been complained about already.
    Broken,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub place: Place,
    pub text: String,
}

impl Node {
    /// Whether it is YAML's nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true, .. }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, for "expected ..., found ...".
    pub fn kind(&self) -> &'static str {
        match &self.content {
            _ if self.is_null() => "nothing",
            Content::Scalar { plain: true, .. } => "a single value",
            Content::Scalar { plain: false, .. } => "text in quotes",
            Content::List(_) => "a list",
            Content::Map(_) => "a section with keys",
            Content::Broken => "something else",
        }
    }
}

/// Reads one document. `None` where there is none that can be walked over.
pub(super) fn read(bytes: &[u8], problems: &mut Problems) -> Option<Node> {
    if bytes.len() > FILE_BYTES_MAX {
        problems.error(
            Place::START,
            format!("a configuration has at most {} KiB", FILE_BYTES_MAX / 1024),
        );
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            problems.error(
                place_of_byte(bytes, error.valid_up_to()),
                "this byte is not UTF-8 text",
            );
            return None;
        }
    };
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder {
        problems,
        open: Vec::new(),
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let verbatim = span
                    .slice(text)
                    .is_some_and(|source| !source.contains(['\n', '\\']));
                if !builder.event(event, place(&span.start), verbatim) {
                    return None;
                }
            }
            Err(error) => {
                let place = place(error.marker());
                let words = syntax(text, place, &error.info());
                builder.problems.error(place, words);
                return None;
            }
        }
    }
    builder.root
}

/// The parser's words, or better ones where a frequent cause is to be seen.
fn syntax(text: &str, place: Place, words: &str) -> String {
    let line = text
        .lines()
        .nth(place.line.saturating_sub(1) as usize)
        .unwrap_or_default();
    let indentation = line.len() - line.trim_start().len();
    if line[..indentation].contains('\t') {
        return "a tab in the indentation: YAML is indented with spaces".to_owned();
    }
    if words.contains("nesting") || words.contains("recursion") {
        return format!("nested more than {DEPTH_MAX} levels deep");
    }
    format!("not valid YAML: {words}")
}

fn place(marker: &Marker) -> Place {
    Place {
        line: u32::try_from(marker.line().max(1)).unwrap_or(u32::MAX),
        column: u32::try_from(marker.col() + 1).unwrap_or(u32::MAX),
    }
}

fn place_of_byte(bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    Place {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

struct Builder<'a> {
    problems: &'a mut Problems,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

/// A collection that has begun.
struct Open {
    place: Place,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        key: Option<Key>,
    },
}

impl Builder<'_> {
    /// Takes one event; `false` ends the reading.
    fn event(&mut self, event: Event<'_>, place: Place, verbatim: bool) -> bool {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problems.error(
                        place,
                        "a second document begins here: a configuration is one document",
                    );
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let content = Content::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                    verbatim: verbatim && !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
                };
                self.decorated(place, anchor, tag.is_some());
                self.finished(Node { place, content });
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.decorated(place, anchor, tag.is_some());
                self.open.push(Open {
                    place,
                    kind: OpenKind::List(Vec::new()),
                });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.decorated(place, anchor, tag.is_some());
                self.open.push(Open {
                    place,
                    kind: OpenKind::Map {
                        entries: Vec::new(),
                        key: None,
                    },
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let content = match open.kind {
                        OpenKind::List(list) => Content::List(list),
                        OpenKind::Map { entries, .. } => Content::Map(entries),
                    };
                    self.finished(Node {
                        place: open.place,
                        content,
                    });
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.problems
                    .error(place, "aliases (`*name`) are not used here: write the value out");
                self.finished(Node {
                    place,
                    content: Content::Broken,
                });
            }
            // The beginnings and ends of streams and documents; comments and anchors are not asked for.
            _ => {}
        }
        true
    }

    fn decorated(&mut self, place: Place, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.problems.error(place, "anchors (`&name`) are not used here");
        }
        if tagged {
            self.problems.error(place, "tags (`!name`) are not used here");
        }
    }

    /// Puts a finished node where it belongs.
    fn finished(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.kind {
            OpenKind::List(list) => list.push(node),
            OpenKind::Map { entries, key } => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let text = match node.content {
                        Content::Scalar { text, .. } => text,
                        Content::List(_) | Content::Map(_) | Content::Broken => {
                            self.problems
                                .error(node.place, "expected a key, which is plain text");
                            String::new()
                        }
                    };
                    *key = Some(Key {
                        place: node.place,
                        text,
                    });
                }
            },
        }
    }
}
