//! Real SIP servers and telephones, each on a loopback address of its own, ended with the test that started them.

mod asterisk;
mod baresip;
mod kamailio;
mod sipp;

pub use asterisk::Asterisk;
pub use baresip::{Baresip, SAYS_HZ};
pub use kamailio::{Kamailio, Ways};
pub use sipp::Sipp;
