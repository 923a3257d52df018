//! The whole call as it was seen from everywhere.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use tipring::call::record::CallRecord;

use crate::daemon::Event;
use crate::heard::Heard;
use crate::measure::{Delay, mouth_to_ear};
use crate::telephone::Notice;

/// Everything that is known.
pub struct Story {
    /// Why the people gave up, where they did.
    pub gone_wrong: Option<String>,
    /// The caller's telephone.
    pub kitchen: Heard,
    /// The called one.
    pub hall: Heard,
    /// What `tipring events` told.
    pub events: Vec<Event>,
    /// What `tipring calls` told.
    pub records: Vec<CallRecord>,
    /// Whether the program ended with status 0 in time.
    pub ended_politely: bool,
}

impl Story {
    /// When the caller lifted the handset: the zero of all that is shown.
    pub fn zero_ms(&self) -> f64 {
        self.kitchen.noticed_ms(&Notice::Hook(true)).unwrap_or(0.0)
    }

    /// When all was over.
    pub fn end_ms(&self) -> f64 {
        self.kitchen.end_ms().max(self.hall.end_ms())
    }

    /// The caller's speech to the called person's ear.
    pub fn delay_to_hall(&self) -> Option<Delay> {
        mouth_to_ear(&self.kitchen, &self.hall)
    }

    /// And back.
    pub fn delay_to_kitchen(&self) -> Option<Delay> {
        mouth_to_ear(&self.hall, &self.kitchen)
    }

    /// A line's record of the call.
    pub fn record(&self, line: &str) -> Option<&CallRecord> {
        self.records.iter().find(|record| record.line == line)
    }

    /// A call event of the calling line (`outgoing`) or the called one (`incoming`).
    pub fn call(&self, direction: &str, state: &str) -> Option<&Event> {
        self.events.iter().find(|event| {
            event.field("event") == "call"
                && event.field("direction") == direction
                && event.field("state") == state
        })
    }

    /// The digits the daemon heard.
    pub fn digits(&self) -> String {
        let digits = self.events.iter().filter(|event| event.field("event") == "digit");
        digits.map(|event| event.field("digit")).collect()
    }

    /// The events as they were told.
    pub fn write_events(&self, path: &Path) -> anyhow::Result<()> {
        let mut file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
        for event in &self.events {
            writeln!(file, "{}", event.text)?;
        }
        Ok(())
    }
}
