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
