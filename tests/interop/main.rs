//! The real program against real peers: Asterisk, Kamailio, baresip, scripted peers of sipp.
//!
//! `tests/lab/setup.sh interop` installs them; where one is missing its tests are skipped and say so. `tests/lab/interop.sh`
//! runs all of this in a network of its own where nothing may be skipped.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests start programs, wait for them and play a telephone in real time"
)]

mod lab;
mod peers;
mod sound;
mod telephone;
mod tipring;

mod calls_out;
