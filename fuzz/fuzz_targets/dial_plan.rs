//! A digit map and the keys dialled under it.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| tipring::dial::fuzz::plan_and_keys(Instant::now(), input.0, input.1));
