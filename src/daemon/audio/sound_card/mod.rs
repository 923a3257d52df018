//! Sound cards, by ALSA: the audio of a line whose interface leaves it to one.
//!
//! A card is opened outside the audio thread ([`open`], which allocates and may wait) and handed over whole; the
//! thread only reads, writes and restarts it. The card's crystal is the line's clock: whenever 80 samples (at
//! 8 kHz) have been captured, a frame goes each way, so that what is played stays a constant time behind what is
//! heard. That time is printed when the card is opened. Hook and ringing are none of a card's business:
//! [`Command::Slic`](super::Command::Slic) passes such a line by.

#[cfg(not(feature = "alsa"))]
mod absent;
#[cfg(feature = "alsa")]
mod card;
#[cfg(feature = "alsa")]
mod conversion;
mod end;
#[cfg(feature = "alsa")]
mod geometry;
#[cfg(feature = "alsa")]
mod negotiate;

#[cfg(not(feature = "alsa"))]
pub use absent::{OpenCard, open};
#[cfg(feature = "alsa")]
pub use card::OpenCard;
#[cfg(feature = "alsa")]
pub use negotiate::open;

pub(super) use end::CardEnd;

use std::fmt;

use crate::config::model::SoundCard;

/// Which card, and how it is to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SoundCardSettings {
    /// ALSA's name of the PCM, for both directions: `hw:CARD=…,DEV=…`, or whatever the owner wrote.
    pub pcm: String,
    /// Channel of the telephone, counted from 0.
    pub channel: u8,
    /// Sample rate; `None`: the best of those the hardware has.
    pub rate_hz: Option<u32>,
    /// One period of the hardware.
    pub period_ms: u8,
    /// Periods in the hardware's buffer.
    pub periods: u8,
}

impl From<&SoundCard> for SoundCardSettings {
    /// Cards go by name: their numbers change from one boot to the next. `plughw` only where it is asked for.
    fn from(configured: &SoundCard) -> Self {
        let SoundCard {
            card,
            device,
            channel,
            rate_hz,
            period_ms,
            periods,
        } = configured;
        Self {
            pcm: if card.contains(':') {
                card.clone()
            } else {
                format!("hw:CARD={card},DEV={device}")
            },
            channel: *channel,
            rate_hz: *rate_hz,
            period_ms: *period_ms,
            periods: *periods,
        }
    }
}

/// Why a card cannot be opened. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundCardError {
    /// The program was built without ALSA.
    #[error("sound card {pcm}: this build has no ALSA; build it with the feature `alsa`")]
    NotBuilt {
        /// Which.
        pcm: String,
    },
    /// It isn't there, is in use, or its driver fails.
    #[error("sound card {pcm}: {reason}{}", advice(*.errno))]
    Failed {
        /// Which.
        pcm: String,
        /// What was tried, in the system's words.
        reason: String,
        /// The system's error number.
        errno: i32,
    },
    /// It cannot do what is wanted of it.
    #[error("sound card {pcm} has no {what}; `plughw:…` in place of `hw:…` has ALSA convert")]
    Unsuitable {
        /// Which.
        pcm: String,
        /// What it hasn't.
        what: String,
    },
}

fn advice(errno: i32) -> &'static str {
    match errno {
        libc::ENOENT | libc::ENODEV | libc::ENXIO => "; /proc/asound/cards lists the cards there are",
        libc::EBUSY => "; end the program that has it open (fuser -v /dev/snd/*)",
        libc::EACCES | libc::EPERM => "; the user that tipring runs as has to be in the group audio",
        _ => "",
    }
}

/// Why a card that was in use no longer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFault {
    /// It was pulled out, or its driver is gone.
    Gone,
    /// It takes and gives no sound although nothing is wrong with it.
    Stalled,
    /// The driver fails, again and again, with this error number.
    Failing(i32),
}

impl fmt::Display for CardFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => formatter.write_str("it is gone"),
            Self::Stalled => formatter.write_str("it has stopped"),
            Self::Failing(errno) => write!(
                formatter,
                "its driver fails: {}",
                std::io::Error::from_raw_os_error(*errno)
            ),
        }
    }
}

/// What a turn of serving a card brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Served {
    /// Frames that went each way.
    pub frames: u32,
    /// The streams were broken off and begun anew.
    pub restarted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(card: &str) -> SoundCardSettings {
        SoundCardSettings::from(&SoundCard {
            card: card.to_owned(),
            device: 1,
            channel: 0,
            rate_hz: None,
            period_ms: 10,
            periods: 3,
        })
    }

    #[test]
    fn cards_go_by_name_and_whole_names_stand_as_written() {
        assert_eq!(configured("Device").pcm, "hw:CARD=Device,DEV=1");
        assert_eq!(configured("plughw:CARD=Device").pcm, "plughw:CARD=Device");
    }

    #[test]
    fn errors_say_what_to_do() {
        let failed = |errno| {
            SoundCardError::Failed {
                pcm: "hw:CARD=X,DEV=0".into(),
                reason: "cannot open it".into(),
                errno,
            }
            .to_string()
        };
        insta::assert_snapshot!(
            [libc::ENODEV, libc::EBUSY, libc::EACCES, libc::EIO].map(failed).join("\n"),
            @r"
        sound card hw:CARD=X,DEV=0: cannot open it; /proc/asound/cards lists the cards there are
        sound card hw:CARD=X,DEV=0: cannot open it; end the program that has it open (fuser -v /dev/snd/*)
        sound card hw:CARD=X,DEV=0: cannot open it; the user that tipring runs as has to be in the group audio
        sound card hw:CARD=X,DEV=0: cannot open it
        "
        );
    }
}
