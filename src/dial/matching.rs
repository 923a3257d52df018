//! Which rules of a plan the keys dialled so far can be a part of: one set of places a rule, moved by each key.

use std::time::Duration;

use super::plan::{DialPlan, KeySet, NumberRule, Repeat, RuleKind};

/// How far the keys have come in each rule.
#[derive(Clone, Debug)]
pub(super) struct Matching {
    /// One a rule: for every place in it (before an element, and after the last) whether the keys lead there.
    places: Vec<Vec<bool>>,
}

impl Matching {
    /// Before the first key.
    pub fn new(plan: &DialPlan) -> Self {
        let places = number_rules(plan).map(|rule| {
            let Some(rule) = rule else { return Vec::new() };
            let mut places = vec![false; rule.elements.len() + 1];
            reach(rule, &mut places, 0);
            places
        });
        Self {
            places: places.collect(),
        }
    }

    /// One more key.
    pub fn advance(&mut self, plan: &DialPlan, key: KeySet) {
        for (rule, places) in number_rules(plan).zip(&mut self.places) {
            let Some(rule) = rule else { continue };
            let mut next = vec![false; places.len()];
            for (place, element) in rule.elements.iter().enumerate() {
                if places[place] && element.keys.contains(key) {
                    let then = match element.repeat {
                        Repeat::ZeroOrMore => place,
                        Repeat::Once | Repeat::Optional => place + 1,
                    };
                    reach(rule, &mut next, then);
                }
            }
            *places = next;
        }
    }

    /// Whether a longer number could match the rule, or this one does.
    pub fn is_live(&self, rule: usize) -> bool {
        self.places[rule].contains(&true)
    }

    /// Whether the number matches the rule as it stands.
    pub fn is_complete(&self, rule: usize) -> bool {
        self.places[rule].last() == Some(&true)
    }

    /// Whether a longer number could match the rule.
    pub fn is_extensible(&self, rule: usize) -> bool {
        self.places[rule]
            .split_last()
            .is_some_and(|(_, before)| before.contains(&true))
    }

    /// Whether some rule could take this key next.
    pub fn accepts(&self, plan: &DialPlan, key: KeySet) -> bool {
        number_rules(plan).zip(&self.places).any(|(rule, places)| {
            rule.is_some_and(|rule| {
                let mut elements = rule.elements.iter().zip(places);
                elements.any(|(element, here)| *here && element.keys.contains(key))
            })
        })
    }

    /// Whether a rule has second dial tone just here.
    pub fn is_at_second_dial_tone(&self, plan: &DialPlan) -> bool {
        number_rules(plan).zip(&self.places).any(|(rule, places)| {
            rule.is_some_and(|rule| rule.second_dial_tone.iter().any(|place| places[*place]))
        })
    }

    /// The long timer that a rule sets here.
    pub fn long(&self, rule: &NumberRule, index: usize) -> Option<Duration> {
        let furthest = self.places[index].iter().rposition(|here| *here)?;
        rule.long
            .iter()
            .rev()
            .find(|(place, _)| *place <= furthest)
            .map(|(_, timer)| *timer)
    }
}

/// The rules in order; `None` for those that match no digits.
pub(super) fn number_rules(plan: &DialPlan) -> impl Iterator<Item = Option<&NumberRule>> + Clone {
    plan.rules.iter().map(|rule| match &rule.kind {
        RuleKind::Number(rule) => Some(rule),
        RuleKind::Hotline { .. } => None,
    })
}

/// Marks `place`, and what is reached from it without a key.
fn reach(rule: &NumberRule, places: &mut [bool], mut place: usize) {
    while !places[place] {
        places[place] = true;
        match rule.elements.get(place) {
            Some(element) if element.repeat != Repeat::Once => place += 1,
            _ => break,
        }
    }
}

/// What a rule sends for keys that match it; `None` where they don't.
///
/// Where keys can be divided among the elements in several ways, the earlier element takes as many as it can.
pub(super) fn sent(rule: &NumberRule, keys: &[KeySet], text: &[char]) -> Option<String> {
    let elements = &rule.elements;
    // ends[e][k]: elements e.. match keys k..
    let mut ends = vec![vec![false; keys.len() + 1]; elements.len() + 1];
    ends[elements.len()][keys.len()] = true;
    for e in (0..elements.len()).rev() {
        for k in (0..=keys.len()).rev() {
            let takes = keys.get(k).is_some_and(|key| elements[e].keys.contains(*key));
            ends[e][k] = match elements[e].repeat {
                Repeat::Once => takes && ends[e + 1][k + 1],
                Repeat::Optional => ends[e + 1][k] || (takes && ends[e + 1][k + 1]),
                Repeat::ZeroOrMore => ends[e + 1][k] || (takes && ends[e][k + 1]),
            };
        }
    }
    if !ends[0][0] {
        return None;
    }
    let mut number = String::new();
    let mut edits = rule.edits.iter().peekable();
    let (mut e, mut k) = (0, 0);
    loop {
        // Edits begin before the element of their start; one without elements is only an insertion.
        while let Some(edit) = edits.next_if(|edit| edit.start <= e) {
            number += &edit.sent;
        }
        let Some(element) = elements.get(e) else {
            return Some(number);
        };
        let takes = keys.get(k).is_some_and(|key| element.keys.contains(*key));
        let after = if element.repeat == Repeat::ZeroOrMore {
            e
        } else {
            e + 1
        };
        if takes && ends[after][k + 1] {
            if !rule.edits.iter().any(|edit| (edit.start..edit.end).contains(&e)) {
                number.push(text[k]);
            }
            (e, k) = (after, k + 1);
        } else {
            e += 1;
        }
    }
}
