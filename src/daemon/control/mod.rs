//! The control socket: a Unix stream socket on which other programs ask the daemon things, one JSON object a
//! line, one line back. `tipring status`, `events`, `reload`, `calls` and `phone` are its users.
//!
//! A request is `{"command":"status"}`; the answer `{"ok":…}` or `{"error":"…"}`. After `events`, the answer is
//! followed by one event a line until the program hangs up.

mod event_line;
mod protocol;
mod server;
mod unix_socket;

pub use event_line::event_line;
pub use protocol::{Reply, Request};
pub use server::serve;
pub use unix_socket::{SocketFile, listen};
