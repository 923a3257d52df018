//! The notation of digit maps → [`DialPlan`].

use std::time::Duration;

use super::plan::{DialPlan, Edit, Element, KeySet, NumberRule, Repeat, Rule, RuleKind};

/// Longest timer (SPA and ATA devices: 0 to 64 s).
const TIMER_MAX_S: u64 = 64;

/// What is wrong with a digit map, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {problem}", offset + 1)]
pub struct DialPlanError {
    /// How many characters come before the place.
    pub offset: usize,
    /// What was expected there, and what was found.
    pub problem: String,
}

type Parsed<T> = Result<T, DialPlanError>;

pub(super) fn plan(text: &str) -> Parsed<DialPlan> {
    let mut reader = Reader {
        characters: text.chars().collect(),
        at: 0,
    };
    if reader.characters.len() > DialPlan::TEXT_MAX {
        return Err(DialPlanError {
            offset: DialPlan::TEXT_MAX,
            problem: format!("a dial plan has at most {} characters", DialPlan::TEXT_MAX),
        });
    }
    let mut plan = DialPlan {
        text: text.to_owned(),
        rules: Vec::new(),
        first_digit: None,
        long: None,
        short: None,
    };
    while let Some(letter @ ('S' | 'L' | 'P')) = reader.peek() {
        reader.next();
        reader.expect(':', "`:` and seconds, as in `S:4,( ... )`")?;
        let timer = reader.seconds()?;
        reader.expect(',', "`,` after the plan's timer")?;
        match letter {
            'S' => plan.short = Some(timer),
            'L' => plan.long = Some(timer),
            _ => plan.first_digit = Some(timer),
        }
    }
    reader.expect('(', "`(`: a plan is written `( rule | rule )`")?;
    loop {
        match rule(&mut reader)? {
            Alternative::Rule(rule) => plan.rules.push(rule),
            Alternative::FirstDigit(timer) => plan.first_digit = Some(timer),
        }
        match reader.next() {
            Some('|') => {}
            Some(')') => break,
            found => return Err(reader.wrong_before("`|` and another rule, or `)`", found)),
        }
    }
    match reader.peek() {
        None => Ok(plan),
        found => Err(reader.wrong("nothing after the closing `)`", found)),
    }
}

enum Alternative {
    Rule(Rule),
    /// `P n` by itself.
    FirstDigit(Duration),
}

/// A rule up to the `|` or `)` that ends it.
fn rule(reader: &mut Reader) -> Parsed<Alternative> {
    let start = reader.place();
    let mut rule = NumberRule::default();
    let mut first = None;
    if reader.accept('!') {
        rule.barred = true;
    }
    let mut element_before = false;
    while let Some(found) = reader.peek() {
        let element = match found {
            '|' | ')' => break,
            '!' => {
                reader.next();
                rule.barred = true;
                match reader.peek() {
                    Some('|' | ')') => break,
                    found => return Err(reader.wrong("the end of the rule after `!`", found)),
                }
            }
            '.' | '?' => {
                repeat(reader, &mut rule, element_before)?;
                None
            }
            ',' => {
                reader.next();
                rule.second_dial_tone.push(rule.elements.len());
                None
            }
            'S' => {
                reader.next();
                let timer = reader.seconds()?;
                rule.short = Some(rule.short.unwrap_or_default() + timer);
                None
            }
            'L' => {
                reader.next();
                rule.long.push((rule.elements.len(), reader.seconds()?));
                None
            }
            'P' => {
                if !rule.elements.is_empty() || first.is_some() {
                    return Err(reader.wrong("`P` only at the start of a rule", Some('P')));
                }
                reader.next();
                first = Some(reader.seconds()?);
                None
            }
            '<' => {
                edit(reader, &mut rule)?;
                None
            }
            _ => Some(key_set(reader)?),
        };
        element_before = element.is_some();
        if let Some(keys) = element {
            rule.elements.push(Element {
                keys,
                repeat: Repeat::Once,
            });
        }
    }
    finish(reader, start, rule, first)
}

/// Decides what kind of rule it is.
fn finish(reader: &Reader, start: usize, rule: NumberRule, first: Option<Duration>) -> Parsed<Alternative> {
    let text: String = reader.characters[start..reader.at]
        .iter()
        .collect::<String>()
        .trim()
        .to_owned();
    let sent: String = rule.edits.iter().map(|edit| edit.sent.as_str()).collect();
    let wrong = |problem: &str| {
        Err(DialPlanError {
            offset: start,
            problem: problem.to_owned(),
        })
    };
    if !rule.elements.is_empty() {
        return match first {
            Some(_) => wrong("`P n` waits for no digits: expected `P n` alone or `P n<:number>`"),
            None => Ok(Alternative::Rule(Rule {
                text,
                kind: RuleKind::Number(rule),
            })),
        };
    }
    match (first.or(rule.short), sent.is_empty()) {
        (Some(delay), false) if !rule.barred => Ok(Alternative::Rule(Rule {
            text,
            kind: RuleKind::Hotline { delay, number: sent },
        })),
        (Some(timer), true) if first.is_some() && !rule.barred => Ok(Alternative::FirstDigit(timer)),
        (None, false) => {
            wrong("a number sent without any digit needs its time: `P n<:number>`, seconds after off-hook")
        }
        _ => wrong("expected a rule, found an empty one"),
    }
}

fn repeat(reader: &mut Reader, rule: &mut NumberRule, element_before: bool) -> Parsed<()> {
    let sign = reader.peek();
    match rule.elements.last_mut() {
        Some(element) if element_before && element.repeat == Repeat::Once => {
            element.repeat = if sign == Some('.') {
                Repeat::ZeroOrMore
            } else {
                Repeat::Optional
            };
            reader.next();
            Ok(())
        }
        _ => Err(reader.wrong("a key, `x` or a set to repeat", sign)),
    }
}

/// `<dialled:sent>`.
fn edit(reader: &mut Reader, rule: &mut NumberRule) -> Parsed<()> {
    reader.next();
    let start = rule.elements.len();
    let mut element_before = false;
    loop {
        match reader.peek() {
            Some(':') => break,
            Some('S') => {
                reader.next();
                let timer = reader.seconds()?;
                rule.short = Some(rule.short.unwrap_or_default() + timer);
                element_before = false;
            }
            Some('.' | '?') => {
                repeat(reader, rule, element_before)?;
                element_before = false;
            }
            found @ (None | Some('<' | '>' | '|' | '(' | ')' | ',' | '!' | 'L' | 'P')) => {
                return Err(reader.wrong("`:` between what is dialled and what is sent", found));
            }
            Some(_) => {
                let keys = key_set(reader)?;
                rule.elements.push(Element {
                    keys,
                    repeat: Repeat::Once,
                });
                element_before = true;
            }
        }
    }
    reader.next();
    let mut sent = String::new();
    loop {
        match reader.next() {
            Some('>') => break,
            Some(character) if character.is_ascii_alphanumeric() || "+*#-_.".contains(character) => {
                sent.push(character);
            }
            found => {
                return Err(reader.wrong_before("digits, letters, `+`, `*` or `#` to send, then `>`", found));
            }
        }
    }
    rule.edits.push(Edit {
        start,
        end: rule.elements.len(),
        sent,
    });
    Ok(())
}

/// One element: a key, a class of keys or a set in brackets.
fn key_set(reader: &mut Reader) -> Parsed<KeySet> {
    match reader.next() {
        Some('x') => Ok(KeySet::DIGITS),
        Some('X') => Ok(KeySet::DIGITS_AND_STAR),
        Some('@') => Ok(KeySet::ALL_BUT_HASH),
        Some('[') => bracketed(reader),
        found => match found.and_then(KeySet::of) {
            Some(keys) => Ok(keys),
            None => {
                Err(reader.wrong_before("a key (0-9 * # A-D), `x`, a set `[ ]` or `<dialled:sent>`", found))
            }
        },
    }
}

fn bracketed(reader: &mut Reader) -> Parsed<KeySet> {
    let negated = reader.accept('^');
    let mut set = KeySet::EMPTY;
    loop {
        let found = reader.next();
        if found == Some(']') {
            break;
        }
        let key = match found {
            Some('x') => Some(KeySet::DIGITS),
            found => found.and_then(KeySet::of),
        };
        let (Some(key), Some(low)) = (key, found) else {
            return Err(reader.wrong_before("keys such as `2-9` and then `]`", found));
        };
        if reader.accept('-') {
            let found = reader.next();
            match (low.to_digit(10), found.and_then(|high| high.to_digit(10))) {
                (Some(low), Some(high)) if low <= high => {
                    for digit in low..=high {
                        set = set.union(
                            char::from_digit(digit, 10)
                                .and_then(KeySet::of)
                                .unwrap_or_default(),
                        );
                    }
                }
                _ => {
                    return Err(
                        reader.wrong_before("a range of digits, the lower first, such as `2-9`", found)
                    );
                }
            }
        } else {
            set = set.union(key);
        }
    }
    let set = if negated {
        KeySet::DIGITS_AND_STAR.without(set)
    } else {
        set
    };
    if set == KeySet::EMPTY {
        return Err(reader.wrong_before("a set that some key is in", Some(']')));
    }
    Ok(set)
}

/// Walks over the text; spaces don't count.
struct Reader {
    characters: Vec<char>,
    at: usize,
}

impl Reader {
    /// The place of the next character that counts.
    fn place(&mut self) -> usize {
        while self.characters.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.at
    }

    fn peek(&mut self) -> Option<char> {
        let place = self.place();
        self.characters.get(place).copied()
    }

    fn next(&mut self) -> Option<char> {
        let found = self.peek();
        self.at += usize::from(found.is_some());
        found
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: char, expected: &str) -> Parsed<()> {
        if self.accept(wanted) {
            Ok(())
        } else {
            let found = self.peek();
            Err(self.wrong(expected, found))
        }
    }

    /// Seconds, whole.
    fn seconds(&mut self) -> Parsed<Duration> {
        let start = self.place();
        let mut seconds: Option<u64> = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            seconds = Some(
                seconds
                    .unwrap_or(0)
                    .saturating_mul(10)
                    .saturating_add(u64::from(digit)),
            );
        }
        match seconds {
            Some(seconds @ 0..=TIMER_MAX_S) => Ok(Duration::from_secs(seconds)),
            Some(_) => Err(DialPlanError {
                offset: start,
                problem: format!("expected at most {TIMER_MAX_S} seconds"),
            }),
            None => {
                let found = self.peek();
                Err(self.wrong("seconds", found))
            }
        }
    }

    /// An error at the next character.
    fn wrong(&self, expected: &str, found: Option<char>) -> DialPlanError {
        let found = match found {
            None => "the end".to_owned(),
            Some(found) => format!("`{found}`"),
        };
        DialPlanError {
            offset: self.at,
            problem: format!("expected {expected}, found {found}"),
        }
    }

    /// An error at the character just taken.
    fn wrong_before(&self, expected: &str, found: Option<char>) -> DialPlanError {
        let mut error = self.wrong(expected, found);
        error.offset -= usize::from(found.is_some());
        error
    }
}
