//! Any life of a line at all.

use std::sync::Arc;

use proptest::prelude::*;

use crate::line::{LineConfig, fuzz::line_operations};
use crate::testing::epoch;
use crate::zone::zone;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_life_of_a_line_ends_stuck(
        country in prop_oneof![Just("us"), Just("gb"), Just("de"), Just("dk"), Just("nz")],
        data in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let config = LineConfig::for_zone(Arc::new(zone(country).unwrap()));
        line_operations(config, epoch(), &data);
    }
}

/// `cargo test --release --lib line::tests::properties -- --ignored --nocapture`
#[test]
#[ignore = "minutes: ten million lives, for the record"]
fn ten_million_lives() {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    let mut random = StdRng::seed_from_u64(1);
    let countries = ["us", "gb", "de", "dk", "nz"].map(|country| Arc::new(zone(country).unwrap()));
    let (start, mut operations) = (epoch(), 0);
    for life in 0..10_000_000 {
        let mut data = [0; 64];
        random.fill_bytes(&mut data);
        let config = LineConfig::for_zone(Arc::clone(&countries[life % countries.len()]));
        line_operations(config, start, &data);
        operations += data.len() / 2;
    }
    println!("10000000 lives of a line, {operations} operations: none stuck");
}
