//! SIP messages as datagrams: parse, print, parse again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = tipring::sip::message::Message::parse(bytes) {
        let printed = message.to_bytes();
        tipring::sip::message::Message::parse(&printed).expect("what we print, we read");
    }
});
