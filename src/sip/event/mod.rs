//! Bodies of event packages: what NOTIFY and PUBLISH carry. Plain text and XML in and out; who sends them to whom is
//! the user agent's business.

pub mod dialog_info;
pub mod message_summary;
pub mod pidf;
pub mod reginfo;
pub mod sipfrag;
pub mod vq_report;
mod xml;
