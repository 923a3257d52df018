//! A wave as a shape: its highest and lowest sample in each column of a picture.

use std::fmt::Write;
use std::ops::Range;

/// Where a row of waves lies.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its middle.
    pub middle: f64,
    /// Half its height, which `peak` reaches.
    pub half: f64,
    /// The sample that reaches it.
    pub peak: f64,
}

impl Row {
    /// The outline of `samples[range]` as an SVG path; `x` tells where a sample is.
    pub fn outline(&self, samples: &[i16], range: Range<usize>, x: impl Fn(usize) -> f64) -> String {
        // One column each 0.7 units of the picture.
        let columns = ((x(range.end) - x(range.start)) / 0.7).ceil().max(1.0) as usize;
        let step = range.len().div_ceil(columns).max(1);
        let (mut upper, mut lower) = (String::new(), Vec::new());
        for start in range.clone().step_by(step) {
            let column = &samples[start..(start + step).min(range.end)];
            let highest = column.iter().copied().max().unwrap_or(0);
            let lowest = column.iter().copied().min().unwrap_or(0);
            let at = x(start);
            let verb = if upper.is_empty() { 'M' } else { 'L' };
            // Writing to a String cannot fail.
            let _ = write!(upper, "{verb}{at:.1} {:.1}", self.y(highest));
            lower.push(format!("L{at:.1} {:.1}", self.y(lowest)));
        }
        lower.reverse();
        format!("{upper}{}Z", lower.concat())
    }

    /// At least half a unit each way, so that a quiet wave is still a line.
    fn y(&self, sample: i16) -> f64 {
        let height = f64::from(sample) / self.peak * self.half;
        self.middle - height.clamp(-self.half, self.half)
    }
}
