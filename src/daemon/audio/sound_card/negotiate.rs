//! Opening a card: which rate, channels, period and buffer it and we agree on.

use alsa::pcm::{Access, Format, Frames, HwParams, PCM};
use alsa::{Direction, Output, ValueOr};

use super::card::OpenCard;
use super::geometry::{Geometry, RATES_HZ, prefill};
use super::{SoundCardError, SoundCardSettings};

/// Opens both directions of a card, neither running yet, and logs what was agreed on. May wait for the driver: not
/// for the audio thread.
pub fn open(settings: &SoundCardSettings) -> Result<OpenCard, SoundCardError> {
    // ALSA's library would explain itself on stderr, anew with each attempt; what it says goes to the log.
    let explained = Output::local_error_handler().ok();
    let result = negotiate(settings);
    if let Some(explained) = explained.filter(|_| result.is_err()) {
        tracing::debug!("{}", explained.borrow());
    }
    result
}

fn negotiate(settings: &SoundCardSettings) -> Result<OpenCard, SoundCardError> {
    let capture = open_one(settings, Direction::Capture)?;
    let playback = open_one(settings, Direction::Playback)?;
    let rates: &[u32] = settings.rate_hz.as_ref().map_or(&RATES_HZ, std::slice::from_ref);
    let mut last_error = None;
    for &rate_hz in rates {
        if !(has_rate(&capture, rate_hz) && has_rate(&playback, rate_hz)) {
            continue;
        }
        // One direction set may narrow what the other can do: then the next rate has its turn.
        let agreed = configure(settings, &capture, Direction::Capture, rate_hz).and_then(|heard| {
            configure(settings, &playback, Direction::Playback, rate_hz).map(|said| (heard, said))
        });
        match agreed {
            Ok((heard, said)) => {
                // Kernel devices start and stop as one then; most plugins don't know how to.
                let linked = capture.link(&playback).is_ok();
                let card = OpenCard::new(settings, (capture, heard), (playback, said), linked)?;
                tracing::info!("sound card {}: {}", settings.pcm, card.description());
                return Ok(card);
            }
            Err(error) => last_error = Some(error),
        }
        let _ = capture.hw_free();
        let _ = playback.hw_free();
    }
    Err(last_error.unwrap_or_else(|| SoundCardError::Unsuitable {
        pcm: settings.pcm.clone(),
        what: match settings.rate_hz {
            Some(rate_hz) => format!("{rate_hz} Hz"),
            None => "rate of 8000 to 48000 Hz in common for both directions".to_owned(),
        },
    }))
}

fn open_one(settings: &SoundCardSettings, direction: Direction) -> Result<PCM, SoundCardError> {
    let name = std::ffi::CString::new(settings.pcm.as_str()).map_err(|_| SoundCardError::Unsuitable {
        pcm: settings.pcm.clone(),
        what: "valid name".to_owned(),
    })?;
    PCM::open(&name, direction, true).map_err(|error| {
        failed(
            settings,
            &format!("cannot open it for {}", word(direction)),
            error,
        )
    })
}

fn has_rate(pcm: &PCM, rate_hz: u32) -> bool {
    HwParams::any(pcm).is_ok_and(|wanted| wanted.test_rate(rate_hz).is_ok())
}

fn configure(
    settings: &SoundCardSettings,
    pcm: &PCM,
    direction: Direction,
    rate_hz: u32,
) -> Result<Geometry, SoundCardError> {
    let unsuitable = |what: &str| {
        let what = format!("{what} for {}", word(direction));
        let pcm = settings.pcm.clone();
        move |_| SoundCardError::Unsuitable { pcm, what }
    };
    let fails = |error| failed(settings, &format!("cannot set up {}", word(direction)), error);
    let wanted = HwParams::any(pcm).map_err(fails)?;
    wanted
        .set_access(Access::RWInterleaved)
        .map_err(unsuitable("interleaved access"))?;
    // Little endian as the cards have it; on a big-endian machine, the machine's own order.
    wanted
        .set_format(Format::s16())
        .map_err(unsuitable("16-bit samples"))?;
    wanted
        .set_rate(rate_hz, ValueOr::Nearest)
        .map_err(unsuitable("such rate"))?;
    let needed = u32::from(settings.channel) + 1;
    let channels = needed.max(wanted.get_channels_min().map_err(fails)?);
    wanted
        .set_channels(channels)
        .map_err(unsuitable(&format!("channel {}", settings.channel)))?;
    let period = Frames::from(rate_hz * u32::from(settings.period_ms) / 1000);
    let period = wanted
        .set_period_size_near(period, ValueOr::Nearest)
        .map_err(unsuitable("usable period"))?;
    let ahead = Frames::from(prefill(rate_hz, frames(period)));
    let buffer = (period * Frames::from(settings.periods)).max((ahead + period - 1) / period * period);
    wanted
        .set_buffer_size_near(buffer)
        .map_err(unsuitable("usable buffer"))?;
    pcm.hw_params(&wanted).map_err(fails)?;
    let agreed = Geometry {
        rate_hz,
        channels,
        period: frames(wanted.get_period_size().map_err(fails)?),
        buffer: frames(wanted.get_buffer_size().map_err(fails)?),
    };
    if agreed.buffer < prefill(rate_hz, agreed.period) {
        return Err(SoundCardError::Unsuitable {
            pcm: settings.pcm.clone(),
            what: format!("buffer long enough for its periods ({agreed})"),
        });
    }
    let software = pcm.sw_params_current().map_err(fails)?;
    software
        .set_avail_min(Frames::from(agreed.period))
        .map_err(fails)?;
    // Nothing starts by itself: both directions start together.
    let never = software.get_boundary().map_err(fails)?;
    software.set_start_threshold(never).map_err(fails)?;
    pcm.sw_params(&software).map_err(fails)?;
    Ok(agreed)
}

/// ALSA's frames are as long as a pointer; ours are what a buffer of seconds holds.
fn frames(count: Frames) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Capture => "capture",
        Direction::Playback => "playback",
    }
}

pub(super) fn failed(settings: &SoundCardSettings, tried: &str, error: alsa::Error) -> SoundCardError {
    let errno = error.errno();
    SoundCardError::Failed {
        pcm: settings.pcm.clone(),
        reason: format!("{tried}: {}", std::io::Error::from_raw_os_error(errno)),
        errno,
    }
}
