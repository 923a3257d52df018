//! A SIP user agent, sans-IO: messages, transport framing, transactions, dialogs, registration, digest
//! authentication, SDP offer/answer. RFC 3261 and the list in `docs/architecture.md`; one file a duty.

pub mod account;
pub mod dialog;
pub mod digest;
pub mod event;
pub mod framing;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod message;
#[cfg(any(test, feature = "rsip"))]
pub mod rsip_types;
pub mod sdp;
pub mod transaction;
pub mod ua;
