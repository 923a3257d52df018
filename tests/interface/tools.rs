//! Section 1, `tipring tool`, and section 4, the audio files.

use crate::binary::telephone::sine;
use crate::binary::{Directory, assert_wav, json, text, write_wav};
use crate::tipring;

#[test]
fn tools_read_and_write_8000_hz_16_bit_mono() {
    let directory = Directory::new("");
    let file = directory.name("out.wav");
    for name in ["dial", "ringback", "busy", "congestion", "call_waiting"] {
        for country in ["ua", "us", "jp", "gb"] {
            let output = tipring(&[
                "tool",
                "tone",
                "--country",
                country,
                name,
                "--seconds",
                "1",
                "-o",
                &file,
            ]);
            assert!(
                output.status.success(),
                "{country} {name}: {}",
                text(&output.stderr)
            );
            let samples = assert_wav(std::path::Path::new(&file));
            assert_eq!(samples.len(), 8000);
        }
    }
    let schemes: [&[&str]; 10] = [
        &["--country", "us"],
        &["--country", "gb"],
        &["--country", "ua"],
        &["--country", "br", "--standard", "dtmf-taiwan"],
        &["--country", "de"],
        &["--country", "us", "--standard", "bellcore"],
        &["--country", "us", "--waiting"],
        &["--country", "gb", "--waiting"],
        &["--country", "us", "--mwi", "on"],
        &["--country", "de", "--mwi", "off"],
    ];
    for scheme in schemes {
        let mut arguments = vec!["tool", "callerid"];
        if !scheme.contains(&"--mwi") {
            arguments.extend(["--number", "5551234567", "--name", "Ann Other"]);
            arguments.extend(["--time", "2026-11-23T07:30:15Z"]);
        }
        arguments.extend(scheme);
        arguments.extend(["-o", &file]);
        let output = tipring(&arguments);
        assert!(output.status.success(), "{scheme:?}: {}", text(&output.stderr));
        let samples = assert_wav(std::path::Path::new(&file));
        assert!(
            samples.iter().any(|sample| sample.unsigned_abs() > 1000),
            "{scheme:?} is silence"
        );
    }
    for time in [
        "2026-11-23T07:30",
        "2026-11-23T07:30:15",
        "2026-11-23T07:30:15Z",
        "2026-11-23T07:30:15+02:00",
        "2026-11-23T07:30:15.5-05:00",
    ] {
        let output = tipring(&[
            "tool",
            "callerid",
            "--country",
            "us",
            "--number",
            "1",
            "--time",
            time,
            "-o",
            &file,
        ]);
        assert!(output.status.success(), "{time}: {}", text(&output.stderr));
    }
    let unknown = tipring(&[
        "tool",
        "callerid",
        "--country",
        "us",
        "--standard",
        "pigeon",
        "-o",
        &file,
    ]);
    assert!(
        !unknown.status.success() && text(&unknown.stderr).contains("bellcore"),
        "{}",
        text(&unknown.stderr)
    );
}

#[test]
fn the_dtmf_tool_lists_digits_with_their_times() {
    let directory = Directory::new("");
    let file = directory.name("in.wav");
    let mut samples = vec![0; 960];
    for (low, high) in [(770.0, 1336.0), (941.0, 1477.0)] {
        let pair = sine(low, 60)
            .into_iter()
            .zip(sine(high, 60))
            .map(|(one, other)| (one + other) / 2);
        samples.extend(pair);
        samples.extend([0; 640]);
    }
    write_wav(&file, &samples);
    let digits = json(&tipring(&["tool", "dtmf", &file, "--json"]));
    let text_of: Vec<_> = digits
        .as_array()
        .unwrap()
        .iter()
        .map(|digit| digit["digit"].as_str().unwrap())
        .collect();
    assert_eq!(text_of, ["5", "#"]);
    let first = &digits[0];
    assert!(first["start_ms"].as_u64().unwrap().abs_diff(120) <= 5, "{first}");
    assert!(first["end_ms"].as_u64().unwrap().abs_diff(180) <= 10, "{first}");
    assert!(
        (120..=180).contains(&first["reported_ms"].as_u64().unwrap()),
        "{first}"
    );
    for wrong in [
        "/nonexistent.wav",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ] {
        let output = tipring(&["tool", "dtmf", wrong]);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        assert!(text(&output.stderr).contains(wrong), "{}", text(&output.stderr));
    }
}
