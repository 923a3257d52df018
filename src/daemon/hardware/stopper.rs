//! How a line's thread is asked to leave its line safe and end; a panic anywhere asks all of them.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, Weak};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// What the names of these threads begin with.
pub(super) const THREAD_NAME: &str = "slic ";

/// Every thread that may have ringing voltage on a line.
static STOPPERS: Mutex<Vec<Weak<Stopper>>> = Mutex::new(Vec::new());

/// Has a panic of any thread stop ringing on every line at once, before unwinding or aborting takes its course.
///
/// A line's own thread is left to its own handler: it concerns that line only.
pub fn stop_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            if !thread.name().is_some_and(|name| name.starts_with(THREAD_NAME)) {
                stop_all();
            }
            before(panic);
        }));
    });
}

fn stop_all() {
    // Never waits: the panicking thread may be the one that holds the list.
    if let Ok(stoppers) = STOPPERS.try_lock() {
        stoppers
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|stopper| stopper.ask());
    }
}

/// Wakes a line's thread, and tells it to end.
#[derive(Debug)]
pub(super) struct Stopper {
    asked: AtomicBool,
    wake: EventFd,
}

impl Stopper {
    pub(super) fn new() -> nix::Result<Arc<Self>> {
        let stopper = Arc::new(Self {
            asked: AtomicBool::new(false),
            wake: EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?,
        });
        if let Ok(mut stoppers) = STOPPERS.lock() {
            stoppers.retain(|stopper| stopper.strong_count() > 0);
            stoppers.push(Arc::downgrade(&stopper));
        }
        Ok(stopper)
    }

    /// Leave the line safe and end.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// There is something to do.
    pub(super) fn wake(&self) {
        // Fails only when the counter is at its end: then it is readable already.
        let _ = self.wake.write(1);
    }

    /// Readable from [`wake`](Self::wake) to [`woken`](Self::woken).
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(super) fn woken(&self) {
        let _ = self.wake.read();
    }
}
