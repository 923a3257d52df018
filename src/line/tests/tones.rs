//! Tones to play, keys heard, feed and polarity.

use super::rig::Rig;
use crate::dsp::Key;
use crate::line::{DtmfEdge, Expectation, LineCommand, LineOutput};
use crate::zone::{Tone, zone};

fn key(character: char) -> Key {
    Key::from_char(character).unwrap()
}

#[test]
fn tones_are_the_countrys() {
    let mut rig = Rig::new("gb");
    rig.edge(true, 0);
    rig.run_until(100);
    rig.outputs.clear();
    rig.command(LineCommand::Tone(Tone::Dial));
    rig.command(LineCommand::ToneOff);
    rig.command(LineCommand::ToneOff);
    let dial = *zone("gb").unwrap().tone(Tone::Dial);
    let outputs: Vec<_> = rig.outputs.drain(..).map(|(_, output)| output).collect();
    assert_eq!(outputs, [LineOutput::PlayTone(dial), LineOutput::StopTone]);
}

#[test]
fn a_telephone_hung_up_hears_nothing() {
    let mut rig = Rig::new("gb");
    rig.edge(true, 0);
    rig.run_until(100);
    rig.command(LineCommand::Tone(Tone::Busy));
    rig.edge(false, 1000);
    rig.run_for(2000);
    assert_eq!(rig.actions().last().unwrap(), "1800 tone off");
}

#[test]
fn keys_are_reported_down_and_up() {
    let mut rig = Rig::new("us");
    rig.edge(true, 0);
    rig.run_until(500);
    rig.dtmf(DtmfEdge::Down(key('5')));
    rig.dtmf(DtmfEdge::Up {
        key: key('5'),
        duration_ms: 80,
    });
    assert_eq!(rig.events(), ["off-hook 0", "tone 5", "tone 5 ends 80"]);
}

#[test]
fn the_clicks_of_a_dial_and_an_idle_line_are_no_keys() {
    let mut rig = Rig::new("us");
    let press = |rig: &mut Rig| {
        rig.dtmf(DtmfEdge::Down(key('5')));
        rig.dtmf(DtmfEdge::Up {
            key: key('5'),
            duration_ms: 80,
        });
    };
    press(&mut rig);
    rig.edge(true, 1000);
    let end_us = rig.pulses_us(2_000_000, 3, 10.0, 60.0, 0);
    rig.run_until_us(end_us + 100_000);
    press(&mut rig);
    rig.run_for(400);
    press(&mut rig);
    rig.edge(false, 5000);
    rig.run_for(2000);
    press(&mut rig);
    assert_eq!(
        rig.events(),
        [
            "off-hook 1000",
            "pulsing",
            "digit 3",
            "tone 5",
            "tone 5 ends 80",
            "pulsing",
            "on-hook 5000"
        ]
    );
}

#[test]
fn an_open_loop_is_no_hang_up_of_the_telephone() {
    let mut rig = Rig::new("us");
    rig.expect(Expectation::Conversation);
    rig.edge(true, 0);
    rig.run_until(1000);
    rig.command(LineCommand::OpenLoop { duration_ms: 500 });
    // The detector of an unfed loop sees no current, and sees it again a little after the feed is back.
    rig.edge(false, 1002);
    rig.edge(true, 1530);
    rig.run_for(3000);
    assert_eq!(rig.actions(), ["12 OFF HOOK", "1000 feed off", "1500 feed on"]);
    assert!(rig.line.is_off_hook());
}

#[test]
fn a_telephone_that_hung_up_on_an_open_loop_is_on_hook() {
    let mut rig = Rig::new("us");
    rig.expect(Expectation::Conversation);
    rig.edge(true, 0);
    rig.run_until(1000);
    rig.command(LineCommand::OpenLoop { duration_ms: 500 });
    rig.edge(false, 1002);
    rig.run_for(3000);
    assert_eq!(rig.events(), ["off-hook 0", "on-hook 1500"]);
    assert!(!rig.line.is_off_hook());
}

#[test]
fn out_of_service_is_dead_and_comes_back_with_the_truth() {
    let mut rig = Rig::new("us");
    rig.command(LineCommand::OutOfService(true));
    rig.edge(true, 1000);
    rig.dtmf(DtmfEdge::Down(key('5')));
    rig.run_until(5000);
    rig.command(LineCommand::OpenLoop { duration_ms: 100 });
    rig.run_until(6000);
    rig.command(LineCommand::OutOfService(false));
    rig.run_for(1000);
    assert_eq!(rig.actions(), ["0 feed off", "6000 feed on", "6100 OFF HOOK"]);
}

#[test]
fn polarity_is_passed_on() {
    let mut rig = Rig::new("us");
    rig.command(LineCommand::Polarity { reversed: true });
    rig.command(LineCommand::Polarity { reversed: false });
    assert_eq!(rig.actions(), ["0 reverse on", "0 reverse off"]);
}
