//! The whole line in virtual time, with a model telephone whose contact bounces.

mod announcing;
mod hook_traces;
mod properties;
mod pulses;
mod rig;
mod ringing;
mod symptoms;
mod tones;
