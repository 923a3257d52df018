//! Ten thousand calls through a network that loses a fifth of all datagrams each way, doubles and reorders the rest: two
//! whole gateways in virtual time, from a hundred seeds. Every call that can succeed ends as it should, and nothing is
//! left behind.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests print their figures and end at the first surprise"
)]

mod support;

use support::storm::{CALLS_PER_SEED, Tally, run_seed};

const SEEDS: u64 = 100;

#[test]
fn ten_thousand_calls_through_a_storm_end_as_they_should() {
    // Two threads, as the smallest machine of ours has cores; every seed is a world of its own.
    let halves: Vec<Tally> = std::thread::scope(|scope| {
        let half = |parity: u64| {
            scope.spawn(move || {
                let seeds = (0..SEEDS).filter(|seed| seed % 2 == parity);
                seeds.map(run_seed).fold(Tally::default(), Tally::plus)
            })
        };
        let threads = [half(0), half(1)];
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    let tally = halves.into_iter().fold(Tally::default(), Tally::plus);
    println!("{tally}");
    assert_eq!(tally.calls, SEEDS * CALLS_PER_SEED);
    assert!(tally.leaks.is_empty(), "{:#?}", tally.leaks);
    assert_eq!(tally.right + tally.impossible, tally.calls, "{:#?}", tally.wrong);
    // Hardly any call is out of reach for 32 s on end; many would hide something.
    assert!(tally.impossible * 500 < tally.calls, "{tally}");
}
