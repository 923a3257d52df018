//! A whole gateway's life as a list of operations.
#![no_main]

use std::sync::Arc;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let zone = tipring::zone::zone("us").expect("a listed country");
    tipring::gateway::fuzz::gateway_operations(Arc::new(zone), Instant::now(), bytes);
});
