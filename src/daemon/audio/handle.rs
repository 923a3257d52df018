//! The daemon's end of the audio thread.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use nix::sys::eventfd::{EfdFlags, EventFd};
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::io::unix::AsyncFd;

use super::thread::{AudioLoop, Rings};
use super::{Command, Garbage, Report, StrayDatagram, realtime};

/// Commands on their way; more wait on this side.
const COMMANDS: usize = 64;

/// Reports on their way: a tick's worth of a flood of hook edges on several lines.
const REPORTS: usize = 2048;

/// Things to be freed on their way.
const GARBAGE: usize = 256;

/// Datagrams that aren't media on their way.
const STRAYS: usize = 32;

/// Stack of the thread; its frames are small.
const STACK_BYTES: usize = 256 * 1024;

/// The running thread.
#[derive(Debug)]
pub struct AudioThread {
    thread: Option<JoinHandle<()>>,
    commands: Producer<Command>,
    /// Commands that found the ring full.
    waiting: VecDeque<Command>,
    reports: Consumer<Report>,
    garbage: Consumer<Garbage>,
    strays: Consumer<StrayDatagram>,
    commanded: Arc<EventFd>,
    reported: AsyncFd<Arc<EventFd>>,
    ticks: Arc<AtomicU64>,
}

impl AudioThread {
    /// Starts the thread with no line. Must be called inside a runtime.
    pub fn start() -> io::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let commanded = Arc::new(EventFd::from_flags(flags)?);
        let reported = Arc::new(EventFd::from_flags(flags)?);
        let ticks = Arc::new(AtomicU64::new(0));
        let (commands, commands_end) = RingBuffer::new(COMMANDS);
        let (reports_end, reports) = RingBuffer::new(REPORTS);
        let (garbage_end, garbage) = RingBuffer::new(GARBAGE);
        let (strays_end, strays) = RingBuffer::new(STRAYS);
        let rings = Rings {
            commands: commands_end,
            reports: reports_end,
            garbage: garbage_end,
            strays: strays_end,
        };
        let audio = AudioLoop::new(
            rings,
            Arc::clone(&commanded),
            Arc::clone(&reported),
            Arc::clone(&ticks),
        )?;
        if let Err(reason) = realtime::lock_memory() {
            tracing::info!("memory isn't locked: {reason}");
        }
        let thread = std::thread::Builder::new()
            .name("audio".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                if let Err(error) = realtime::schedule() {
                    tracing::info!("audio runs at ordinary priority: {error} (LimitRTPRIO=40 permits more)");
                }
                audio.run();
            })?;
        Ok(Self {
            thread: Some(thread),
            commands,
            waiting: VecDeque::new(),
            reports,
            garbage,
            strays,
            commanded,
            // SAFETY: an EventFd owns one descriptor for all its life, and hands out no other.
            reported: unsafe { AsyncFd::register(reported) }?,
            ticks,
        })
    }

    /// Hands a command over; one that finds the ring full follows in order.
    pub fn command(&mut self, command: Command) {
        self.waiting.push_back(command);
        self.hand_over();
    }

    /// Waits for reports; take them with [`report`](Self::report).
    pub async fn reported(&mut self) -> io::Result<()> {
        // What was left the last time has been signalled already, and will not be again.
        if !self.reports.is_empty() || !self.strays.is_empty() {
            return Ok(());
        }
        let mut ready = self.reported.readable_mut().await?;
        let _ = ready.get_inner().read();
        ready.clear_ready();
        Ok(())
    }

    /// The next report; `None` when there is none just now.
    pub fn report(&mut self) -> Option<Report> {
        self.hand_over();
        while let Ok(garbage) = self.garbage.pop() {
            drop(garbage);
        }
        self.reports.pop().ok()
    }

    /// The next datagram that came to a media socket and isn't media.
    pub fn stray(&mut self) -> Option<StrayDatagram> {
        self.strays.pop().ok()
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Frames since the start: a thread that hangs doesn't count on.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    fn hand_over(&mut self) {
        let mut handed = false;
        while let Some(command) = self.waiting.pop_front() {
            match self.commands.push(command) {
                Ok(()) => handed = true,
                Err(rtrb::PushError::Full(command)) => {
                    self.waiting.push_front(command);
                    break;
                }
            }
        }
        if handed {
            // Fails only when the counter is at its end: then it is readable already.
            let _ = self.commanded.write(1);
        }
    }
}

impl Drop for AudioThread {
    /// Every line is safe when this returns.
    fn drop(&mut self) {
        self.waiting.clear();
        let mut stop = Some(Command::Stop);
        while let Some(command) = stop.take() {
            if let Err(rtrb::PushError::Full(command)) = self.commands.push(command) {
                if !self.is_running() {
                    break;
                }
                stop = Some(command);
                std::thread::yield_now();
            }
            let _ = self.commanded.write(1);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the audio thread panicked");
        }
    }
}
