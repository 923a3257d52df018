//! STUN messages from anybody.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tipring::media::stun::fuzz(bytes));
