//! Session descriptions of a peer: as offer and as answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tipring::sip::fuzz::description(bytes));
