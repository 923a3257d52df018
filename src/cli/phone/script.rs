//! The words of a scripted telephone.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use crate::dsp::Key;
use crate::zone::Tone;

/// One thing the telephone does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Lift the handset.
    OffHook,
    /// Hang up.
    OnHook,
    /// Open the loop for so long; `None`: as the line takes for a recall.
    Flash(Option<Duration>),
    /// Press keys, or turn the dial.
    Dial {
        /// The keys.
        keys: Vec<Key>,
        /// By dial pulses.
        pulse: bool,
    },
    /// Speak a recording into the handset, to its end.
    Play(PathBuf),
    /// Record what is heard from now on.
    Record(PathBuf),
    /// No longer.
    StopRecord,
    /// From now on everything heard is spoken back at once.
    Echo,
    /// Let time pass.
    Wait(Duration),
    /// Until the telephone rings.
    WaitRing,
    /// Until a burst has ended.
    WaitRingEnd,
    /// Until the caller is shown.
    WaitCallerId,
    /// Until this tone is heard.
    WaitTone(Tone),
    /// From here on a wait gives up after so long.
    Timeout(Duration),
}

/// The actions of `words`, in order.
pub fn parse(words: &[String]) -> anyhow::Result<Vec<Action>> {
    let mut words = words.iter().map(String::as_str).peekable();
    let mut actions = Vec::new();
    while let Some(word) = words.next() {
        let mut argument = |what: &str| words.next().ok_or_else(|| anyhow!("`{word}` needs {what}"));
        let action = match word {
            "off-hook" => Action::OffHook,
            "on-hook" => Action::OnHook,
            "flash" => match words.next_if(|next| next.parse::<u64>().is_ok()) {
                Some(ms) => Action::Flash(Some(Duration::from_millis(ms.parse()?))),
                None => Action::Flash(None),
            },
            "dial" => {
                let keys = keys(argument("the digits to dial")?)?;
                let pulse = words.next_if_eq(&"--pulse").is_some();
                if pulse && keys.iter().any(|key| !key.as_char().is_ascii_digit()) {
                    bail!("a dial has the digits 0 to 9 only");
                }
                Action::Dial { keys, pulse }
            }
            "play" => Action::Play(argument("a WAV file")?.into()),
            "record" => Action::Record(argument("a WAV file")?.into()),
            "stop-record" => Action::StopRecord,
            "echo" => Action::Echo,
            "wait" => Action::Wait(seconds(argument("a number of seconds")?)?),
            "wait-ring" => Action::WaitRing,
            "wait-ring-end" => Action::WaitRingEnd,
            "wait-caller-id" => Action::WaitCallerId,
            "wait-tone" => {
                let name = argument("a tone's name")?;
                Action::WaitTone(Tone::from_name(&name.replace('-', "_")).ok_or_else(|| {
                    anyhow!(
                        "no tone `{name}`; there are {}",
                        Tone::ALL.map(Tone::name).join(", ")
                    )
                })?)
            }
            "--timeout" => Action::Timeout(seconds(argument("a number of seconds")?)?),
            _ => bail!("`{word}` is nothing a telephone does; `tipring phone --help` lists what is"),
        };
        actions.push(action);
    }
    Ok(actions)
}

/// Keys of a string; spaces and dashes are for people.
pub fn keys(text: &str) -> anyhow::Result<Vec<Key>> {
    text.chars()
        .filter(|character| !matches!(character, ' ' | '-'))
        .map(|character| {
            Key::from_char(character).ok_or_else(|| anyhow!("there is no key `{character}` on a telephone"))
        })
        .collect()
}

/// Seconds as typed.
pub fn seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds: f64 = text
        .parse()
        .with_context(|| format!("`{text}` is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).with_context(|| format!("`{text}` is no number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> anyhow::Result<Vec<Action>> {
        parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_become_actions() {
        let actions =
            of("off-hook dial 12 --pulse flash flash 90 wait 0.5 --timeout 3 wait-tone busy").unwrap();
        assert_eq!(
            actions,
            [
                Action::OffHook,
                Action::Dial {
                    keys: keys("12").unwrap(),
                    pulse: true
                },
                Action::Flash(None),
                Action::Flash(Some(Duration::from_millis(90))),
                Action::Wait(Duration::from_millis(500)),
                Action::Timeout(Duration::from_secs(3)),
                Action::WaitTone(Tone::Busy),
            ]
        );
    }

    #[test]
    fn nonsense_is_named() {
        for (text, named) in [
            ("hang-on", "hang-on"),
            ("dial", "digits"),
            ("dial 12x", "`x`"),
            ("dial 1* --pulse", "0 to 9"),
            ("wait soon", "soon"),
            ("wait -1", "-1"),
            ("wait-tone bleep", "ringback"),
        ] {
            let error = format!("{:#}", of(text).unwrap_err());
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
