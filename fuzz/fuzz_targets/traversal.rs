//! What arrives at a session's sockets and isn't media.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tipring::media::traversal::fuzz::operations(bytes));
