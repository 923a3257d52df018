//! Times of the signal functions, a frame of 10 ms each: divide by 80 for a sample.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tipring::dsp::concealment::Concealer;
use tipring::dsp::dtmf::{Detector, Generator};
use tipring::dsp::g711::{self, Law};
use tipring::dsp::resample::Resampler;
use tipring::dsp::tone::TonePlayer;
use tipring::dsp::tone_detector::ToneDetector;
use tipring::dsp::{FRAME, Key};
use tipring::zone::{TonePlan, ToneStep};

/// A second of something voice-like: a gliding pitch with harmonics, and a key at its end.
fn voice() -> Vec<i16> {
    let mut phase = 0.0_f32;
    let mut samples: Vec<i16> = (0..8000)
        .map(|index| {
            phase += (110.0 + 40.0 * (index as f32 / 900.0).sin()) / 8000.0 * std::f32::consts::TAU;
            (1..8)
                .map(|harmonic| (phase * harmonic as f32).sin() * 3000.0 / harmonic as f32)
                .sum::<f32>() as i16
        })
        .collect();
    let mut generator = Generator::new();
    generator.play(Key::ALL[5], -10.0, 60, 0);
    generator.mix(&mut samples[7000..]);
    samples
}

fn frames(criterion: &mut Criterion) {
    let voice = voice();
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Elements(FRAME as u64));
    let mut at = 0;
    let mut next = move || {
        at = (at + FRAME) % 8000;
        at
    };

    let mut detector = Detector::new();
    group.bench_function("dtmf_detector", |bencher| {
        bencher.iter(|| {
            let at = next();
            detector.process(&voice[at..at + FRAME], &mut |report| {
                black_box(report);
            });
        });
    });

    let mut tones = ToneDetector::new();
    group.bench_function("tone_detector", |bencher| {
        bencher.iter(|| {
            let at = next();
            tones.process(&voice[at..at + FRAME], &mut |heard| {
                black_box(heard);
            });
        });
    });

    for (name, law) in [("alaw", Law::A), ("ulaw", Law::Mu)] {
        let mut codes = [0; FRAME];
        group.bench_function(format!("encode_{name}"), |bencher| {
            bencher.iter(|| {
                let at = next();
                g711::encode(law, black_box(&voice[at..at + FRAME]), &mut codes)
            });
        });
        let mut samples = [0; FRAME];
        group.bench_function(format!("decode_{name}"), |bencher| {
            bencher.iter(|| g711::decode(law, black_box(&codes), &mut samples));
        });
    }

    // One packet of 20 ms in ten is lost.
    let mut concealer = Concealer::new();
    let mut count = 0;
    group.bench_function("concealment_10_percent", |bencher| {
        bencher.iter(|| {
            let at = next();
            let mut frame = [0; FRAME];
            frame.copy_from_slice(&voice[at..at + FRAME]);
            count += 1;
            if count % 20 < 2 {
                concealer.conceal(&mut frame);
            } else {
                concealer.receive(&mut frame);
            }
            frame
        });
    });

    let dial = ToneStep {
        frequencies_hz: [350.0, 440.0, 0.0, 0.0],
        level_dbm0: -13.0,
        ..ToneStep::default()
    };
    let mut player = TonePlayer::new();
    if let Some(plan) = TonePlan::new(&[dial], true) {
        player.start(&plan);
    }
    let mut frame = [0; FRAME];
    group.bench_function("tone_player", |bencher| {
        bencher.iter(|| player.fill(black_box(&mut frame)))
    });

    for (from_hz, to_hz) in [(48_000, 8000), (8000, 48_000), (8000, 8000)] {
        let Ok(mut resampler) = Resampler::new(from_hz, to_hz) else {
            continue;
        };
        let input: Vec<i16> = voice
            .iter()
            .copied()
            .cycle()
            .take(from_hz as usize / 100)
            .collect();
        let mut output = vec![0; resampler.outputs_max(input.len())];
        group.bench_function(format!("resample_{from_hz}_to_{to_hz}"), |bencher| {
            bencher.iter(|| resampler.process(black_box(&input), &mut output));
        });
    }
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
