//! tipring makes a small Linux computer with a telephone-line interface an analog telephone adapter.
//!
//! ```text
//!  telephone ══ SLIC ── hw ──► line ──► call ──► sip ──► network
//!  (tip,ring)            │       │        │        │
//!               ALSA ── audio ◄─┴─ dsp ◄─ media ◄──┴──── RTP
//!                               ▲
//!               zone (country tables)     config (YAML → checked model)
//! ```
//!
//! The inner ring ([`zone`], [`dsp`], [`mod@line`], [`dial`], [`sip`], [`media`], [`call`], [`gateway`]) is
//! sans-IO: plain data in, plain data out. Every machine in it has the same shape:
//!
//! ```text
//! fn handle_input(&mut self, now: Instant, input: Input);
//! fn handle_timeout(&mut self, now: Instant);
//! fn poll_output(&mut self) -> Option<Output>;     // drained until None after every input
//! fn poll_timeout(&self) -> Option<Instant>;       // when to be called again at the latest
//! ```
//!
//! Every call of `handle_input` or `handle_timeout` is followed by draining `poll_output` until it returns
//! `None`, before the next one. Spurious calls of `handle_timeout` do nothing. Input from outside can be wrong
//! but never panics; a panic is a bug of ours. Randomness comes from a seeded generator passed in.
//!
//! The outer ring ([`daemon`], [`cli`]) owns sockets, devices, threads and the one clock, and turns the crank.

pub mod call;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod dial;
pub mod dsp;
pub mod gateway;
pub mod line;
pub mod media;
pub mod sip;
pub mod zone;

#[cfg(test)]
mod testing;
