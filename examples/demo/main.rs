//! `make demo`: a whole call between two virtual telephones through the real program, real SIP and real RTP sockets.
//!
//! Starts `tipring run` with two lines and no server, plugs a telephone into each, and makes a call: dial tone, keys,
//! ringing, caller ID, speech both ways, busy tone. Prints what happened and when, what each side heard, and how long
//! sound took; leaves recordings and a picture in `demo-out/`. Exit status 1 where anything expected was not heard.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that shows another one reads clocks, opens sockets and files, and prints"
)]

mod clock;
mod daemon;
mod envelope;
mod heard;
mod measure;
mod picture;
mod report;
mod speech;
mod story;
mod telephone;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tipring::zone::{Tone, Zone, zone};

use clock::Clock;
use daemon::Daemon;
use heard::Heard;
use story::Story;
use telephone::Telephone;

/// Where the recordings and the picture go.
const OUT: &str = "demo-out";

/// The country the lines sound like: its dial tone, ringing and caller ID (Bell 202 between the rings) are described
/// in public standards (GR-506, GR-30).
const COUNTRY: &str = "us";

/// How long something may take to be heard.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match demonstrate() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `false`: something expected was not heard.
fn demonstrate() -> anyhow::Result<bool> {
    let out = Path::new(OUT);
    std::fs::create_dir_all(out).context("demo-out cannot be made")?;
    let zone = zone(COUNTRY).context("no such country")?;
    let story = enact(&zone)?;

    story.write_events(&out.join("events.jsonl"))?;
    for telephone in [&story.kitchen, &story.hall] {
        let path = out.join(format!("{}-heard.wav", telephone.name));
        write_wav(&path, &telephone.recording.heard)?;
    }
    std::fs::write(out.join("call.svg"), picture::draw(&story)).context("call.svg cannot be written")?;

    report::print(&story);
    println!("\nLeft in {OUT}/: kitchen-heard.wav, hall-heard.wav, events.jsonl, call.svg");
    Ok(report::print_missing(&story))
}

/// The call, from plugging in to the end of the program.
fn enact(zone: &Zone) -> anyhow::Result<Story> {
    let clock = Clock::start();
    let daemon = Daemon::start(COUNTRY)?;
    let mut kitchen = Telephone::plug(&daemon.socket("kitchen"), zone, clock)?;
    let mut hall = Telephone::plug(&daemon.socket("hall"), zone, clock)?;
    let events = daemon.follow_events()?;
    let gone_wrong = converse(&mut kitchen, &mut hall).err();
    let records = daemon.records()?;
    let ended_politely = daemon.end()?;
    Ok(Story {
        gone_wrong: gone_wrong.map(|error| error.to_string()),
        kitchen: Heard::of("kitchen", "hall", kitchen.unplug()?, zone),
        hall: Heard::of("hall", "kitchen", hall.unplug()?, zone),
        events: events.collect(clock),
        records,
        ended_politely,
    })
}

/// What the two people do.
fn converse(kitchen: &mut Telephone, hall: &mut Telephone) -> anyhow::Result<()> {
    pause(300);
    kitchen.hook(true)?;
    kitchen.wait_tone(Tone::Dial)?;
    pause(900);
    kitchen.press(daemon::HALL)?;
    hall.wait_ring()?;
    hall.wait_caller()?;
    kitchen.wait_tone(Tone::Ringback)?;
    pause(500);
    hall.hook(true)?;
    pause(500);
    kitchen.say(speech::low_voice())?;
    kitchen.wait_spoken()?;
    pause(400);
    hall.say(speech::high_voice())?;
    hall.wait_spoken()?;
    pause(400);
    hall.hook(false)?;
    kitchen.wait_tone(Tone::Busy)?;
    pause(700);
    kitchen.hook(false)?;
    // The line takes a break for a hang-up once it is longer than any flash of the country.
    pause(1500);
    Ok(())
}

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn write_wav(path: &Path, samples: &[i16]) -> anyhow::Result<()> {
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: tipring::dsp::SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, format).with_context(|| path.display().to_string())?;
    for sample in samples {
        file.write_sample(*sample)?;
    }
    file.finalize().with_context(|| path.display().to_string())
}
