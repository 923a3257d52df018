//! What is printed: the timeline, what each side heard, delays, the call's record, and what was missing.

use tipring::call::record::CallRecord;
use tipring::cli::phone::caller_text;
use tipring::line::Presentation;
use tipring::zone::Tone;

use crate::daemon::{Event, HALL, KITCHEN};
use crate::heard::{Heard, Kind, firsts};
use crate::measure::Delay;
use crate::story::Story;
use crate::telephone::Notice;

/// Least likeness of said and heard for speech to have come through (G.711 alone costs 0.001).
const ALIKE: f64 = 0.9;

/// One line of the timeline.
struct Row {
    at_ms: f64,
    column: usize,
    text: String,
}

/// Prints everything but what is missing.
pub fn print(story: &Story) {
    println!(
        "A call from the kitchen ({KITCHEN}) to the hall ({HALL}); 0 ms: the kitchen's handset is lifted\n"
    );
    println!("{:>6}  {:<38}  {:<28}  hall", "ms", "kitchen", "tipring");
    for row in rows(story) {
        let mut columns = ["", "", ""];
        columns[row.column] = &row.text;
        let line = format!(
            "{:>6.0}  {:<38}  {:<28}  {}",
            row.at_ms - story.zero_ms(),
            columns[0],
            columns[1],
            columns[2]
        );
        println!("{}", line.trim_end());
    }
    println!("\nWhat was heard");
    for telephone in [&story.kitchen, &story.hall] {
        for line in heard(telephone) {
            println!("  {:<8} {line}", telephone.name);
        }
    }
    println!("\nFrom mouth to ear");
    for (way, delay) in [
        ("kitchen → hall", story.delay_to_hall()),
        ("hall → kitchen", story.delay_to_kitchen()),
    ] {
        match delay {
            Some(delay) => println!(
                "  {way}  {:.1} ms ({:.1} to {:.1}), likeness {:.3}",
                delay.median_ms, delay.range_ms.start, delay.range_ms.end, delay.similarity
            ),
            None => println!("  {way}  nothing came through"),
        }
    }
    println!("\nThe call's records");
    for record in &story.records {
        println!("  {:<8} {}", record.line, record_line(record));
    }
}

/// Prints what was expected and didn't come; whether all came.
pub fn print_missing(story: &Story) -> bool {
    let expected = expected(story);
    let missing: Vec<&str> = expected
        .iter()
        .filter(|(_, came)| !came)
        .map(|(what, _)| *what)
        .collect();
    if let Some(reason) = &story.gone_wrong {
        println!("\nThe call was given up: {reason}");
    }
    if missing.is_empty() && story.gone_wrong.is_none() {
        println!("All {} things expected were heard and seen.", expected.len());
        return true;
    }
    for what in missing {
        println!("MISSING: {what}");
    }
    false
}

fn expected(story: &Story) -> [(&'static str, bool); 11] {
    let (kitchen, hall) = (&story.kitchen, &story.hall);
    let came = |delay: Option<Delay>| delay.is_some_and(|delay| delay.similarity > ALIKE);
    let shown = Presentation::Given(KITCHEN.to_owned());
    let rated = |line| story.record(line).is_some_and(|record| record.mos.is_some());
    [
        (
            "dial tone in the kitchen",
            kitchen.first(Kind::Tone(Tone::Dial)).is_some(),
        ),
        ("the digits dialled", story.digits() == HALL),
        ("an INVITE", story.call("outgoing", "calling").is_some()),
        ("the hall's bell", hall.noticed_ms(&Notice::Ring(true)).is_some()),
        (
            "ringback in the kitchen",
            kitchen.first(Kind::Tone(Tone::Ringback)).is_some(),
        ),
        (
            "the caller's number on the hall's display",
            hall.caller().is_some_and(|caller| caller.number == shown),
        ),
        ("the kitchen's voice in the hall", came(story.delay_to_hall())),
        ("the hall's voice in the kitchen", came(story.delay_to_kitchen())),
        (
            "busy tone in the kitchen",
            kitchen.first(Kind::Tone(Tone::Busy)).is_some(),
        ),
        (
            "both lines' records of the call",
            rated("kitchen") && rated("hall"),
        ),
        ("a polite end of the program", story.ended_politely),
    ]
}

fn rows(story: &Story) -> Vec<Row> {
    let mut rows = Vec::new();
    for (column, telephone) in [(0, &story.kitchen), (2, &story.hall)] {
        let mut add = |at_ms: f64, text: String| rows.push(Row { at_ms, column, text });
        for (at_ms, notice) in &telephone.recording.notices {
            match notice {
                Notice::Hook(true) => add(*at_ms, "lifts the handset".to_owned()),
                Notice::Hook(false) => add(*at_ms, "hangs up".to_owned()),
                Notice::Ring(true) => add(*at_ms, "rings".to_owned()),
                Notice::Ring(false) => add(*at_ms, "stops ringing".to_owned()),
                Notice::Caller(caller) => add(*at_ms, format!("shows {}", caller_text(caller))),
                Notice::Tone(_) | Notice::Spoken => {}
            }
        }
        for sound in firsts(&telephone.heard) {
            // The display tells what the modem's noise means.
            if sound.kind != Kind::CallerId {
                let (name, _) = telephone.words(sound.kind);
                add(
                    sound.time_ms.start,
                    format!("hears {name}, {:.1} dBm0", sound.level_dbm0),
                );
            }
        }
        for sound in &telephone.said {
            let says = if sound.kind == Kind::Keys {
                format!("presses {HALL}")
            } else {
                "speaks".to_owned()
            };
            add(sound.time_ms.start, says);
        }
    }
    rows.extend(story.events.iter().filter_map(|event| {
        Some(Row {
            at_ms: event.at_ms,
            column: 1,
            text: event_text(event)?,
        })
    }));
    rows.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
    rows
}

/// The events that are worth a line; the telephones tell the rest themselves.
fn event_text(event: &Event) -> Option<String> {
    let line = event.field("line");
    match (
        event.field("event"),
        event.field("direction"),
        event.field("state"),
    ) {
        ("digit", _, _) => Some(format!(
            "digit {} by {}",
            event.field("digit"),
            event.field("source")
        )),
        ("call", "outgoing", "calling") => Some(format!("INVITE {}", event.field("remote"))),
        ("call", "outgoing", "ringing") => Some("180 Ringing".to_owned()),
        ("call", "outgoing", "talking") => Some("200 OK: they talk".to_owned()),
        ("call", _, "ended") if event.field("reason") == "local_hangup" => {
            Some(format!("BYE, {line} hung up"))
        }
        _ => None,
    }
}

fn heard(telephone: &Heard) -> Vec<String> {
    firsts(&telephone.heard)
        .map(|first| {
            let bursts = telephone
                .heard
                .iter()
                .filter(|sound| sound.kind == first.kind)
                .count();
            let times = if bursts > 1 {
                format!(", {bursts} times")
            } else {
                String::new()
            };
            let (name, more) = telephone.words(first.kind);
            let more = if more.is_empty() {
                more
            } else {
                format!(" ({more})")
            };
            format!(
                "{name}{more}: {:.1} dBm0, {:.0} ms long{times}",
                first.level_dbm0,
                first.time_ms.end - first.time_ms.start
            )
        })
        .collect()
}

fn record_line(record: &CallRecord) -> String {
    format!(
        "{} {}, {}: {:.2} s, {}, {} packets sent, {} received, {} lost, {} late, jitter {:.2} ms, buffer {:.0} ms{}",
        record.direction,
        record.remote,
        record.cause,
        record.duration_s,
        record.codec.as_deref().unwrap_or("no codec"),
        record.sent_packets,
        record.received_packets,
        record.lost_packets,
        record.late_packets,
        record.jitter_ms,
        record.buffer_ms,
        record
            .mos
            .map_or_else(String::new, |mos| format!(", MOS {mos:.2}"))
    )
}
