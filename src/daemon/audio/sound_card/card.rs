//! A card that is open: both its streams, started, served and begun anew without waiting or allocating.

use std::fmt;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use alsa::pcm::{PCM, State};
use alsa::poll::{Descriptors, pollfd};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::conversion::Conversion;
use super::geometry::{Geometry, prefill};
use super::{CardFault, Served, SoundCardError, SoundCardSettings};
use crate::dsp::{FRAME, SAMPLE_RATE_HZ};

/// A card without a sample for so long is out of service.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// A sound card, open in both directions at one rate.
pub struct OpenCard {
    capture: Stream,
    playback: Stream,
    linked: bool,
    channel: usize,
    /// Frames that playback runs behind capture.
    behind: u32,
    conversion: Conversion,
    /// One channel of what was read.
    mono: Box<[i16]>,
    descriptors: Box<[pollfd]>,
    state: Streams,
    xruns: u32,
    last_sound: Instant,
    /// What the driver said last when it failed.
    last_errno: Option<i32>,
}

/// One direction.
struct Stream {
    pcm: PCM,
    geometry: Geometry,
    /// 10 ms of all channels, on their way to or from the card.
    interleaved: Box<[i16]>,
}

/// What both streams are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Streams {
    /// To be begun anew.
    Stopped,
    Running,
    /// The machine slept; the driver has to be asked until it is awake.
    Suspended,
}

impl fmt::Debug for OpenCard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenCard")
            .field("capture", &self.capture.geometry)
            .field("playback", &self.playback.geometry)
            .field("state", &self.state)
            .field("xruns", &self.xruns)
            .finish_non_exhaustive()
    }
}

impl OpenCard {
    pub(super) fn new(
        settings: &SoundCardSettings,
        (capture, heard): (PCM, Geometry),
        (playback, said): (PCM, Geometry),
        linked: bool,
    ) -> Result<Self, SoundCardError> {
        let rate_hz = heard.rate_hz;
        let conversion =
            Conversion::new(rate_hz, said.buffer as usize).map_err(|error| SoundCardError::Unsuitable {
                pcm: settings.pcm.clone(),
                what: format!("rate that is served: {error}"),
            })?;
        let descriptors = capture
            .get()
            .map_err(|error| super::negotiate::failed(settings, "cannot wait for it", error))?;
        // What only the tick can serve is served up to 10 ms late.
        let late = if can_be_waited_for(&descriptors) {
            0
        } else {
            heard.ten_ms()
        };
        let behind = prefill(rate_hz, heard.period) + late;
        Ok(Self {
            mono: vec![0; heard.ten_ms() as usize].into_boxed_slice(),
            capture: Stream::new(capture, heard),
            playback: Stream::new(playback, said),
            linked,
            channel: settings.channel.into(),
            behind: behind.min(said.buffer),
            conversion,
            descriptors: descriptors.into_boxed_slice(),
            state: Streams::Stopped,
            xruns: 0,
            last_sound: Instant::now(),
            last_errno: None,
        })
    }

    /// What was agreed on with the card, for the log.
    pub fn description(&self) -> String {
        let rate_hz = self.capture.geometry.rate_hz;
        format!(
            "{rate_hz} Hz{}, S16, in {}, out {}, playback {:.1} ms behind capture{}",
            if rate_hz == SAMPLE_RATE_HZ {
                ""
            } else {
                " (resampled)"
            },
            self.capture.geometry,
            self.playback.geometry,
            f64::from(self.behind) * 1000.0 / f64::from(rate_hz),
            if self.linked { ", started as one" } else { "" },
        )
    }

    /// What to wait for: readable when there is something to serve, or not (that is for `serve` to find out).
    pub(in crate::daemon::audio) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.descriptors.iter().map(|descriptor| descriptor.fd)
    }

    pub(super) fn period_us(&self) -> u32 {
        self.capture.geometry.period_us()
    }

    /// Interruptions since it was asked last.
    pub(super) fn take_xruns(&mut self) -> u32 {
        std::mem::take(&mut self.xruns)
    }

    /// Lets both streams run; what goes wrong shows when they are served.
    pub(super) fn start(&mut self, now: Instant) {
        self.last_sound = now;
        self.state = Streams::Stopped;
        let _ = self.begin_anew();
    }

    /// Works off what has been captured: each 10 ms of it are exchanged for 10 ms to be played.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        exchange: &mut dyn FnMut(&[i16; FRAME], &mut [i16; FRAME]),
    ) -> Result<Served, CardFault> {
        self.acknowledge_wake_up();
        let mut served = Served::default();
        let result = self.work(now, exchange, &mut served);
        match result {
            Ok(()) => {}
            Err(error) => self.take_error(error.errno(), &mut served)?,
        }
        if now.saturating_duration_since(self.last_sound) > STALLED_AFTER {
            return Err(self.last_errno.map_or(CardFault::Stalled, CardFault::Failing));
        }
        Ok(served)
    }

    fn work(
        &mut self,
        now: Instant,
        exchange: &mut dyn FnMut(&[i16; FRAME], &mut [i16; FRAME]),
        served: &mut Served,
    ) -> alsa::Result<()> {
        match self.state {
            Streams::Running => {}
            Streams::Stopped => {
                served.restarted = true;
                return self.begin_anew();
            }
            Streams::Suspended => {
                // Drivers that cannot resume are begun anew, and so is playback, whose distance is unknown.
                match self.capture.pcm.resume() {
                    Err(error) if error.errno() == libc::EAGAIN => return Ok(()),
                    Ok(()) | Err(_) => {}
                }
                served.restarted = true;
                return self.begin_anew();
            }
        }
        // Whole periods: the card wakes us a period after what was read last, and a tick that took the beginning of
        // one would put that off.
        let period = i64::from(self.capture.geometry.period).max(1);
        let mut captured = self.capture.pcm.avail_update()? / period * period;
        while captured > 0 {
            let wanted = usize::try_from(captured).unwrap_or(usize::MAX);
            let read = self.capture.read(&mut self.mono, self.channel, wanted)?;
            if read == 0 {
                break;
            }
            captured -= read as i64;
            (self.last_sound, self.last_errno) = (now, None);
            self.conversion.hear(&self.mono[..read]);
            while let Some(heard) = self.conversion.frame() {
                let mut said = [0; FRAME];
                exchange(&heard, &mut said);
                served.frames += 1;
                if !self.conversion.say(&said) {
                    // Playback has stood still while capture ran.
                    return Err(alsa::Error::new("snd_pcm_writei", libc::EPIPE));
                }
            }
            self.write()?;
        }
        if served.frames > 0 {
            let to_be_heard = self.capture.pcm.avail_update()?;
            let to_be_played = i64::from(self.playback.geometry.buffer) - self.playback.pcm.avail()?;
            self.conversion.align(to_be_heard + to_be_played, self.behind);
        } else {
            return self.look_after_silence();
        }
        Ok(())
    }

    /// Nothing was captured: a stream that stopped would tell only with capture's next period, which may not come.
    fn look_after_silence(&self) -> alsa::Result<()> {
        let errno = match (self.capture.pcm.state(), self.playback.pcm.state()) {
            (State::Suspended, _) | (_, State::Suspended) => libc::ESTRPIPE,
            // Capture goes on where the two aren't linked.
            (_, State::XRun) => libc::EPIPE,
            _ => return Ok(()),
        };
        Err(alsa::Error::new("snd_pcm_state", errno))
    }

    fn write(&mut self) -> alsa::Result<()> {
        loop {
            let waiting = self.conversion.waiting();
            if waiting.is_empty() {
                return Ok(());
            }
            let taken = self.playback.write(waiting, self.channel)?;
            if taken == 0 {
                return Ok(());
            }
            self.conversion.taken(taken);
        }
    }

    /// Both streams from their beginning, playback ahead by its constant.
    fn begin_anew(&mut self) -> alsa::Result<()> {
        self.state = Streams::Stopped;
        // They may be stopped already; what matters fails at `prepare`.
        let _ = self.playback.pcm.drop();
        let _ = self.capture.pcm.drop();
        self.playback.pcm.prepare()?;
        if self.capture.pcm.state() != State::Prepared {
            self.capture.pcm.prepare()?;
        }
        self.conversion.restart();
        let mut ahead = self.behind as usize;
        let silence = [0; FRAME];
        while ahead > 0 {
            let piece = &silence[..ahead.min(FRAME)];
            match self.playback.write(piece, self.channel)? {
                0 => break,
                taken => ahead -= taken,
            }
        }
        self.playback.pcm.start()?;
        if self.capture.pcm.state() != State::Running {
            self.capture.pcm.start()?;
        }
        self.state = Streams::Running;
        Ok(())
    }

    fn take_error(&mut self, errno: i32, served: &mut Served) -> Result<(), CardFault> {
        match errno {
            libc::EAGAIN | libc::EINTR => Ok(()),
            libc::ENODEV | libc::ENXIO | libc::ESHUTDOWN => Err(CardFault::Gone),
            libc::EPIPE => {
                self.xruns = self.xruns.saturating_add(1);
                served.restarted = true;
                match self.begin_anew() {
                    Ok(()) => Ok(()),
                    // The next tick tries again.
                    Err(error) if error.errno() == libc::EPIPE => Ok(()),
                    Err(error) => self.take_error(error.errno(), served),
                }
            }
            libc::ESTRPIPE => {
                self.xruns = self.xruns.saturating_add(1);
                self.state = Streams::Suspended;
                Ok(())
            }
            other => {
                self.last_errno = Some(other);
                self.state = Streams::Stopped;
                if self.capture.pcm.state() == State::Disconnected {
                    return Err(CardFault::Gone);
                }
                Ok(())
            }
        }
    }

    /// Plugins empty the descriptor that woke us in the translation of its event, and only there.
    fn acknowledge_wake_up(&mut self) {
        // SAFETY: the pointer and length are those of a live slice of our own; a timeout of 0 doesn't wait.
        let woken = unsafe {
            libc::poll(
                self.descriptors.as_mut_ptr(),
                self.descriptors.len() as libc::nfds_t,
                0,
            )
        };
        if woken > 0 {
            // Whatever it says: reading finds out.
            let _ = self.capture.pcm.revents(&self.descriptors);
        }
    }
}

/// Some plugins' descriptors are of a kind that epoll refuses.
fn can_be_waited_for(descriptors: &[pollfd]) -> bool {
    let Ok(epoll) = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC) else {
        return false;
    };
    descriptors.iter().all(|descriptor| {
        // SAFETY: its PCM has it open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor.fd) };
        epoll
            .add(borrowed, EpollEvent::new(EpollFlags::EPOLLIN, 0))
            .is_ok()
    })
}

impl Stream {
    fn new(pcm: PCM, geometry: Geometry) -> Self {
        let samples = geometry.ten_ms() * geometry.channels;
        Self {
            pcm,
            geometry,
            interleaved: vec![0; samples as usize].into_boxed_slice(),
        }
    }

    /// At most 10 ms of one channel, and at most `wanted` frames; how many there were.
    fn read(&mut self, mono: &mut [i16], channel: usize, wanted: usize) -> alsa::Result<usize> {
        let channels = self.geometry.channels as usize;
        let room = wanted.min(self.interleaved.len() / channels) * channels;
        // SAFETY: the stream was set up for interleaved samples of 16 bits.
        let io = unsafe { self.pcm.io_unchecked::<i16>() };
        let frames = match io.readi(&mut self.interleaved[..room]) {
            Ok(frames) => frames,
            Err(error) if error.errno() == libc::EAGAIN => 0,
            Err(error) => return Err(error),
        };
        let read = self.interleaved.chunks_exact(channels).take(frames);
        for (sample, frame) in mono.iter_mut().zip(read) {
            *sample = frame[channel];
        }
        Ok(frames)
    }

    /// As many of the samples as fit and make 10 ms, on one channel, the others silent; how many they were.
    fn write(&mut self, samples: &[i16], channel: usize) -> alsa::Result<usize> {
        let channels = self.geometry.channels as usize;
        let frames = samples.len().min(self.interleaved.len() / channels);
        for (frame, sample) in self.interleaved.chunks_exact_mut(channels).zip(samples) {
            frame[channel] = *sample;
        }
        // SAFETY: the stream was set up for interleaved samples of 16 bits.
        let io = unsafe { self.pcm.io_unchecked::<i16>() };
        match io.writei(&self.interleaved[..frames * channels]) {
            Err(error) if error.errno() == libc::EAGAIN => Ok(0),
            written => written,
        }
    }
}
