//! What a telephone program sends on a virtual line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tipring_hw::virtual_line::{Decoder, Receiver};

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new(Receiver::Daemon);
    let mut rest = bytes;
    while let Ok(Some(_)) = decoder.decode(&mut rest) {}
});
