//! The thread of a hardware line in real time, on the behavioural model of its module: ringing at its frequency, hook
//! edges with their durations, and a safe line however the thread ends.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test in real time, on threads; what it stands on and doesn't get shall stop it"
)]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use embedded_hal::digital::{ErrorType, OutputPin};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tipring::daemon::hardware::{Edge, EdgeSource, SlicReport, SlicThread};
use tipring::line::SlicAction;
use tipring_hw::gpio_module::{Config, GpioModule, Kind, Pins, RingFrequency};
use tipring_hw::model::{ModelPin, ModuleModel, Sheet};
use tipring_hw::{Capabilities, Slic, SlicError, SlicEvent};

/// Nothing here takes longer on a machine that isn't broken.
const PATIENCE: Duration = Duration::from_secs(10);

const MS: Duration = Duration::from_millis(1);

/// Edges by hand: those a test pushes, and the level it says.
#[derive(Clone)]
struct Edges(Arc<Detector>);

struct Detector {
    /// Edges not taken yet, and the level.
    state: Mutex<(VecDeque<Edge>, bool)>,
    readable: EventFd,
}

impl Edges {
    fn new(level: bool) -> Self {
        let readable = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
        Self(Arc::new(Detector {
            state: Mutex::new((VecDeque::new(), level)),
            readable,
        }))
    }

    fn push(&self, at: Instant, level: bool) {
        let mut state = self.0.state.lock().unwrap();
        state.0.push_back(Edge { at, level });
        state.1 = level;
        self.0.readable.write(1).unwrap();
    }

    /// The level changes and no edge tells of it.
    fn change_unseen(&self, level: bool) {
        self.0.state.lock().unwrap().1 = level;
    }
}

impl EdgeSource for Edges {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.readable.as_fd()
    }

    fn next_edge(&mut self) -> io::Result<Option<Edge>> {
        let mut state = self.0.state.lock().unwrap();
        let edge = state.0.pop_front();
        if edge.is_none() {
            let _ = self.0.readable.read();
        }
        Ok(edge)
    }

    fn level(&mut self) -> io::Result<bool> {
        Ok(self.0.state.lock().unwrap().1)
    }
}

/// The model's detector: like the kernel, it has every edge up to the moment it is asked.
struct ModelEdges {
    model: ModuleModel,
    readable: Arc<EventFd>,
}

impl EdgeSource for ModelEdges {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    fn next_edge(&mut self) -> io::Result<Option<Edge>> {
        let _ = self.readable.read();
        self.model.handle_timeout(Instant::now());
        Ok(self.model.poll_edge().map(|(at, level)| Edge { at, level }))
    }

    fn level(&mut self) -> io::Result<bool> {
        Ok(bool::from(self.model.hook_detector()))
    }
}

/// A pin of the model that moves the model's time on before it changes.
struct Timed {
    model: ModuleModel,
    pin: ModelPin,
}

impl ErrorType for Timed {
    type Error = <ModelPin as ErrorType>::Error;
}

impl OutputPin for Timed {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        self.model.handle_timeout(Instant::now());
        self.pin.set_low()
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        self.model.handle_timeout(Instant::now());
        self.pin.set_high()
    }
}

/// A module in real time: its model, and a thread that has its edges looked for.
struct Module {
    model: ModuleModel,
    readable: Arc<EventFd>,
    running: Arc<AtomicBool>,
    waker: Option<JoinHandle<()>>,
}

impl Module {
    fn new() -> Self {
        let readable = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap());
        let running = Arc::new(AtomicBool::new(true));
        let waker = {
            let (readable, running) = (Arc::clone(&readable), Arc::clone(&running));
            std::thread::spawn(move || {
                while running.load(Ordering::Relaxed) {
                    let _ = readable.write(1);
                    std::thread::sleep(MS);
                }
            })
        };
        Self {
            model: ModuleModel::new(Sheet::default(), Instant::now(), 11),
            readable,
            running,
            waker: Some(waker),
        }
    }

    fn edges(&self) -> ModelEdges {
        ModelEdges {
            model: self.model.clone(),
            readable: Arc::clone(&self.readable),
        }
    }

    fn driver(&self) -> Box<dyn Slic> {
        let pins = self.model.pins();
        let timed = |pin| Timed {
            model: self.model.clone(),
            pin,
        };
        let pins = Pins {
            ring_mode: timed(pins.ring_mode),
            forward_reverse: timed(pins.forward_reverse),
            power_down: pins.power_down,
        };
        let config = Config::new(Kind::Ag1171, RingFrequency::HZ_25);
        Box::new(GpioModule::new(config, pins, Instant::now(), self.model.hook_detector()).unwrap())
    }

    fn start(&self) -> (SlicThread, Receiver<SlicReport>) {
        start(self.driver(), self.edges())
    }

    fn wait_for(&self, what: &str, mut so: impl FnMut(&ModuleModel) -> bool) {
        wait_for(what, || so(&self.model));
    }

    fn ring_on(&self, thread: &mut SlicThread, reversals: usize) {
        let bursts = self.model.bursts();
        assert!(thread.act(SlicAction::Ring(true)));
        self.wait_for("ringing", |model| {
            model.bursts() > bursts && model.reversals().len() >= reversals
        });
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
        if let Some(waker) = self.waker.take() {
            let _ = waker.join();
        }
    }
}

fn start(slic: Box<dyn Slic>, edges: impl EdgeSource + 'static) -> (SlicThread, Receiver<SlicReport>) {
    let (reports, taken) = channel();
    let thread = SlicThread::start(
        "hall",
        slic,
        Box::new(edges),
        Box::new(move |report| reports.send(report).map_err(|refused| refused.0)),
    )
    .unwrap();
    match taken.recv_timeout(PATIENCE).unwrap() {
        SlicReport::Hook { closed: false, .. } => {}
        other => panic!("the first report is the hook as it stands, not {other:?}"),
    }
    (thread, taken)
}

fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(MS);
    }
}

fn hook(reports: &Receiver<SlicReport>) -> (bool, Instant) {
    match reports.recv_timeout(PATIENCE).unwrap() {
        SlicReport::Hook { closed, at } => (closed, at),
        SlicReport::Fault(fault) => panic!("{fault}"),
    }
}

fn fault(reports: &Receiver<SlicReport>) -> String {
    loop {
        if let SlicReport::Fault(fault) = reports.recv_timeout(PATIENCE).unwrap() {
            return fault;
        }
    }
}

fn median(mut lengths: Vec<Duration>) -> Duration {
    lengths.sort_unstable();
    lengths[lengths.len() / 2]
}

#[test]
fn two_bursts_at_25_hz_each_symmetric_and_at_rest_after_it() {
    let module = Module::new();
    let (mut thread, reports) = module.start();
    for burst in 1..=2 {
        module.ring_on(&mut thread, 30);
        assert!(thread.act(SlicAction::Ring(false)));
        module.wait_for("the end of the burst", |model| !model.ring_mode());
        assert_eq!(module.model.bursts(), burst);
        assert!(!module.model.is_reversed());

        let hz = module.model.ring_hz().unwrap();
        assert!((hz - 25.0).abs() < 0.05 * 25.0, "{hz} Hz");
        let reversals = module.model.reversals();
        assert!(
            reversals.len().is_multiple_of(2),
            "as many half waves of either polarity"
        );
        let halves: Vec<Duration> = reversals.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let of = |first: usize| median(halves.iter().skip(first).step_by(2).copied().collect());
        let (reversed, forward) = (of(0), of(1));
        assert!(
            reversed.abs_diff(forward) < MS,
            "reversed {reversed:?}, forward {forward:?}"
        );
        println!("burst {burst}: {hz:.2} Hz, half waves {reversed:?} and {forward:?}");
    }
    assert_eq!(module.model.faults(), []);
    assert!(reports.try_recv().is_err(), "ring chatter is no hook");
}

#[test]
fn a_receiver_lifted_while_ringing_stops_it_and_is_told_with_the_time_it_was_lifted() {
    let module = Module::new();
    let (mut thread, reports) = module.start();
    module.ring_on(&mut thread, 10);
    let lifted = Instant::now();
    module.model.lift(lifted);
    let (closed, at) = hook(&reports);
    assert!(closed);
    // Where the bell's current held the detector just before, since then: a cycle earlier at most.
    assert!(
        at + 40 * MS > lifted && at < lifted + 30 * MS,
        "lifted at {lifted:?}, told {at:?}"
    );
    module.wait_for("ringing off", |model| !model.ring_mode());
    println!(
        "loop closed to ringing off: {} ms at most",
        lifted.elapsed().as_millis()
    );
    assert_eq!(module.model.faults(), []);
}

#[test]
fn edges_keep_their_durations_however_late_they_are_read() {
    let edges = Edges::new(false);
    let module = Module::new();
    let (_thread, reports) = start(module.driver(), edges.clone());
    // A receiver lifted and a 3 dialled: all of it is in the past when the thread first hears of it.
    let start = Instant::now();
    let lengths_ms = [0, 300, 62, 38, 61, 39, 60, 400];
    let mut at = start;
    let mut wanted = Vec::new();
    for (n, length_ms) in lengths_ms.into_iter().enumerate() {
        at += length_ms * MS;
        wanted.push((n % 2 == 0, at));
        edges.push(at, n % 2 == 0);
    }
    let told: Vec<(bool, Instant)> = wanted.iter().map(|_| hook(&reports)).collect();
    assert_eq!(told, wanted);
}

#[test]
fn a_lost_edge_is_found_within_a_little_more_than_a_second() {
    let edges = Edges::new(false);
    let module = Module::new();
    let (_thread, reports) = start(module.driver(), edges.clone());
    let changed = Instant::now();
    edges.change_unseen(true);
    assert!(hook(&reports).0);
    assert!(changed.elapsed() < 3 * LEVEL_CHECK / 2, "{:?}", changed.elapsed());
}

/// As often as the thread reads the level.
const LEVEL_CHECK: Duration = Duration::from_secs(1);

#[test]
fn dropped_while_ringing_the_line_is_safe_by_the_sheets_rules() {
    let module = Module::new();
    let (mut thread, _reports) = module.start();
    module.ring_on(&mut thread, 7);
    drop(thread);
    assert!(!module.model.ring_mode() && !module.model.is_reversed());
    assert_eq!(module.model.faults(), []);
}

#[test]
fn reversed_and_unfed_it_is_left_forward_and_fed() {
    let module = Module::new();
    let (mut thread, _reports) = module.start();
    assert!(thread.act(SlicAction::Reverse(true)));
    module.wait_for("reversal", ModuleModel::is_reversed);
    assert!(thread.act(SlicAction::Feed(false)));
    module.wait_for("an open loop", |model| !model.is_fed());
    drop(thread);
    assert!(!module.model.is_reversed() && module.model.is_fed());
}

#[test]
fn a_pin_that_fails_for_a_moment_interrupts_ringing_and_no_more() {
    let module = Module::new();
    let (mut thread, reports) = module.start();
    module.ring_on(&mut thread, 5);
    let bursts = module.model.bursts();
    module.model.fail_writes(1);
    module.wait_for("ringing again", |model| {
        model.bursts() > bursts && model.reversals().len() >= 10
    });
    assert!(thread.is_running());
    assert!(reports.try_recv().is_err(), "no fault, and no hook");
}

#[test]
fn pins_that_fail_for_good_are_a_fault_of_the_line() {
    let module = Module::new();
    let (mut thread, reports) = module.start();
    module.ring_on(&mut thread, 5);
    module.model.fail_writes(u32::MAX);
    let text = fault(&reports);
    assert!(text.starts_with("F/R") || text.starts_with("RM"), "{text}");
    wait_for("the thread's end", || !thread.is_running());
    assert_eq!(thread.end(), Some(text));
}

#[test]
fn pins_that_work_again_are_brought_to_rest() {
    let module = Module::new();
    let (mut thread, reports) = module.start();
    module.ring_on(&mut thread, 5);
    // Every write of four attempts at ringing and of the first attempts at the safe state.
    module.model.fail_writes(26);
    let _ = fault(&reports);
    assert!(!module.model.ring_mode() && !module.model.is_reversed());
}

/// A driver with a bug: it panics in the middle of ringing.
struct Buggy {
    driver: Box<dyn Slic>,
    model: ModuleModel,
}

impl Slic for Buggy {
    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }
    fn set_ringing(&mut self, now: Instant, on: bool) -> Result<(), SlicError> {
        self.driver.set_ringing(now, on)
    }
    fn set_reversed(&mut self, now: Instant, reversed: bool) -> Result<(), SlicError> {
        self.driver.set_reversed(now, reversed)
    }
    fn set_feed(&mut self, now: Instant, fed: bool) -> Result<(), SlicError> {
        self.driver.set_feed(now, fed)
    }
    fn set_on_hook_transmission(&mut self, now: Instant, open: bool) -> Result<(), SlicError> {
        self.driver.set_on_hook_transmission(now, open)
    }
    fn handle_edge(&mut self, at: Instant, level: bool) {
        self.driver.handle_edge(at, level);
    }
    fn handle_timeout(&mut self, now: Instant) -> Result<(), SlicError> {
        assert!(self.model.reversals().len() < 5, "made to panic");
        self.driver.handle_timeout(now)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.driver.poll_timeout()
    }
    fn poll_event(&mut self) -> Option<SlicEvent> {
        self.driver.poll_event()
    }
    fn make_safe(&mut self) -> Result<(), SlicError> {
        self.driver.make_safe()
    }
}

#[test]
fn a_panic_in_the_middle_of_ringing_leaves_the_line_safe_and_is_told() {
    let module = Module::new();
    let buggy = Buggy {
        driver: module.driver(),
        model: module.model.clone(),
    };
    let (mut thread, reports) = start(Box::new(buggy), module.edges());
    module.ring_on(&mut thread, 3);
    let text = fault(&reports);
    assert!(text.contains("made to panic"), "{text}");
    assert!(!module.model.ring_mode() && !module.model.is_reversed());
}

/// A detector whose chip was unplugged.
struct Gone(EventFd);

impl EdgeSource for Gone {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
    fn next_edge(&mut self) -> io::Result<Option<Edge>> {
        Err(io::Error::from_raw_os_error(libc::ENODEV))
    }
    fn level(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

#[test]
fn a_detector_that_is_gone_is_a_fault_of_the_line() {
    let module = Module::new();
    let readable = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
    readable.write(1).unwrap();
    let (reports, taken) = channel();
    let _thread = SlicThread::start(
        "hall",
        module.driver(),
        Box::new(Gone(readable)),
        Box::new(move |report| reports.send(report).map_err(|refused| refused.0)),
    )
    .unwrap();
    let text = fault(&taken);
    assert!(text.contains("No such device"), "{text}");
}
