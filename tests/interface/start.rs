//! The start and the service manager.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::binary::telephone::edge;
use crate::binary::{Daemon, Directory, PATIENCE, text, two_lines};

#[test]
fn the_service_manager_hears_ready_watchdog_reloading_stopping() {
    let directory = Directory::new(&two_lines());
    let socket = std::os::unix::net::UnixDatagram::bind(directory.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = directory.daemon();
    command
        .env("NOTIFY_SOCKET", directory.path("notify"))
        .env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::spawn(directory, command);
    let next = || {
        let mut message = [0; 1024];
        let length = socket.recv(&mut message).unwrap();
        text(&message[..length])
    };
    let until = |wanted: &str| {
        loop {
            let message = next();
            if message.lines().any(|line| line == wanted) {
                return message;
            }
        }
    };
    until("READY=1");
    let first = Instant::now();
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    assert!(
        first.elapsed() < Duration::from_millis(1600),
        "{:?}",
        first.elapsed()
    );
    daemon.signal(Signal::SIGHUP);
    let reloading = until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    until("READY=1");
    daemon.signal(Signal::SIGTERM);
    until("STOPPING=1");
    assert_eq!(daemon.terminate().0.code(), Some(0));
}

#[test]
fn dial_tone_is_ready_soon_after_the_start() {
    let directory = Directory::new(&two_lines());
    let started = Instant::now();
    let mut process = directory.daemon().spawn().unwrap();
    let socket = directory.path("kitchen.sock");
    let mut stream = loop {
        if let Ok(stream) = UnixStream::connect(&socket) {
            break stream;
        }
        assert!(started.elapsed() < PATIENCE);
        std::thread::yield_now();
    };
    stream.write_all(&edge(true, 0)).unwrap();
    let lifted = started.elapsed();
    let mut reader = BufReader::new(&stream);
    loop {
        let mut header = [0; 3];
        reader.read_exact(&mut header).unwrap();
        let mut payload = vec![0; usize::from(header[1])];
        reader.read_exact(&mut payload).unwrap();
        if header[0] == b'A' && payload.iter().any(|byte| *byte != 0) {
            break;
        }
    }
    println!(
        "start to a line that can be lifted: {lifted:?}; to dial tone's first sample: {:?}",
        started.elapsed()
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    let _ = process.kill();
    let _ = process.wait();
}
