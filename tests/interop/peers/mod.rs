//! Real SIP servers and telephones, each on a loopback address of its own, ended with the test that started them.

mod asterisk;
mod baresip;
mod certificates;
pub mod coturn;
mod kamailio;
mod name_server;
mod pjsua;
mod sipp;

pub use asterisk::{Asterisk, speech};
pub use baresip::{Baresip, SAYS_HZ};
pub use certificates::Certificates;
pub use coturn::Coturn;
pub use kamailio::{Kamailio, Ways};
pub use name_server::NameServer;
pub use pjsua::Pjsua;
pub use sipp::Sipp;
