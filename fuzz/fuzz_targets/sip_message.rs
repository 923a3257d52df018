//! SIP messages as datagrams.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tipring::sip::fuzz::message(bytes));
