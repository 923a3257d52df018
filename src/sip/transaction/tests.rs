//! Schedules of retransmission against the figures of RFC 3261 17 and table 4.

use super::*;
use crate::testing::epoch;

/// Runs a machine's timers to its end: (milliseconds since start, what) for every expiry.
fn schedule(
    start: Instant,
    mut poll: impl FnMut() -> Option<Instant>,
    mut fire: impl FnMut(Instant) -> Expiry,
) -> Vec<(u128, Expiry)> {
    let mut seen = Vec::new();
    while let Some(at) = poll() {
        let what = fire(at);
        assert_ne!(what, Expiry::Nothing, "a deadline that does nothing");
        seen.push(((at - start).as_millis(), what));
        assert!(seen.len() < 100);
    }
    seen
}

fn run_client(start: Instant, machine: Client) -> Vec<(u128, Expiry)> {
    let cell = std::cell::RefCell::new(machine);
    schedule(
        start,
        || cell.borrow().poll_timeout(),
        |at| cell.borrow_mut().handle_timeout(at),
    )
}

fn run_invite_client(start: Instant, machine: InviteClient) -> Vec<(u128, Expiry)> {
    let cell = std::cell::RefCell::new(machine);
    schedule(
        start,
        || cell.borrow().poll_timeout(),
        |at| cell.borrow_mut().handle_timeout(at),
    )
}

fn run_invite_server(start: Instant, machine: InviteServer) -> Vec<(u128, Expiry)> {
    let cell = std::cell::RefCell::new(machine);
    schedule(
        start,
        || cell.borrow().poll_timeout(),
        |at| cell.borrow_mut().handle_timeout(at),
    )
}

#[test]
fn invite_is_sent_seven_times_and_given_up_after_32_s() {
    let start = epoch();
    let seen = run_invite_client(start, InviteClient::new(start, false));
    let times: Vec<u128> = seen.iter().map(|s| s.0).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 15_500, 31_500, 32_000]);
    assert_eq!(seen.last().map(|s| s.1), Some(Expiry::TimedOut));
}

#[test]
fn other_requests_are_sent_eleven_times_and_given_up_after_32_s() {
    let start = epoch();
    let seen = run_client(start, Client::new(start, false));
    let times: Vec<u128> = seen.iter().map(|s| s.0).collect();
    assert_eq!(
        times,
        [
            500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000
        ]
    );
}

#[test]
fn provisional_slows_other_requests_to_t2() {
    let start = epoch();
    let mut machine = Client::new(start, false);
    assert_eq!(machine.handle_response(start, 100), Received::PassUp);
    let times: Vec<u128> = run_client(start, machine).iter().map(|s| s.0).collect();
    assert_eq!(
        times,
        [500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500, 32_000]
    );
}

#[test]
fn streams_never_retransmit() {
    let start = epoch();
    let end = [(32_000, Expiry::TimedOut)];
    assert_eq!(run_client(start, Client::new(start, true)), end);
    assert_eq!(run_invite_client(start, InviteClient::new(start, true)), end);
    let mut server = InviteServer::new(true);
    assert!(server.respond(start, 486));
    assert_eq!(run_invite_server(start, server), end);
}

#[test]
fn refusal_is_repeated_until_acknowledged() {
    let start = epoch();
    let mut server = InviteServer::new(false);
    assert!(server.respond(start, 180));
    assert_eq!(server.handle_repeated(), Repeated::Resend);
    assert!(server.respond(start, 486));
    assert!(!server.respond(start, 200), "one final response");
    let mut acknowledged = server.clone();
    let times: Vec<u128> = run_invite_server(start, server).iter().map(|s| s.0).collect();
    assert_eq!(
        times,
        [
            500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000
        ]
    );

    acknowledged.handle_ack(start);
    assert_eq!(acknowledged.handle_repeated(), Repeated::Absorb);
    assert_eq!(
        run_invite_server(start, acknowledged),
        [(5000, Expiry::Terminated)]
    );
}

#[test]
fn accepted_server_absorbs_the_request_for_timer_l() {
    let start = epoch();
    let mut server = InviteServer::new(false);
    assert!(server.respond(start, 200));
    assert_eq!(server.handle_repeated(), Repeated::Absorb);
    assert_eq!(run_invite_server(start, server), [(32_000, Expiry::Terminated)]);
}

#[test]
fn accepted_client_passes_every_2xx_up_for_timer_m() {
    let start = epoch();
    let mut client = InviteClient::new(start, false);
    assert_eq!(client.handle_response(start, 180), Received::PassUp);
    assert!(client.is_proceeding());
    assert_eq!(client.poll_timeout(), None, "ringing has no limit of its own");
    assert_eq!(client.handle_response(start, 200), Received::PassUp);
    assert_eq!(client.handle_response(start, 200), Received::PassUp);
    assert_eq!(client.handle_response(start, 486), Received::Drop);
    assert_eq!(run_invite_client(start, client), [(32_000, Expiry::Terminated)]);
}

#[test]
fn refused_client_acknowledges_each_repetition_for_timer_d() {
    let start = epoch();
    let mut client = InviteClient::new(start, false);
    assert_eq!(client.handle_response(start, 486), Received::AckAndPassUp);
    assert_eq!(client.handle_response(start, 486), Received::AckAgain);
    // Another fork's answer: its user has to end what it made (RFC 3261 16.7 passes every 2xx on).
    assert_eq!(client.handle_response(start, 200), Received::PassUp);
    assert_eq!(run_invite_client(start, client), [(32_000, Expiry::Terminated)]);
}

#[test]
fn cancelled_invite_that_is_never_answered_ends() {
    let start = epoch();
    let mut client = InviteClient::new(start, false);
    client.cancelled(start);
    assert_eq!(client.handle_response(start, 180), Received::PassUp);
    assert_eq!(client.poll_timeout(), None);
    client.cancelled(start);
    assert_eq!(run_invite_client(start, client), [(32_000, Expiry::TimedOut)]);
}

#[test]
fn answered_request_is_answered_again_from_memory_for_timer_j() {
    let start = epoch();
    let mut server = Server::new(false);
    assert_eq!(server.handle_repeated(), Repeated::Absorb);
    assert!(server.respond(start, 200));
    assert_eq!(server.handle_repeated(), Repeated::Resend);
    assert_eq!(server.poll_timeout(), Some(start + TRANSACTION_LIFE));
    assert_eq!(
        server.handle_timeout(start + TRANSACTION_LIFE),
        Expiry::Terminated
    );
}
