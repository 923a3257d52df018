//! Real SIP servers and telephones, each on a loopback address of its own, ended with the test that started them.

mod asterisk;
mod baresip;
pub mod coturn;
mod kamailio;
mod pjsua;
mod sipp;

pub use asterisk::{Asterisk, speech};
pub use baresip::{Baresip, SAYS_HZ};
pub use coturn::Coturn;
pub use kamailio::{Kamailio, Ways};
pub use pjsua::Pjsua;
pub use sipp::Sipp;
