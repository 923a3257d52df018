//! Caller ID: the messages a telephone displays, and when each national standard sends them.
//!
//! [`message`] makes and reads the bytes (GR-30 SDMF and MDMF, EN 300 659-3); [`script`] lays a whole announcement
//! out as rings, silences, reversals and transmissions (GR-30, EN 300 659-1, BT SIN 227, the DTMF variants);
//! [`scheme_by_name`] knows the presets.

pub mod message;

mod scheme;
mod script;
mod text;
mod train;

pub use scheme::{names, scheme_by_name};
pub use script::{Step, call_waiting_script, duration, message_waiting_script, script};
pub use train::{key_train, parse_key_train};

pub(super) use script::Announcement;
