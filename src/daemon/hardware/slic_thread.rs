//! The thread of one hardware line: ringing by absolute deadlines, hook edges with their time stamps.
//!
//! It has nothing else to do, runs with SCHED_FIFO where permitted, and sleeps on three descriptors: the edges, the
//! wish for action, and a timer. However it ends (asked, a pin's fault, a panic here or elsewhere) the line is left
//! safe: ringing off, forward battery.

use std::any::Any;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rtrb::{Consumer, Producer, RingBuffer};
use tipring_hw::{Slic, SlicError, SlicEvent};

use super::clock::KernelClock;
use super::edges::EdgeSource;
use super::reports::{Reporter, Reports, SlicReport};
use super::stopper::{Stopper, THREAD_NAME};
use super::wanted::{Wanted, act};
use crate::daemon::audio::realtime;
use crate::line::SlicAction;

/// Actions on their way. A line asks for a few in a second; so many are waiting only where the thread hangs.
const ACTIONS: usize = 64;

/// The detector's level is read this often, so that a lost edge doesn't leave a receiver lifted for good.
const LEVEL_CHECK: Duration = Duration::from_secs(1);

/// A pin that failed is tried again after this.
const PIN_AGAIN: Duration = Duration::from_millis(10);

/// So many faults of pins within [`FAULT_WINDOW`] are borne.
const FAULTS_BORNE: u32 = 3;

/// See [`FAULTS_BORNE`].
const FAULT_WINDOW: Duration = Duration::from_secs(1);

/// A half wave under way is completed at the end: 33 ms at 15 Hz, 12 ms until RM is low, 50 ms of settling.
const WIND_DOWN: Duration = Duration::from_millis(100);

/// Attempts at the safe state, [`PIN_AGAIN`] apart.
const SAFE_ATTEMPTS: u32 = 5;

/// Stack of the thread; its frames are small.
const STACK_BYTES: usize = 256 * 1024;

/// The thread of one line. Dropping it leaves the line safe, which takes up to a tenth of a second.
#[derive(Debug)]
pub struct SlicThread {
    stopper: Arc<Stopper>,
    actions: Producer<SlicAction>,
    thread: Option<JoinHandle<Option<String>>>,
}

impl SlicThread {
    /// Starts serving `slic`, which must be in its safe state. `line` names the thread.
    ///
    /// # Errors
    ///
    /// No thread or no descriptor could be had.
    pub fn start(
        line: &str,
        slic: Box<dyn Slic>,
        edges: Box<dyn EdgeSource>,
        report: Reporter,
    ) -> io::Result<Self> {
        let stopper = Stopper::new()?;
        let (actions, to_do) = RingBuffer::new(ACTIONS);
        let now = Instant::now();
        let mut serving = Serving {
            slic: Guard(slic),
            edges,
            level: false,
            level_check_at: now + LEVEL_CHECK,
            to_do,
            wanted: Wanted::safe(),
            faults: Faults::new(now),
            again_at: None,
            reports: Reports::new(report),
            stopper: Arc::clone(&stopper),
            timer: TimerFd::new(
                ClockId::CLOCK_MONOTONIC,
                TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
            )?,
            clock: KernelClock::now()?,
        };
        let thread = std::thread::Builder::new()
            .name(format!("{THREAD_NAME}{line}"))
            .stack_size(STACK_BYTES)
            .spawn(move || {
                if let Err(error) = realtime::schedule() {
                    tracing::info!(
                        "ringing is clocked at ordinary priority: {error} (LimitRTPRIO=40 permits more)"
                    );
                }
                let ended = catch_unwind(AssertUnwindSafe(|| serving.serve()));
                let Serving {
                    slic, mut reports, ..
                } = serving;
                drop(slic);
                let fault = match ended {
                    Ok(Ok(())) => return None,
                    Ok(Err(fault)) => fault,
                    Err(panic) => format!(
                        "internal error ({}); please report this with the log",
                        panic_text(panic.as_ref())
                    ),
                };
                reports.last(SlicReport::Fault(fault.clone()));
                Some(fault)
            })?;
        Ok(Self {
            stopper,
            actions,
            thread: Some(thread),
        })
    }

    /// Has the hardware do something. `false`: the thread doesn't take its actions any more, as one that hangs.
    pub fn act(&mut self, action: SlicAction) -> bool {
        let taken = self.actions.push(action).is_ok();
        self.stopper.wake();
        taken
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends it; says which fault it had ended for already. The line is safe when this returns.
    pub fn end(mut self) -> Option<String> {
        self.stop()
    }

    fn stop(&mut self) -> Option<String> {
        self.stopper.ask();
        match self.thread.take()?.join() {
            Ok(fault) => fault,
            Err(_) => Some("internal error while the line was left safe".to_owned()),
        }
    }
}

impl Drop for SlicThread {
    /// The line is safe when this returns.
    fn drop(&mut self) {
        if let Some(fault) = self.stop() {
            tracing::error!("a line's thread had ended: {fault}");
        }
    }
}

/// The hardware, left safe whenever it is dropped.
struct Guard(Box<dyn Slic>);

impl Drop for Guard {
    fn drop(&mut self) {
        for attempt in 1..=SAFE_ATTEMPTS {
            match self.0.make_safe() {
                Ok(()) => return,
                Err(error) if attempt == SAFE_ATTEMPTS => {
                    tracing::error!("the line may not be safe, switch its module off: {error}");
                }
                Err(_) => std::thread::sleep(PIN_AGAIN),
            }
        }
    }
}

/// The thread's state.
struct Serving {
    slic: Guard,
    edges: Box<dyn EdgeSource>,
    /// The detector as the driver was last told.
    level: bool,
    level_check_at: Instant,
    to_do: Consumer<SlicAction>,
    wanted: Wanted,
    faults: Faults,
    /// When all that is wanted is to be asked again.
    again_at: Option<Instant>,
    reports: Reports,
    stopper: Arc<Stopper>,
    timer: TimerFd,
    clock: KernelClock,
}

impl Serving {
    /// Serves until asked to end; an error is why the line cannot be served any more.
    fn serve(&mut self) -> Result<(), String> {
        self.begin()?;
        while !self.stopper.is_asked() {
            self.sleep(self.deadline())?;
            self.take_edges()?;
            self.take_actions()?;
            self.keep_time(Instant::now())?;
            self.report_events();
        }
        self.wind_down();
        Ok(())
    }

    /// The hook as it stands is the first report.
    fn begin(&mut self) -> Result<(), String> {
        self.level = self.edges.level().map_err(|error| hook_error(&error))?;
        let now = Instant::now();
        self.slic.0.handle_edge(now, self.level);
        if !self.report_events() {
            self.reports.add(SlicReport::Hook {
                closed: false,
                at: now,
            });
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        [self.slic.0.poll_timeout(), self.again_at, self.reports.again_at()]
            .into_iter()
            .flatten()
            .fold(self.level_check_at, Instant::min)
    }

    fn sleep(&mut self, until: Instant) -> Result<(), String> {
        self.timer
            .set(
                Expiration::OneShot(self.clock.timespec(until)),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )
            .map_err(|error| format!("the timer cannot be set: {error}"))?;
        let mut descriptors = [
            PollFd::new(self.edges.descriptor(), PollFlags::POLLIN),
            PollFd::new(self.stopper.descriptor(), PollFlags::POLLIN),
            PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut descriptors, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(format!("the hook cannot be waited for: {error}")),
        }
        let broken = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        if descriptors[0]
            .revents()
            .is_some_and(|events| events.intersects(broken))
        {
            return Err("the GPIO chip of the hook detector is gone".to_owned());
        }
        self.stopper.woken();
        Ok(())
    }

    fn take_edges(&mut self) -> Result<(), String> {
        while let Some(edge) = self.edges.next_edge().map_err(|error| hook_error(&error))? {
            self.level = edge.level;
            self.slic.0.handle_edge(edge.at, edge.level);
        }
        Ok(())
    }

    fn take_actions(&mut self) -> Result<(), String> {
        while let Ok(action) = self.to_do.pop() {
            self.wanted.note(action);
            let now = Instant::now();
            let done = act(self.slic.0.as_mut(), now, action);
            self.judge(now, done)?;
        }
        Ok(())
    }

    fn keep_time(&mut self, now: Instant) -> Result<(), String> {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.slic.0.poll_timeout()) {
            let done = self.slic.0.handle_timeout(now);
            self.judge(now, done)?;
        }
        if due(self.again_at) {
            self.again_at = None;
            let done = self.wanted.ask_again(now, self.slic.0.as_mut());
            self.judge(now, done)?;
        }
        if due(self.reports.again_at()) {
            self.reports.hand_over();
        }
        if due(Some(self.level_check_at)) {
            self.level_check_at = now + LEVEL_CHECK;
            self.check_level()?;
        }
        Ok(())
    }

    /// Finds edges that were lost.
    fn check_level(&mut self) -> Result<(), String> {
        let level = self.edges.level().map_err(|error| hook_error(&error))?;
        // An edge of this very moment is on its way, and not lost.
        self.take_edges()?;
        if level != self.level && self.edges.level().is_ok_and(|again| again == level) {
            tracing::debug!("an edge of the hook detector was lost");
            self.level = level;
            self.slic.0.handle_edge(Instant::now(), level);
        }
        Ok(())
    }

    /// Pins that failed are tried again soon; those that fail again and again are a fault of the line.
    fn judge(&mut self, now: Instant, done: Result<(), SlicError>) -> Result<(), String> {
        match done {
            Ok(()) => Ok(()),
            Err(error @ SlicError::Unsupported(_)) => {
                tracing::warn!("{error}");
                Ok(())
            }
            Err(error) if self.faults.are_borne(now) => {
                tracing::warn!("{error}; trying again");
                self.again_at = Some(now + PIN_AGAIN);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether there was any.
    fn report_events(&mut self) -> bool {
        let mut any = false;
        while let Some(SlicEvent::Hook { closed, at }) = self.slic.0.poll_event() {
            any = true;
            self.reports.add(SlicReport::Hook { closed, at });
        }
        any
    }

    /// Ends ringing by the module's own rules where there is time for them; what is left undone, the guard does.
    fn wind_down(&mut self) {
        let end = Instant::now() + WIND_DOWN;
        let mut done = self.slic.0.set_ringing(Instant::now(), false);
        while let (Ok(()), Some(due)) = (&done, self.slic.0.poll_timeout()) {
            if due > end {
                return;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            done = self.slic.0.handle_timeout(Instant::now());
        }
    }
}

/// Faults of pins in the last while.
#[derive(Debug)]
struct Faults {
    since: Instant,
    count: u32,
}

impl Faults {
    fn new(now: Instant) -> Self {
        Self { since: now, count: 0 }
    }

    /// Counts one more.
    fn are_borne(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) > FAULT_WINDOW {
            *self = Self::new(now);
        }
        self.count += 1;
        self.count <= FAULTS_BORNE
    }
}

fn hook_error(error: &io::Error) -> String {
    format!("the hook detector cannot be read: {error}")
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_faults_in_a_second_are_borne_and_no_more() {
        let start = Instant::now();
        let mut faults = Faults::new(start);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(faults.are_borne(at(100)) && faults.are_borne(at(200)) && faults.are_borne(at(300)));
        assert!(!faults.are_borne(at(400)));
        assert!(faults.are_borne(at(1500)), "a second later they count anew");
    }
}
