//! A line's life as a list of operations: edges, digits, commands, timers.
#![no_main]

use std::sync::Arc;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use tipring::line::LineConfig;

fuzz_target!(|bytes: &[u8]| {
    let (country, operations) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest));
    let codes: Vec<&str> = tipring::zone::codes().collect();
    let zone = tipring::zone::zone(codes[country % codes.len()]).expect("a listed country");
    tipring::line::fuzz::line_operations(LineConfig::for_zone(Arc::new(zone)), Instant::now(), operations);
});
