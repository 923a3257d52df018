//! The virtual line: a telephone socket in software.
//!
//! [`wire`] is the protocol between the daemon and a telephone program, for both ends; [`mod@line`] is the driver that
//! makes such a connection a [`Slic`](crate::Slic). Neither opens a socket: bytes and instants come in and go out.
//!
//! The daemon is the audio clock. Audio goes past the driver, straight between the wire and the audio thread.

pub mod line;
pub mod wire;

pub use line::VirtualLine;
pub use wire::{Decoder, Message, Receiver, WireError};
