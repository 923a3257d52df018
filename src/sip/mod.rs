//! A SIP user agent, sans-IO: messages, transport framing, transactions, dialogs, registration, digest
//! authentication, SDP offer/answer. RFC 3261 and the list in `docs/architecture.md`; one file a duty.

pub mod account;
pub mod dialog;
pub mod digest;
pub mod framing;
pub mod message;
pub mod sdp;
pub mod transaction;
pub mod ua;
