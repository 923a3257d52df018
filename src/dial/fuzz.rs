//! Bodies of the fuzz targets: they panic where a promise of this room is broken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Collector, CollectorInput, CollectorOutput, DialPlan, KEYS_MAX, Timers, explain};

/// Any text is a plan or an error inside the text; any keys come to an end.
pub fn plan_and_keys(epoch: Instant, text: &str, keys: &str) {
    let plan = match DialPlan::parse(text) {
        Ok(plan) => plan,
        Err(error) => {
            assert!(error.offset <= text.chars().count(), "{error}");
            return;
        }
    };
    let emergency = ["112".to_owned()];
    let explanation = explain(&plan, &emergency, &Timers::default(), keys);
    assert!(!explanation.to_string().is_empty());
    let mut collector = Collector::new(
        epoch,
        Arc::new(plan),
        Arc::new(emergency),
        Timers::default(),
        None,
    );
    for key in keys.chars() {
        collector.handle_input(epoch, CollectorInput::Key(key));
    }
    assert!(collector.keys().len() <= KEYS_MAX + 1);
    if let Some(deadline) = collector.poll_timeout() {
        assert!(deadline <= epoch + Duration::from_secs(64 * KEYS_MAX as u64 + 20));
        collector.handle_timeout(deadline);
    }
    assert_eq!(collector.poll_timeout(), None, "one timer ends it");
    let mut ends = 0;
    while let Some(output) = collector.poll_output() {
        assert_eq!(ends, 0, "nothing after the end");
        match output {
            CollectorOutput::SecondDialTone => {}
            CollectorOutput::Dial(dialed) => {
                assert!(!dialed.number.is_empty());
                ends += 1;
            }
            CollectorOutput::Rejected { .. } | CollectorOutput::TimedOut => ends += 1,
        }
    }
    assert_eq!(ends, 1, "it ends once");
}
