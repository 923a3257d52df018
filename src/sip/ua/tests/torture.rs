//! What the user agent does about the messages of RFC 4475 and RFC 5118.

use super::calls::{B, pair};
use super::world::*;
use crate::sip::message::torture::{Torture, messages};
use crate::sip::ua::*;
use std::fmt::Write;

/// The final answer to a message by UDP: a status, `call` where it is taken on as one, or `silence`.
fn answer(message: &Torture) -> String {
    let mut world = pair(1);
    world.uas[B].react = Box::new(|_| Vec::new());
    let own = world.uas[B].address;
    world.inject_bytes(PEER, B, &message.bytes);
    world.run_ms(100);
    let incoming = |event: &UaEvent| matches!(event, UaEvent::Incoming(_));
    if world.uas[B].events.iter().any(incoming) {
        return "call".to_owned();
    }
    assert!(world.uas[B].ua.is_idle(), "{}: nothing is kept", message.name);
    let answers: Vec<&str> = world
        .log
        .iter()
        .filter(|(_, from, ..)| *from == own)
        .map(|(.., line)| line.split(' ').nth(1).unwrap())
        .collect();
    match answers[..] {
        [] => "silence".to_owned(),
        [status] => status.to_owned(),
        _ => format!("{answers:?}"),
    }
}

#[test]
fn every_crooked_message_gets_an_answer_that_its_rfc_allows() {
    let mut table = format!(
        "{:<30} {:<9} {:<12} {}\n",
        "message", "section", "expected", "got"
    );
    let mut right = 0;
    let all = messages();
    for message in &all {
        let got = answer(message);
        let Torture {
            name,
            section,
            answer,
            ..
        } = message;
        let allowed = answer.split('|').any(|one| one == got);
        right += usize::from(allowed);
        let mark = if allowed { "" } else { "  WRONG" };
        writeln!(table, "{name:<30} {section:<9} {answer:<12} {got}{mark}").unwrap();
    }
    writeln!(table, "right: {right} of {}", all.len()).unwrap();
    insta::assert_snapshot!(table);
    assert_eq!(right, all.len());
}
