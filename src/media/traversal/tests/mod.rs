//! Two sessions, their routers and a server in virtual time.

mod conflicts;
mod nat;
mod reach;
mod server;
mod world;
