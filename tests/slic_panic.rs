//! A panic of any thread stops ringing. Alone in its program: a panic stops the ringing of all of it.

#![expect(clippy::disallowed_methods, reason = "a test in real time, on threads")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tipring::daemon::hardware::{Edge, EdgeSource, SlicThread, stop_on_panic};
use tipring::line::SlicAction;
use tipring_hw::gpio_module::{Config, GpioModule, Kind, RingFrequency};
use tipring_hw::model::{ModuleModel, Sheet};

/// A telephone that stays on hook.
struct Quiet(EventFd);

impl EdgeSource for Quiet {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
    fn next_edge(&mut self) -> io::Result<Option<Edge>> {
        Ok(None)
    }
    fn level(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

#[test]
fn a_panic_elsewhere_stops_ringing_though_nobody_drops_the_thread() {
    stop_on_panic();
    let now = Instant::now();
    let model = ModuleModel::new(Sheet::default(), now, 1);
    let config = Config::new(Kind::Ag1171, RingFrequency::HZ_25);
    let driver = GpioModule::new(config, model.pins(), now, model.hook_detector()).unwrap();
    let edges = Quiet(EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap());
    let mut thread =
        SlicThread::start("hall", Box::new(driver), Box::new(edges), Box::new(|_| Ok(()))).unwrap();
    assert!(thread.act(SlicAction::Ring(true)));
    wait_for("ringing", || model.ring_mode());
    let panicked = std::thread::spawn(|| panic!("made to panic")).join();
    assert!(panicked.is_err());
    wait_for("the thread's end", || !thread.is_running());
    assert!(!model.ring_mode() && !model.is_reversed());
    assert_eq!(thread.end(), None);
}

fn wait_for(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
