//! Bodies of event packages: what NOTIFY and PUBLISH carry. Plain text and XML in and out; who sends them to whom is
//! the user agent's business.

pub mod sipfrag;
