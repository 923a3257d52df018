//! What arrives during a DTLS handshake.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tipring::media::dtls::fuzz::operations(bytes));
