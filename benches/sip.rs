//! One INVITE from its bytes to the line it is for: read, admitted, its account and line found, its call opened, 100
//! Trying written. The goal is 20 µs.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    missing_docs,
    reason = "a measurement runs by the clock"
)]

#[path = "../tests/support/mod.rs"]
#[allow(clippy::print_stderr, reason = "shared with the tests")]
mod support;

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use support::host::HostOptions;
use support::ip;
use support::peer::session_description;
use tipring::gateway::{Gateway, Input, Output};
use tipring::sip::message::Message;
use tipring::sip::ua::{Answer, Question, Records, Route, UaInput};

/// As a PBX sends it.
fn invite(server: SocketAddr, own: SocketAddr) -> Vec<u8> {
    let body = session_description(server.ip(), "sendrecv");
    format!(
        "INVITE sip:6001@{own} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {server};rport;branch=z9hG4bKPj4a7c2e41-0f0b-4d8d-9d55-1f7d4a3c9b11\r\n\
         From: \"Alice\" <sip:6002@pbx.example.net>;tag=3c1f2a90-3d43-4c6e-8d1b-5a8d2a0f4c55\r\n\
         To: <sip:6001@{own}>\r\n\
         Contact: <sip:asterisk@{server}>\r\n\
         Call-ID: 9c6c2f1e-7b56-4a43-a3d2-0d6f3a5b1c77\r\n\
         CSeq: 24881 INVITE\r\n\
         Allow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, MESSAGE, REFER\r\n\
         Supported: 100rel, timer, replaces, norefersub, histinfo\r\n\
         Session-Expires: 1800\r\n\
         Min-SE: 90\r\n\
         P-Asserted-Identity: \"Alice\" <sip:6002@pbx.example.net>\r\n\
         Max-Forwards: 70\r\n\
         User-Agent: Asterisk PBX 20.6.0\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn sip(criterion: &mut Criterion) {
    let (server, own) = (SocketAddr::new(ip(9), 5060), SocketAddr::new(ip(1), 5060));
    let bytes = invite(server, own);
    criterion.bench_function("sip/parse_invite", |bencher| {
        bencher.iter(|| Message::parse(black_box(&bytes)).expect("a message"));
    });
    let now = Instant::now();
    let ready = || {
        let config = HostOptions::subscriber(ip(9), "6001", false).config(own);
        let mut gateway = Gateway::new(config, [1; 32], now);
        // Who is no account's server is a stranger, and the account's server is known once there is a route to it.
        while let Some(output) = gateway.poll_output() {
            if let Output::Resolve {
                query,
                question: Question::Routes(remotes),
            } = output
            {
                let route = |remote: &SocketAddr| Route {
                    remote: *remote,
                    local_ip: own.ip(),
                };
                let result = Ok(Answer {
                    records: Records::Routes(remotes.iter().map(route).collect()),
                    ttl: Duration::from_secs(60),
                });
                gateway.handle_input(now, Input::Sip(UaInput::Resolved { query, result }));
            }
        }
        let input = Input::Sip(UaInput::Datagram {
            local: own,
            remote: server,
            bytes: bytes.clone(),
        });
        (gateway, Some(input))
    };
    // What is measured is what is meant: the line's sockets are asked for.
    let (mut gateway, input) = ready();
    gateway.handle_input(now, input.expect("the INVITE"));
    let outputs: Vec<Output> = std::iter::from_fn(|| gateway.poll_output()).collect();
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::OpenMedia { .. })),
        "{outputs:?}"
    );
    criterion.bench_function("sip/route_invite", |bencher| {
        // By reference: nobody moves a gateway for every message, and it is dropped outside the measurement.
        bencher.iter_batched_ref(
            ready,
            |(gateway, input)| {
                gateway.handle_input(now, input.take().expect("one INVITE a gateway"));
                while let Some(output) = gateway.poll_output() {
                    black_box(output);
                }
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, sip);
criterion_main!(benches);
