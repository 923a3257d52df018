//! SRTP and SRTCP from anybody.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tipring::media::srtp::fuzz::packet(bytes));
