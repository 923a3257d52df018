//! The real program against real peers: Asterisk, Kamailio, baresip, pjsua2, coturn, scripted peers of sipp.
//!
//! `tests/lab/setup.sh interop` installs them; where one is missing its tests are skipped and say so. `tests/lab/interop.sh`
//! runs all of this in a network of its own where nothing may be skipped.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "these tests start programs, wait for them, play a telephone in real time, and say what they measured"
)]

mod addresses;
mod calls_in;
mod calls_out;
mod encryption;
mod home;
mod keys;
mod lab;
mod messages;
mod nat;
mod network;
mod odd_peers;
mod other_telephones;
mod peers;
mod pjsua;
mod presence;
mod provider;
mod proxies;
mod referrals;
mod registration;
mod routers;
mod signalling;
mod sound;
mod telephone;
mod tipring;
mod transfers;
mod transports;
