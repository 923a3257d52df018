//! The user agent against models of its peers, in virtual time over a network that loses, doubles and reorders.

mod addresses;
mod calls;
mod events;
mod failover;
mod flows;
mod flows_of_services;
mod guard;
mod healing;
mod mapping;
mod registration;
mod reliable;
mod rewritten;
mod strangers;
mod timers;
mod torture;
mod transfer;
mod world;
