//! The detector against what the standards ask, as one table: a regression reads as a line that changed.

use std::fmt::Write as _;

use super::{Detector, DtmfReport, frequencies_hz};
use crate::dsp::Key;
use crate::dsp::signal::{Seeded, Signal};

/// One key as a telephone might send it.
#[derive(Clone, Copy)]
struct Press {
    key: Key,
    on_ms: f64,
    low_dbm0: f32,
    high_dbm0: f32,
    low_hz: f64,
    high_hz: f64,
}

impl Press {
    fn new(key: Key) -> Self {
        let (low_hz, high_hz) = frequencies_hz(key);
        Self {
            key,
            on_ms: 50.0,
            low_dbm0: -10.0,
            high_dbm0: -10.0,
            low_hz: f64::from(low_hz),
            high_hz: f64::from(high_hz),
        }
    }

    fn level(self, dbm0: f32) -> Self {
        Self {
            low_dbm0: dbm0,
            high_dbm0: dbm0,
            ..self
        }
    }

    /// The weaker group lowered: positive where the high group is the stronger.
    fn twist(self, db: f32) -> Self {
        Self {
            low_dbm0: self.low_dbm0 - db.max(0.0),
            high_dbm0: self.high_dbm0 + db.min(0.0),
            ..self
        }
    }

    fn lasting(self, on_ms: f64) -> Self {
        Self { on_ms, ..self }
    }

    /// Frequencies off by a share and by Hz, in the direction of `low` and `high` (-1, 0 or 1).
    fn off(self, share: f64, hz: f64, low: f64, high: f64) -> Self {
        Self {
            low_hz: self.low_hz + low * (self.low_hz * share + hz),
            high_hz: self.high_hz + high * (self.high_hz * share + hz),
            ..self
        }
    }

    fn power_dbm0(&self) -> f32 {
        10.0 * (10_f32.powf(self.low_dbm0 / 10.0) + 10_f32.powf(self.high_dbm0 / 10.0)).log10()
    }

    fn add(&self, signal: &mut Signal, from_ms: f64, seeded: &mut Seeded) {
        signal
            .sine(from_ms, self.on_ms, self.low_hz, self.low_dbm0, seeded.unit())
            .sine(from_ms, self.on_ms, self.high_hz, self.high_dbm0, seeded.unit());
    }
}

fn hear(samples: &[i16]) -> Vec<DtmfReport> {
    let mut detector = Detector::new();
    let mut reports = Vec::new();
    for frame in samples.chunks(80) {
        detector.process(frame, &mut |report| reports.push(report));
    }
    detector.finish(&mut |report| reports.push(report));
    reports
}

fn keys_down(reports: &[DtmfReport]) -> Vec<Key> {
    let down = |report: &DtmfReport| match report {
        DtmfReport::Down { key, .. } => Some(*key),
        DtmfReport::Up { .. } => None,
    };
    reports.iter().filter_map(down).collect()
}

/// A table being written, and the seed all of it comes from.
struct Battery {
    seeded: Seeded,
    table: String,
}

impl Battery {
    /// One press at a random place, A-law coded, with something added; the reports.
    fn once(&mut self, press: Press, add: &mut dyn FnMut(&mut Signal, &mut Seeded)) -> Vec<DtmfReport> {
        let mut signal = Signal::silence_ms(120.0 + press.on_ms);
        let from_ms = 50.0 + self.seeded.between(0.0, 10.0);
        press.add(&mut signal, from_ms, &mut self.seeded);
        add(&mut signal, &mut self.seeded);
        hear(&signal.through_alaw())
    }

    /// How many of the presses were heard as exactly that key.
    fn row(
        &mut self,
        name: &str,
        presses: impl Iterator<Item = Press>,
        add: &mut dyn FnMut(&mut Signal, &mut Seeded),
    ) {
        let (mut right, mut wrong, mut all) = (0, 0, 0);
        for press in presses {
            let keys = keys_down(&self.once(press, add));
            all += 1;
            if keys == [press.key] {
                right += 1;
            } else if !keys.is_empty() {
                wrong += 1;
            }
        }
        writeln!(self.table, "{name:<58} {right:>5}/{all} heard, {wrong} wrong").unwrap();
    }
}

fn all(times: usize) -> impl Iterator<Item = Press> {
    (0..times).flat_map(|_| Key::ALL).map(Press::new)
}

const SIGNS: [(f64, f64); 4] = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)];
const ONE_OFF: [(f64, f64); 4] = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)];

fn quiet(_: &mut Signal, _: &mut Seeded) {}

#[test]
fn the_battery() {
    let mut battery = Battery {
        seeded: Seeded::new(1),
        table: String::new(),
    };
    let b = &mut battery;
    for dbm0 in [3.0, 0.0, -10.0, -20.0, -27.0, -36.0, -40.0, -42.0, -45.0, -55.0] {
        b.row(
            &format!("level {dbm0} dBm0 a tone"),
            all(4).map(|press| press.level(dbm0)),
            &mut quiet,
        );
    }
    for db in [9.0, 6.0, 4.0, 2.0, -4.0, -8.0, -10.0, -12.0] {
        b.row(
            &format!("high over low {db} dB"),
            all(4).map(|press| press.twist(db)),
            &mut quiet,
        );
    }
    for (share, hz) in [
        (0.015, 0.0),
        (0.015, 2.0),
        (0.018, 0.0),
        (0.02, 0.0),
        (0.03, 0.0),
        (0.035, 0.0),
    ] {
        let presses = all(1).flat_map(|press| SIGNS.map(|(low, high)| press.off(share, hz, low, high)));
        b.row(
            &format!("both tones off by {:.1} % + {hz} Hz, 40 ms", share * 100.0),
            presses.map(|press| press.lasting(40.0)),
            &mut quiet,
        );
    }
    for share in [0.02, 0.025, 0.03, 0.035, 0.045, 0.06] {
        let presses = all(1).flat_map(|press| ONE_OFF.map(|(low, high)| press.off(share, 0.0, low, high)));
        b.row(
            &format!("one tone off by {:.1} %", share * 100.0),
            presses,
            &mut quiet,
        );
    }
    for on_ms in [18.0, 20.0, 23.0, 24.0, 25.0, 26.0, 28.0, 30.0, 35.0, 40.0] {
        b.row(
            &format!("tone of {on_ms} ms"),
            all(4).map(|press| press.lasting(on_ms)),
            &mut quiet,
        );
    }
    for db in [20.0, 15.0, 12.0, 10.0, 8.0, 6.0] {
        b.row(
            &format!("white noise {db} dB below"),
            all(8),
            &mut |signal, seeded| {
                signal.noise(Press::new(Key::ALL[0]).power_dbm0() - db, seeded);
            },
        );
    }
    for (name, tones) in [
        ("350+440", &[350.0, 440.0][..]),
        ("425", &[425.0]),
        ("450", &[450.0]),
        ("400", &[400.0]),
    ] {
        for db in [0.0, 6.0, 12.0] {
            b.row(
                &format!("dial tone {name} Hz, each {db} dB over the key's"),
                all(4).map(|press| press.level(-20.0)),
                &mut |signal, seeded| {
                    for &hz in tones {
                        signal.hum(hz, -20.0 + db, seeded.unit());
                    }
                },
            );
        }
    }
    for db in [0.0, 10.0, 20.0] {
        b.row(
            &format!("hum of 50+150 Hz, each {db} dB over the key's"),
            all(4).map(|press| press.level(-25.0)),
            &mut |signal, seeded| {
                signal
                    .hum(50.0, -25.0 + db, seeded.unit())
                    .hum(150.0, -25.0 + db, seeded.unit());
            },
        );
    }
    for hz in [600.0, 1060.0, 1900.0, 2600.0] {
        b.row(
            &format!("third tone {hz} Hz 16 dB below"),
            all(4),
            &mut |signal, seeded| {
                signal.hum(hz, -26.0, seeded.unit());
            },
        );
    }
    for delay_ms in [5.0, 20.0] {
        b.row(
            &format!("echo 10 dB below after {delay_ms} ms"),
            all(4),
            &mut |signal, _| {
                let delay = (delay_ms * 8.0) as usize;
                for index in (delay..signal.0.len()).rev() {
                    signal.0[index] += signal.0[index - delay] * 0.316;
                }
            },
        );
    }
    b.row(
        "direct current 3000",
        all(4).map(|press| press.level(-30.0)),
        &mut |signal, _| {
            signal.0.iter_mut().for_each(|value| *value += 3000.0);
        },
    );
    gaps(b);
    everything_at_once(b);
    latency(b);
    insta::assert_snapshot!(battery.table);
}

/// A key with a hole in it, and the same key twice.
fn gaps(b: &mut Battery) {
    for gap_ms in [5.0, 10.0, 15.0, 20.0, 22.0, 25.0, 30.0, 40.0] {
        let mut counts = [0; 4];
        for press in all(4).map(|press| press.lasting(40.0)) {
            let mut signal = Signal::silence_ms(220.0);
            let from_ms = 30.0 + b.seeded.between(0.0, 10.0);
            press.add(&mut signal, from_ms, &mut b.seeded);
            press.add(&mut signal, from_ms + 40.0 + gap_ms, &mut b.seeded);
            counts[keys_down(&hear(&signal.through_alaw())).len().min(3)] += 1;
        }
        let [none, one, two, more] = counts;
        writeln!(
            b.table,
            "40 ms, gap of {gap_ms} ms, 40 ms: heard 0/1/2/3+ keys {:>30}",
            format!("{none}/{one}/{two}/{more}")
        )
        .unwrap();
    }
}

/// Everything the union of the standards allows, at random: ten keys in a row each.
fn everything_at_once(b: &mut Battery) {
    for (name, noise_db) in [("without noise", f32::INFINITY), ("noise 15 dB below", 15.0)] {
        let (mut right, mut keys_missed, mut keys_added, mut all) = (0, 0, 0, 0);
        for _ in 0..100 {
            let mut signal = Signal::silence_ms(1400.0);
            let level = b.seeded.between(-27.0, 0.0) as f32;
            let twist = b.seeded.between(-8.0, 4.0) as f32;
            let twist = twist.clamp(-27.0 - level, 27.0 + level);
            let (mut at_ms, mut sent, mut power) = (50.0, Vec::new(), 0.0);
            for _ in 0..10 {
                let key = Key::ALL[b.seeded.bits() as usize % 16];
                let (low, high) = (b.seeded.between(-1.0, 1.0), b.seeded.between(-1.0, 1.0));
                let press = Press::new(key)
                    .level(level)
                    .twist(twist)
                    .off(0.015, 2.0, low, high)
                    .lasting(b.seeded.between(40.0, 70.0));
                press.add(&mut signal, at_ms, &mut b.seeded);
                at_ms += press.on_ms + b.seeded.between(40.0, 60.0);
                sent.push(key);
                power = press.power_dbm0();
            }
            if noise_db.is_finite() {
                signal.noise(power - noise_db, &mut b.seeded);
            }
            let heard = keys_down(&hear(&signal.through_alaw()));
            all += 1;
            right += u32::from(heard == sent);
            keys_missed += sent.len().saturating_sub(heard.len());
            keys_added += heard.len().saturating_sub(sent.len());
        }
        writeln!(b.table, "ten keys inside the specification, {name:<24} {right:>5}/{all} right, {keys_missed} missed, {keys_added} added").unwrap();
    }
}

/// From a key's onset to its report, to the millisecond, and the errors of its beginning and end.
fn latency(b: &mut Battery) {
    for (name, noise_db) in [("quiet", 60.0), ("noise 15 dB below", 15.0)] {
        let (mut latencies, mut start_errors, mut end_errors) = (Vec::new(), Vec::new(), Vec::new());
        for press in all(20) {
            let mut signal = Signal::silence_ms(220.0);
            let from_ms = 50.0 + b.seeded.between(0.0, 10.0);
            press.add(&mut signal, from_ms, &mut b.seeded);
            signal.noise(press.power_dbm0() - noise_db, &mut b.seeded);
            let from = (from_ms * 8.0).round();
            for report in hear(&signal.through_alaw()) {
                match report {
                    DtmfReport::Down {
                        start_sample,
                        at_sample,
                        ..
                    } => {
                        latencies.push(at_sample as f64 - from);
                        start_errors.push((start_sample as f64 - from).abs());
                    }
                    DtmfReport::Up { end_sample, .. } => {
                        end_errors.push((end_sample as f64 - from - press.on_ms * 8.0).abs());
                    }
                }
            }
        }
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] / 8.0;
        let worst = |errors: &[f64]| errors.iter().copied().fold(0.0, f64::max) / 8.0;
        writeln!(
            b.table,
            "{name}: reported after min/median/p95/max {:.1}/{:.1}/{:.1}/{:.1} ms; start within {:.1} ms, end within {:.1} ms",
            at(0.0), at(0.5), at(0.95), at(1.0), worst(&start_errors), worst(&end_errors)
        )
        .unwrap();
    }
}
