//! A program under measurement: its processor time and resident memory, from /proc.

use std::process::Child;
use std::time::{Duration, Instant};

/// A child that is killed when it is dropped.
pub struct Process(pub Child);

impl Process {
    /// Nanoseconds of processor time of all its threads.
    pub fn cpu_ns(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("the process runs");
        tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Resident memory, megabytes.
    pub fn resident_mb(&self) -> f64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("the process runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a VmRSS line");
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes / 1024.0
    }

    /// Share of one core over a stretch of time, percent, while `meanwhile` runs.
    pub fn cpu_percent(&self, meanwhile: impl FnOnce()) -> f64 {
        let (before, began) = (self.cpu_ns(), Instant::now());
        meanwhile();
        let used = Duration::from_nanos(self.cpu_ns() - before);
        100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
