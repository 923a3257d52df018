//! `tipring tool callerid`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, bail};

use super::{samples_of_ms, zone};
use crate::cli::wav;
use crate::dsp::transmission::Player;
use crate::line::caller_id::{
    Step, call_waiting_script, message_waiting_script, names, scheme_by_name, script,
};
use crate::line::{CallTime, Caller, Presentation};

/// Longest single transmission: 258 bytes at 1200 baud are 2.2 s.
const TRANSMISSION_MS_MAX: u64 = 10_000;

/// Silence after the last transmission, for receivers that wait for the carrier's end.
const TAIL_MS: u64 = 200;

/// Writes the caller-ID transmission as the line would send it; ringing and reversals before and after it are
/// silence of their length.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Country, ISO 3166-1 alpha-2: ua, de, us
    #[arg(long, value_name = "CC")]
    country: String,
    /// Another standard than the country's: bellcore, etsi-fsk, bt, etsi-dtmf, ...
    #[arg(long, value_name = "NAME")]
    standard: Option<String>,
    /// The caller's number; `private` where it is withheld
    #[arg(long, value_name = "N")]
    number: Option<String>,
    /// The caller's name; `private` where it is withheld
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Local time of the call, such as 2026-11-23T07:30
    #[arg(long, value_name = "ISO8601", value_parser = call_time)]
    time: Option<CallTime>,
    /// For a telephone in a call (call waiting)
    #[arg(long)]
    waiting: bool,
    /// Switch the message-waiting lamp instead
    #[arg(long, value_name = "on|off", conflicts_with_all = ["number", "name", "time", "waiting"], value_parser = on_off)]
    mwi: Option<bool>,
    /// The file to write: WAV, 8000 Hz, 16-bit, mono
    #[arg(short, long, value_name = "FILE.wav")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let zone = zone(&arguments.country)?;
    let scheme = match &arguments.standard {
        Some(name) => scheme_by_name(name).ok_or_else(|| {
            let names: Vec<&str> = names().collect();
            anyhow!("no standard {name}; there are {}", names.join(", "))
        })?,
        None => zone.caller_id,
    };
    let caller = Caller {
        number: presentation(arguments.number.as_deref()),
        name: presentation(arguments.name.as_deref()),
        time: arguments.time,
        redirecting: None,
    };
    let steps = match arguments.mwi {
        Some(waiting) => message_waiting_script(scheme, waiting),
        None if arguments.waiting => call_waiting_script(scheme, &caller),
        None => script(scheme, &caller, &zone.ring.cadence_ms),
    };
    if !steps.iter().any(|step| matches!(step, Step::Transmit(_))) {
        bail!("this standard sends nothing for that; choose another with --standard");
    }
    wav::write(&arguments.output, &render(&steps))?;
    Ok(ExitCode::SUCCESS)
}

fn render(steps: &[Step]) -> Vec<i16> {
    let mut samples = Vec::new();
    let silence = |samples: &mut Vec<i16>, ms: u64| samples.resize(samples.len() + samples_of_ms(ms), 0);
    for step in steps {
        match step {
            Step::Ring { ms } | Step::Silence { ms } | Step::OpenLoop { ms } => {
                silence(&mut samples, (*ms).into())
            }
            Step::Reverse(_) => {}
            Step::Transmit(transmission) => {
                let mut player = Player::new();
                player.start(*transmission);
                let longest = samples.len() + samples_of_ms(TRANSMISSION_MS_MAX);
                while !player.is_done() && samples.len() < longest {
                    let mut sample = [0];
                    player.fill(&mut sample);
                    samples.extend(sample);
                }
            }
        }
    }
    silence(&mut samples, TAIL_MS);
    samples
}

fn presentation(text: Option<&str>) -> Presentation {
    match text {
        None => Presentation::Unavailable,
        Some("private") => Presentation::Private,
        Some(text) => Presentation::Given(text.to_owned()),
    }
}

/// `[YYYY-]MM-DDTHH:MM[...]`: caller ID carries month, day, hour and minute.
fn call_time(text: &str) -> Result<CallTime, String> {
    let parse = || -> Option<CallTime> {
        let (date, time) = text.split_once(['T', ' '])?;
        let mut date = date.rsplit('-');
        let (day, month) = (date.next()?.parse().ok()?, date.next()?.parse().ok()?);
        let mut time = time.split(':');
        let (hour, minute) = (time.next()?.parse().ok()?, time.next()?.get(..2)?.parse().ok()?);
        let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
        valid.then_some(CallTime {
            month,
            day,
            hour,
            minute,
        })
    };
    parse().ok_or_else(|| "a time looks like 2026-11-23T07:30".to_owned())
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("say on or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_iso_writes_them() {
        let time = CallTime {
            month: 11,
            day: 23,
            hour: 7,
            minute: 30,
        };
        for text in ["2026-11-23T07:30", "2026-11-23T07:30:15Z", "11-23 07:30"] {
            assert_eq!(call_time(text), Ok(time), "{text}");
        }
        for text in [
            "",
            "2026-13-01T00:00",
            "2026-11-23",
            "2026-11-23T25:00",
            "2026-11-23T07:3ö",
        ] {
            assert!(call_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read_by_a_telephone() {
        use crate::dsp::fsk::{Demodulator, FskEvent};
        use crate::dsp::transmission::Modem;
        use crate::line::caller_id::message::{Message, parse};
        let caller = Caller {
            number: Presentation::Given("600".into()),
            ..Caller::default()
        };
        let scheme = scheme_by_name("bellcore").unwrap();
        let mut bytes = Vec::new();
        Demodulator::new(Modem::Bell202).process(
            &render(&script(scheme, &caller, &[2000, 4000])),
            &mut |event| {
                if let FskEvent::Byte(byte) = event {
                    bytes.push(byte);
                }
            },
        );
        assert!(matches!(parse(&bytes), Ok(Message::CallSetup(read)) if read.number == caller.number));
    }
}
