//! Real SIP servers and telephones, each on a loopback address of its own, ended with the test that started them.

mod asterisk;

pub use asterisk::Asterisk;
