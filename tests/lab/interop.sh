#!/bin/sh
# Runs the tests against real peers in a network of their own with nothing but loopback, and ends every peer with
# them. Nothing is skipped: tests/lab/setup.sh interop installs what they need. Arguments go to the test program.
set -eu
cd "$(dirname "$0")/../.."
# Built outside, where the registry can be reached.
cargo test --workspace --all-features --locked --test interop --no-run
export TIPRING_REQUIRE_PEERS=1
# They wait for one another's timers far more than they compute.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-3}"
# Who is not root becomes it inside, as far as the network goes.
[ "$(id -u)" = 0 ] && user= || user=--map-root-user
# shellcheck disable=SC2086  # an option or nothing
# Named namespaces are its own too: they end with it, and no other run's are in the way.
exec unshare $user --net --pid --fork --kill-child --mount-proc \
    sh -c 'ip link set lo up
        mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns
        exec cargo test --workspace --all-features --locked --offline --test interop -- "$@"' interop "$@"
