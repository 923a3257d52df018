//! Judging a tone.

/// A sine, by its peak.
pub fn sine(rate_hz: u32, hz: f64, peak: f64, length: usize) -> Vec<i16> {
    let angle = std::f64::consts::TAU * hz / f64::from(rate_hz);
    (0..length)
        .map(|index| (peak * (angle * index as f64).sin()).round() as i16)
        .collect()
}

/// Peak of the sine of `hz` in the samples, and how far, at most, a sample is off what its two predecessors promise of
/// a sine: a gap or a doubled sample shows there.
pub fn judge(samples: &[i16], rate_hz: u32, hz: f64) -> (f64, f64) {
    let angle = std::f64::consts::TAU * hz / f64::from(rate_hz);
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (index, &sample) in samples.iter().enumerate() {
        sine += f64::from(sample) * (angle * index as f64).sin();
        cosine += f64::from(sample) * (angle * index as f64).cos();
    }
    let peak = 2.0 * f64::hypot(sine, cosine) / samples.len() as f64;
    let turn = 2.0 * angle.cos();
    let click = samples
        .windows(3)
        .map(|three| (turn * f64::from(three[1]) - f64::from(three[0]) - f64::from(three[2])).abs())
        .fold(0.0, f64::max);
    (peak, click)
}
