//! The driver against the behavioural model of the module, in virtual time.

use proptest::prelude::*;

use super::*;
use crate::model::{Fault, ModelPin, ModelPowerDown, ModuleModel, Sheet};
use crate::testing::epoch;
use crate::{Slic, SlicError, SlicEvent};
use std::fmt::Write;
use std::time::Instant;

const MS: Duration = Duration::from_millis(1);

/// A driver on a model, and a clock that steps from one deadline to the next.
struct Rig {
    model: ModuleModel,
    driver: GpioModule<ModelPin, ModelPin, ModelPowerDown>,
    start: Instant,
    now: Instant,
    hooks: Vec<(Duration, bool)>,
    /// When each of them was told of.
    told: Vec<Instant>,
    /// Added to each of the driver's deadlines, in turn: a thread that is woken late.
    late: Vec<Duration>,
    woken: usize,
}

impl Rig {
    fn new(sheet: Sheet, ring_frequency: RingFrequency) -> Self {
        let start = epoch();
        let model = ModuleModel::new(sheet, start, 7);
        let config = Config {
            forward_level: sheet.forward_level,
            off_hook_level: sheet.off_hook_level,
            ring_frequency,
        };
        let driver = GpioModule::new(config, model.pins(), start, model.hook_detector()).unwrap();
        Self {
            model,
            driver,
            start,
            now: start,
            hooks: Vec::new(),
            told: Vec::new(),
            late: Vec::new(),
            woken: 0,
        }
    }

    fn ringing() -> Self {
        let mut rig = Self::new(Sheet::default(), RingFrequency::HZ_20);
        rig.driver.set_ringing(rig.now, true).unwrap();
        rig
    }

    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            let late = self
                .late
                .get(self.woken % self.late.len().max(1))
                .copied()
                .unwrap_or_default();
            let driver = self.driver.poll_timeout().map(|at| at.max(self.now) + late);
            let model = self.model.poll_timeout();
            let next = [driver, model]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(end)
                .min(end);
            self.now = next;
            self.model.handle_timeout(next);
            while let Some((at, level)) = self.model.poll_edge() {
                self.driver.handle_edge(at, level);
            }
            if driver.is_some_and(|at| at <= next) {
                self.driver.handle_timeout(next).unwrap();
                self.woken += 1;
            }
            while let Some(SlicEvent::Hook { closed, at }) = self.driver.poll_event() {
                self.hooks.push((at - self.start, closed));
                self.told.push(next);
            }
            if next == end {
                return;
            }
        }
    }

    /// Runs until RM is low; how long that took.
    fn until_quiet(&mut self) -> Duration {
        let from = self.now;
        while self.model.ring_mode() {
            self.run(MS / 2);
            assert!(self.now - from < Duration::from_secs(5), "RM stays high");
        }
        self.now - from
    }
}

#[test]
fn half_a_period_not_a_whole_one() {
    assert_eq!(RingFrequency::from_hz(20.0), Some(RingFrequency::HZ_20));
    assert_eq!(RingFrequency::from_hz(25.0), Some(RingFrequency::HZ_25));
    assert_eq!(
        RingFrequency::from_hz(50.0).unwrap().half_period(),
        Duration::from_millis(10)
    );
    for wrong in [0.0, -20.0, 14.9, 50.1, f64::NAN, f64::INFINITY] {
        assert_eq!(RingFrequency::from_hz(wrong), None);
    }
}

/// weeBell 0.2 and an ESP32 driver rang at half the frequency they meant to.
#[test]
fn rings_at_the_frequency_asked_for() {
    for (hz, forward_level) in [
        (16.7, PinState::Low),
        (20.0, PinState::High),
        (25.0, PinState::Low),
        (50.0, PinState::High),
    ] {
        // Little enough to fit into half a cycle at 50 Hz.
        let sheet = Sheet {
            forward_level,
            chatter: 6 * MS,
            ..Sheet::default()
        };
        let mut rig = Rig::new(sheet, RingFrequency::from_hz(hz).unwrap());
        rig.driver.set_ringing(rig.now, true).unwrap();
        rig.run(2000 * MS);
        let measured = rig.model.ring_hz().unwrap();
        assert!(
            (measured / hz - 1.0).abs() < 1e-6,
            "{measured} Hz where {hz} were meant"
        );
        let reversals = rig.model.reversals();
        assert!(
            reversals
                .windows(2)
                .all(|pair| pair[1] - pair[0] == reversals[1] - reversals[0]),
            "symmetric"
        );
        assert_eq!(rig.model.faults(), []);
    }
}

#[test]
fn rests_on_the_idle_level_before_ring_mode_falls() {
    // A burst may end in either half wave.
    for length_ms in 1990..2050 {
        let mut rig = Rig::ringing();
        rig.run(length_ms * MS);
        assert!(rig.model.is_ringing());
        rig.driver.set_ringing(rig.now, false).unwrap();
        let took = rig.until_quiet();
        assert!(took <= 38 * MS, "{took:?} after {length_ms} ms");
        rig.run(500 * MS);
        assert!(!rig.model.is_ringing() && !rig.model.is_reversed());
        assert_eq!(
            rig.model.reversals().len() % 2,
            0,
            "as many half waves of either kind"
        );
        assert_eq!((rig.model.faults(), rig.hooks), (vec![], vec![]));
    }
}

/// Worst of all moments of a cycle, ms from the lifting: the last reversal, RM low, the answer told.
fn worst_of_a_cycle(hz: f64, chatter: Duration) -> [f64; 3] {
    const STEPS: u32 = 200;
    let frequency = RingFrequency::from_hz(hz).unwrap();
    let sheet = Sheet {
        chatter,
        ..Sheet::default()
    };
    let mut worst = [0.0_f64; 3];
    for step in 0..STEPS {
        let mut rig = Rig::new(sheet, frequency);
        rig.driver.set_ringing(rig.now, true).unwrap();
        rig.run(1000 * MS + 2 * frequency.half_period() * step / STEPS);
        let lifted = rig.now;
        rig.model.lift(lifted);
        rig.run(200 * MS);
        assert!(!rig.model.ring_mode() && rig.model.faults().is_empty());
        assert!(matches!(rig.hooks[..], [(_, true)]), "{:?}", rig.hooks);
        let reversals = rig.model.reversals();
        let times = [
            *reversals.last().unwrap(),
            rig.model.ring_mode_since(),
            rig.told[0],
        ];
        for (worst, at) in worst.iter_mut().zip(times) {
            *worst = worst.max(at.saturating_duration_since(lifted).as_secs_f64() * 1e3);
        }
    }
    worst
}

/// The telephone hears ringing until F/R reverses no more. RM falls at least 10 ms later (both sheets), and until then
/// a steady 72 V stand where 48 V do on hook.
#[test]
fn ringing_is_off_within_30_ms_whenever_the_receiver_is_lifted() {
    let mut table = String::from("   Hz  bell ms  last reversal ms  RM low ms  told ms\n");
    let mut latest = 0.0_f64;
    for (hz, bell_ms) in [
        (50.0 / 3.0, 0),
        (50.0 / 3.0, 18),
        (20.0, 0),
        (20.0, 18),
        (25.0, 0),
        (25.0, 18),
        (50.0, 0),
        (50.0, 6),
    ] {
        let [reversal, low, told] = worst_of_a_cycle(hz, bell_ms * MS);
        writeln!(
            table,
            "{hz:5.1}  {bell_ms:7}  {reversal:16.1}  {low:9.1}  {told:7.1}"
        )
        .unwrap();
        latest = latest.max(low);
    }
    insta::assert_snapshot!(table);
    assert!(latest <= 30.0, "{table}");
}

/// RetroPhone heard about 100 ms of ringing in the receiver.
#[test]
fn ringing_stops_within_50_ms_of_the_receiver_being_lifted() {
    for lifted_ms in 1000..1060 {
        for ring_frequency in [RingFrequency::HZ_20, RingFrequency::HZ_25] {
            let mut rig = Rig::new(Sheet::default(), ring_frequency);
            rig.driver.set_ringing(rig.now, true).unwrap();
            rig.run(lifted_ms * MS);
            rig.model.lift(rig.now);
            let took = rig.until_quiet();
            assert!(took <= 50 * MS, "{took:?}, lifted at {lifted_ms} ms");
            rig.run(500 * MS);
            let [(at, true)] = rig.hooks[..] else {
                panic!("{:?}", rig.hooks)
            };
            let lifted = lifted_ms * MS;
            assert!(
                at + 50 * MS >= lifted && at <= lifted + 10 * MS,
                "{at:?}, lifted at {lifted:?}"
            );
            assert_eq!(rig.model.faults(), []);
        }
    }
}

/// th-wilde/retrophone took edges of ringing for dial pulses.
#[test]
fn the_bell_is_not_taken_for_the_hook() {
    for seed_ms in 0..20 {
        let mut rig = Rig::new(
            Sheet {
                chatter: 24 * MS,
                ..Sheet::default()
            },
            RingFrequency::HZ_20,
        );
        for _ in 0..10 {
            rig.driver.set_ringing(rig.now, true).unwrap();
            rig.run(2000 * MS + seed_ms * MS);
            rig.driver.set_ringing(rig.now, false).unwrap();
            rig.run(4000 * MS);
        }
        assert_eq!((rig.hooks, rig.model.bursts()), (vec![], 10));
    }
}

#[test]
fn a_receiver_lifted_as_the_burst_ends_is_seen() {
    for offset_ms in 0..120 {
        let mut rig = Rig::ringing();
        rig.run(2000 * MS);
        rig.driver.set_ringing(rig.now, false).unwrap();
        rig.run(offset_ms * MS);
        rig.model.lift(rig.now);
        rig.run(120 * MS);
        assert_eq!(
            rig.hooks.last().map(|(_, closed)| *closed),
            Some(true),
            "{offset_ms} ms after the burst"
        );
        assert_eq!(rig.model.faults(), []);
    }
}

/// weeBell 0.2: RM high after ringing shifted the dialled digits by one.
#[test]
fn every_way_out_leaves_the_module_safe() {
    for length_ms in [1, 30, 55, 2010] {
        let mut rig = Rig::ringing();
        rig.run(length_ms * MS);
        let Rig { model, driver, .. } = rig;
        drop(driver);
        assert!(
            !model.ring_mode() && !model.is_reversed() && model.is_fed(),
            "dropped after {length_ms} ms"
        );

        let mut rig = Rig::ringing();
        rig.run(length_ms * MS);
        rig.driver.make_safe().unwrap();
        assert!(!rig.model.ring_mode() && !rig.model.is_reversed());
        rig.run(200 * MS);
        assert_eq!(rig.driver.poll_timeout(), None);
        assert_eq!(rig.hooks, [], "the bell's discharge is not the hook");
    }
}

#[test]
fn a_panic_leaves_the_module_safe() {
    let mut rig = Rig::ringing();
    rig.run(30 * MS);
    let model = rig.model.clone();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _driver = rig.driver;
        panic!("on purpose");
    }));
    assert!(caught.is_err() && !model.ring_mode() && !model.is_reversed());
}

#[test]
fn a_pin_that_fails_once_does_not_keep_the_module_unsafe() {
    let mut rig = Rig::ringing();
    rig.run(2030 * MS);
    rig.model.fail_writes(1);
    let error = loop {
        let at = rig.driver.poll_timeout().unwrap();
        rig.model.handle_timeout(at);
        if let Err(error) = rig.driver.handle_timeout(at) {
            break error;
        }
    };
    assert!(
        matches!(error, SlicError::Io { ref object, .. } if object == "F/R"),
        "{error}"
    );
    assert!(!rig.model.ring_mode() && !rig.model.is_reversed());

    let mut rig = Rig::ringing();
    rig.model.fail_writes(2);
    rig.driver.make_safe().unwrap();
    assert!(!rig.model.ring_mode());
}

/// guestbook #49 #75 #85: hook switches of either sense.
#[test]
fn the_detectors_level_is_the_configurations() {
    for off_hook_level in [PinState::High, PinState::Low] {
        let sheet = Sheet {
            off_hook_level,
            bounce: Duration::ZERO,
            ..Sheet::default()
        };
        let mut rig = Rig::new(sheet, RingFrequency::HZ_25);
        rig.run(10 * MS);
        assert!(rig.hooks.is_empty() && !rig.driver.off_hook_detected());
        rig.model.lift(rig.now);
        rig.run(10 * MS);
        assert_eq!(rig.hooks, [(10 * MS, true)]);
        assert!(rig.driver.off_hook_detected());
    }
}

#[test]
fn a_receiver_off_at_start_is_reported() {
    let start = epoch();
    let model = ModuleModel::new(Sheet::default(), start, 1);
    model.lift(start);
    model.handle_timeout(start + 10 * MS);
    let config = Config::new(Kind::Ag1171, RingFrequency::HZ_25);
    let mut driver = GpioModule::new(config, model.pins(), start + 10 * MS, model.hook_detector()).unwrap();
    assert_eq!(
        driver.poll_event(),
        Some(SlicEvent::Hook {
            closed: true,
            at: start + 10 * MS
        })
    );
}

#[test]
fn a_lifted_receiver_is_not_rung() {
    let mut rig = Rig::new(Sheet::default(), RingFrequency::HZ_25);
    rig.model.lift(rig.now);
    rig.run(100 * MS);
    rig.driver.set_ringing(rig.now, true).unwrap();
    rig.run(100 * MS);
    assert_eq!((rig.model.ring_mode(), rig.model.bursts()), (false, 0));
}

#[test]
fn a_thread_woken_late_makes_no_short_half_waves() {
    let mut rig = Rig::ringing();
    rig.late = vec![Duration::ZERO, 2 * MS, 70 * MS, MS, 12 * MS];
    rig.run(3000 * MS);
    let shortest = rig
        .model
        .reversals()
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .min()
        .unwrap();
    assert!(shortest >= 18 * MS, "{shortest:?}");
    assert!(!rig.model.faults().contains(&Fault::TooFast));
}

#[test]
fn a_little_lateness_does_not_add_up() {
    let mut rig = Rig::ringing();
    rig.late = vec![2 * MS, MS, 3 * MS];
    rig.run(10_000 * MS);
    let hz = rig.model.ring_hz().unwrap();
    assert!((hz / 20.0 - 1.0).abs() < 0.001, "{hz} Hz");
}

#[test]
fn polarity_waits_for_the_end_of_ringing() {
    let mut rig = Rig::new(Sheet::default(), RingFrequency::HZ_25);
    rig.driver.set_reversed(rig.now, true).unwrap();
    assert!(rig.model.is_reversed());
    rig.driver.set_ringing(rig.now, true).unwrap();
    rig.run(1000 * MS);
    rig.driver.set_ringing(rig.now, false).unwrap();
    rig.run(100 * MS);
    assert!(rig.model.is_reversed());
    rig.driver.set_reversed(rig.now, false).unwrap();
    assert!(!rig.model.is_reversed());
    assert_eq!(rig.model.faults(), []);
}

#[test]
fn an_opened_loop_shows_no_hook_edges_and_cannot_ring() {
    let mut rig = Rig::new(Sheet::default(), RingFrequency::HZ_25);
    rig.model.lift(rig.now);
    rig.run(100 * MS);
    rig.hooks.clear();
    rig.driver.set_feed(rig.now, false).unwrap();
    assert!(!rig.model.is_fed());
    rig.run(600 * MS);
    assert!(matches!(
        rig.driver.set_ringing(rig.now, true),
        Err(SlicError::Unsupported(_))
    ));
    rig.driver.set_feed(rig.now, true).unwrap();
    rig.run(600 * MS);
    assert_eq!(rig.hooks, []);
    rig.driver.set_feed(rig.now, false).unwrap();
    rig.model.put_down(rig.now);
    rig.run(600 * MS);
    rig.driver.set_feed(rig.now, true).unwrap();
    rig.run(600 * MS);
    assert_eq!(
        rig.hooks.len(),
        1,
        "put down while the loop was open: seen when it is fed again"
    );
}

#[test]
fn without_pd_the_loop_cannot_be_opened() {
    let model = ModuleModel::new(Sheet::default(), epoch(), 1);
    let pins = model.pins();
    let pins: Pins<_, _> = Pins {
        ring_mode: pins.ring_mode,
        forward_reverse: pins.forward_reverse,
        power_down: None,
    };
    let config = Config::new(Kind::Ag1170, RingFrequency::HZ_25);
    let mut driver: GpioModule<_, _, NotWired> =
        GpioModule::new(config, pins, epoch(), model.hook_detector()).unwrap();
    assert!(!driver.capabilities().open_loop);
    assert!(matches!(
        driver.set_feed(epoch(), false),
        Err(SlicError::Unsupported(_))
    ));
    driver.set_feed(epoch(), true).unwrap();
}

/// guestbook #66 #87: the hook worked once, then never.
#[test]
fn ten_thousand_hook_cycles() {
    let mut rig = Rig::new(
        Sheet {
            bounce: Duration::ZERO,
            ..Sheet::default()
        },
        RingFrequency::HZ_25,
    );
    for _ in 0..10_000 {
        rig.model.lift(rig.now);
        rig.run(20 * MS);
        rig.model.put_down(rig.now);
        rig.run(20 * MS);
    }
    assert_eq!(rig.hooks.len(), 20_000);
}

#[test]
fn a_flood_of_edges_stays_bounded_and_ends_on_the_last_state() {
    let mut rig = Rig::new(Sheet::default(), RingFrequency::HZ_25);
    for n in 0..100_001_u32 {
        rig.driver
            .handle_edge(rig.start + n * Duration::from_micros(10), n % 2 == 0);
    }
    let seen: Vec<_> = std::iter::from_fn(|| rig.driver.poll_event()).collect();
    assert!(seen.len() <= 1024, "{}", seen.len());
    for (n, SlicEvent::Hook { closed, .. }) in seen.iter().enumerate() {
        assert_eq!(*closed, n % 2 == 0, "each undoes the one before");
    }
    assert_eq!(seen.len() % 2, 1, "ends off hook");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Ring(bool),
    Reverse(bool),
    Feed(bool),
    Lift,
    PutDown,
    Wait(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        any::<bool>().prop_map(Act::Ring),
        any::<bool>().prop_map(Act::Reverse),
        prop::bool::weighted(0.8).prop_map(Act::Feed),
        Just(Act::Lift),
        Just(Act::PutDown),
        (0..3000_u16).prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_sheets_are_kept_and_the_hook_is_known(
        acts in prop::collection::vec(act(), 1..40),
        late in prop::collection::vec(0..4_u32, 1..4),
    ) {
        let mut rig = Rig::new(Sheet::default(), RingFrequency::HZ_25);
        rig.late = late.into_iter().map(|ms| ms * MS).collect();
        let mut lifted = false;
        for act in acts {
            match act {
                // An open loop is not rung, and ringing not cut by opening it: the line machine sees to that.
                Act::Ring(on) => { let _ = rig.driver.set_ringing(rig.now, on && rig.model.is_fed()); }
                Act::Feed(fed) if fed || !rig.model.ring_mode() => rig.driver.set_feed(rig.now, fed).unwrap(),
                Act::Feed(_) => {}
                Act::Reverse(reversed) => rig.driver.set_reversed(rig.now, reversed).unwrap(),
                Act::Lift => { rig.model.lift(rig.now); lifted = true; }
                Act::PutDown => { rig.model.put_down(rig.now); lifted = false; }
                Act::Wait(ms) => rig.run(u32::from(ms) * MS),
            }
            rig.run(MS);
        }
        rig.driver.set_feed(rig.now, true).unwrap();
        rig.driver.set_ringing(rig.now, false).unwrap();
        rig.run(500 * MS);
        prop_assert_eq!(rig.model.faults(), []);
        prop_assert!(!rig.model.ring_mode());
        prop_assert_eq!(rig.hooks.last().is_some_and(|(_, closed)| *closed), lifted);
        prop_assert!(rig.hooks.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 != pair[1].1));
    }
}
