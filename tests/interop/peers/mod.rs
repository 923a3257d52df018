//! Real SIP servers and telephones, each on a loopback address of its own, ended with the test that started them.

mod asterisk;
mod kamailio;
mod sipp;

pub use asterisk::Asterisk;
pub use kamailio::{Kamailio, Ways};
pub use sipp::Sipp;
