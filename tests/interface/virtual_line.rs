//! Section 3: the virtual line, byte by byte.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use crate::binary::server::{Manners, Server};
use crate::binary::telephone::{Telephone, edge, level_dbm0, pulse_train, sine};
use crate::binary::{Daemon, one_account, two_lines, wait};
use crate::talking;

#[test]
fn battery_and_polarity_come_first_and_a_frame_every_10_ms_whatever_the_hook() {
    let daemon = Daemon::start(&two_lines());
    let mode = std::fs::metadata(daemon.path("kitchen.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.heard(|heard| {
        let mut first = heard.types[..2].to_vec();
        first.sort_unstable();
        assert_eq!(first, *b"BP");
        assert!(heard.fed && !heard.reversed);
    });
    for closed in [false, true] {
        telephone.hook(closed);
        telephone.forget();
        telephone.wait("a second of audio", |heard| heard.frames.len() > 100);
        let took = telephone.heard(|heard| heard.frames[100] - heard.frames[0]);
        assert!(
            (0.95..1.10).contains(&took.as_secs_f64()),
            "100 frames in {took:?}"
        );
    }
    telephone.heard(|heard| assert_eq!(heard.wrong, Vec::<String>::new()));
}

#[test]
fn a_second_telephone_is_closed_and_the_first_hears_nothing_of_it() {
    let daemon = Daemon::start(&two_lines());
    let first = Telephone::plug(&daemon.path("kitchen.sock"));
    first.lift();
    first.wait_tone(440.0);
    let mut second = UnixStream::connect(daemon.path("kitchen.sock")).unwrap();
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    first.forget();
    first.wait_tone(440.0);
    assert!(!first.heard(|heard| heard.closed));
}

#[test]
fn what_is_not_the_protocol_closes_the_connection_with_one_line_and_harms_nothing() {
    let daemon = Daemon::start(&two_lines());
    let office = Telephone::plug(&daemon.path("office.sock"));
    office.lift();
    office.wait_tone(440.0);
    let wrong: [&[u8]; 8] = [
        b"Z\x01\0\x01",
        b"\0\0\0",
        b"A\x02\0\0\0",
        b"A\0\0",
        b"H\x01\0\x01",
        b"H\xff\xff",
        b"R\x01\0\x01",
        b"H\x09\0\x02\0\0\0\0\0\0\0\0",
    ];
    for (number, bytes) in wrong.iter().enumerate() {
        let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
        telephone.send(bytes);
        telephone.wait("the end of the connection", |heard| heard.closed);
        wait("its line in the log", || {
            daemon.log_lines("speak the protocol") == number + 1
        });
    }
    office.forget();
    office.wait_tone(440.0);
    let again = Telephone::plug(&daemon.path("kitchen.sock"));
    again.lift();
    again.wait_tone(440.0);
    let complaints: Vec<String> = daemon
        .log()
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains("ERROR"))
        .map(str::to_owned)
        .collect();
    assert!(complaints.len() <= wrong.len(), "{complaints:#?}");
}

#[test]
fn pulses_sent_in_one_burst_are_counted_by_their_time_stamps() {
    pulsed(0, "12");
}

#[test]
fn a_whole_number_pulsed_in_one_burst_is_counted_by_its_time_stamps() {
    pulsed(0, "1234");
}

#[test]
fn a_telephone_clock_near_its_middle_and_its_end_counts_right() {
    pulsed(u64::MAX / 2, "21");
    pulsed(u64::MAX - 60_000_000, "12");
}

/// Digits pulsed in one burst of messages, timed by the telephone's clock, which stands at `offset_us`.
fn pulsed(offset_us: u64, digits: &str) {
    let daemon = Daemon::start(&two_lines().replace("(1xS0)", &format!("({digits})")));
    let mut telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.clock_offset_us = offset_us;
    telephone.lift();
    telephone.wait_tone(440.0);
    let (burst, _) = pulse_train(telephone.now_us().wrapping_add(300_000), digits);
    telephone.send(&burst);
    wait("the digits dialled", || {
        daemon.log().contains(&format!("digits={digits} ")) || daemon.log().contains("digits=")
    });
    assert!(
        daemon.log().contains(&format!("digits={digits} ")),
        "{}",
        daemon
            .log()
            .lines()
            .filter(|line| line.contains("digit"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn a_telephone_clock_that_jumps_backwards_is_followed() {
    let daemon = Daemon::start(&two_lines().replace("(1xS0)", "(31)"));
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    let hour = 3_600_000_000;
    telephone.send(&edge(true, 10 * hour));
    telephone.forget();
    // Nobody dials sooner than that.
    telephone.listen_ms(300);
    // The clock is an hour back: pulses by the new one.
    let (burst, _) = pulse_train(9 * hour, "31");
    telephone.send(&burst);
    wait("digits", || daemon.log().contains("digits="));
    assert!(daemon.log().contains("digits=31 "), "{}", daemon.log());
    telephone.send(&edge(false, 0));
    daemon.wait_line(0, "idle");
}

#[test]
fn unplugging_ends_the_call_with_bye() {
    let server = Server::start(Manners::Polite);
    let (daemon, telephone) = talking(&server);
    telephone.unplug();
    server.wait_for("BYE ");
    daemon.wait_line(0, "idle");
    assert_eq!(daemon.status()["lines"][0]["hook"], "on");
}

#[test]
fn a_telephone_that_never_answers_is_silence_and_the_call_goes_on() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    assert_eq!(daemon.status()["accounts"][0]["state"], "direct");
    // It reads, and says nothing but its hook.
    let mut mute = UnixStream::connect(daemon.path("kitchen.sock")).unwrap();
    mute.write_all(&edge(true, 0)).unwrap();
    let mut reader = mute.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    daemon.wait_line(0, "dial_tone");
    let (burst, _) = pulse_train(500_000, "600");
    mute.write_all(&burst).unwrap();
    daemon.wait_line(0, "talking");
    let packets = || server.rtp_packets.load(std::sync::atomic::Ordering::Relaxed);
    let start = Instant::now();
    let before = packets();
    wait("packets of silence", || packets() >= before + 50);
    let took = start.elapsed();
    assert!(
        (0.9..1.3).contains(&took.as_secs_f64()),
        "50 packets of 20 ms in {took:?}"
    );
    assert_eq!(server.count("BYE "), 0);
}

#[test]
fn speech_goes_through_the_line_and_back() {
    let server = Server::start(Manners::Polite);
    let (_daemon, telephone) = talking(&server);
    telephone.forget();
    telephone.speak(sine(700.0, 1500));
    telephone.wait("its own voice, sent back", |heard| {
        heard.samples.len() > 1600 && level_dbm0(&heard.samples[heard.samples.len() - 1600..], 700.0) > -11.0
    });
    let level = telephone.heard(|heard| level_dbm0(&heard.samples[heard.samples.len() - 1600..], 700.0));
    assert!((-11.0..-9.0).contains(&level), "{level} dBm0 of -10");
}

#[test]
fn a_call_to_a_line_without_a_telephone_rings_and_can_be_taken_by_one_plugged_in() {
    let server = Server::start(Manners::Polite);
    let daemon = Daemon::start(&one_account(server.address(), false));
    let call = server.invite(daemon.sip(), "11", None);
    server.wait_for("SIP/2.0 180");
    daemon.wait_line(0, "ringing");
    // One plugged in now hears the bell at its next burst.
    let telephone = Telephone::plug(&daemon.path("kitchen.sock"));
    telephone.wait("the bell", |heard| heard.ringing);
    telephone.hook(true);
    assert!(server.final_response(&call).starts_with("SIP/2.0 200"));
    telephone.wait("the bell stops", |heard| !heard.ringing);
    daemon.wait_line(0, "talking");
}
