//! Voice paths in virtual time over a network model.

mod audio;
mod delay;
mod encryption;
mod keys;
mod loss;
mod path;
mod strangers;
mod world;
