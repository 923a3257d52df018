//! One picture of the call: hook, bell, tones, speech and messages of both telephones on one time axis.

use std::fmt::Write;
use std::ops::Range;

use crate::daemon::{HALL, KITCHEN};
use crate::envelope::Row;
use crate::heard::{Heard, Kind, Sound, firsts, time_ms};
use crate::measure::Delay;
use crate::story::Story;
use crate::telephone::Notice;

const WIDTH: f64 = 1320.0;
const HEIGHT: f64 = 742.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 1296.0;

/// Time shown before the handset is lifted.
const BEFORE_MS: f64 = 300.0;

/// Tops of the two telephones' blocks and of what is between them.
const KITCHEN_TOP: f64 = 84.0;
const NETWORK_TOP: f64 = 290.0;
const HALL_TOP: f64 = 432.0;
const AXIS: f64 = 672.0;

/// The wave that fills a row: louder than speech and tones of a call get.
const PEAK: f64 = 11_000.0;

const INK: &str = "#1f2933";
const FAINT: &str = "#616e7c";
const HOOK: &str = "#3e4c59";
const BELL: &str = "#c2410c";
const TONE: &str = "#c98a0b";
const VOICE: &str = "#1d6fb8";
const DATA: &str = "#7c3aa6";
const KEYS: &str = "#1f8a5b";
const MESSAGE: &str = "#3e4c59";

/// The picture as SVG.
pub fn draw(story: &Story) -> String {
    let mut canvas = Canvas {
        svg: String::new(),
        start_ms: story.zero_ms() - BEFORE_MS,
        end_ms: story.end_ms(),
        zero_ms: story.zero_ms(),
    };
    canvas.frame();
    canvas.telephone(&story.kitchen, KITCHEN, KITCHEN_TOP, story.delay_to_kitchen());
    canvas.network(story);
    canvas.telephone(&story.hall, HALL, HALL_TOP, story.delay_to_hall());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\" font-size=\"12\" \
         fill=\"{INK}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
        canvas.svg
    )
}

struct Canvas {
    svg: String,
    start_ms: f64,
    end_ms: f64,
    zero_ms: f64,
}

impl Canvas {
    fn x(&self, at_ms: f64) -> f64 {
        let part = (at_ms - self.start_ms) / (self.end_ms - self.start_ms);
        LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn add(&mut self, element: &str) {
        self.svg.push_str(element);
        self.svg.push('\n');
    }

    fn text(&mut self, x: f64, y: f64, style: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.add(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>"));
    }

    fn bar(&mut self, time_ms: &Range<f64>, top: f64, height: f64, color: &str) {
        let (from, to) = (self.x(time_ms.start), self.x(time_ms.end));
        let width = (to - from).max(1.0);
        self.add(&format!(
            "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\" rx=\"2\" fill=\"{color}\"/>"
        ));
    }

    /// Title, grid, time axis, legend.
    fn frame(&mut self) {
        self.text(
            24.0,
            34.0,
            "font-size=\"20\" font-weight=\"bold\"",
            "A call through tipring: kitchen rings hall",
        );
        let summary = "Two virtual telephones on one daemon, real SIP and RTP sockets on loopback, tones and caller ID \
                       of the United States. Amplitudes are those on the line.";
        self.text(24.0, 56.0, &format!("fill=\"{FAINT}\""), summary);
        let seconds = ((self.end_ms - self.zero_ms) / 1000.0).floor() as u32;
        for second in 0..=seconds {
            let x = self.x(self.zero_ms + f64::from(second) * 1000.0);
            self.add(&format!(
                "<line x1=\"{x:.1}\" y1=\"{KITCHEN_TOP}\" x2=\"{x:.1}\" y2=\"{AXIS}\" stroke=\"#e4e7eb\"/>"
            ));
            let style = format!("text-anchor=\"middle\" fill=\"{FAINT}\"");
            self.text(x, AXIS + 18.0, &style, &format!("{second} s"));
        }
        self.add(&format!(
            "<line x1=\"{LEFT}\" y1=\"{AXIS}\" x2=\"{RIGHT}\" y2=\"{AXIS}\" stroke=\"{FAINT}\"/>"
        ));
        self.legend();
    }

    fn legend(&mut self) {
        let mut x = LEFT;
        for (color, name, width) in [
            (HOOK, "off hook", 92.0),
            (BELL, "bell rings", 100.0),
            (TONE, "tone", 66.0),
            (KEYS, "keys (DTMF)", 112.0),
            (DATA, "caller ID (FSK)", 132.0),
            (VOICE, "speech", 80.0),
        ] {
            let y = AXIS + 40.0;
            self.add(&format!(
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{color}\"/>",
                y - 10.0
            ));
            self.text(x + 18.0, y, "", name);
            x += width;
        }
    }

    /// Handset, bell, what is heard, what is said.
    fn telephone(&mut self, telephone: &Heard, number: &str, top: f64, delay: Option<Delay>) {
        let label = format!(
            "font-size=\"14\" font-weight=\"bold\" transform=\"rotate(-90 20 {:.0})\" text-anchor=\"middle\"",
            top + 96.0
        );
        self.text(
            20.0,
            top + 96.0,
            &label,
            &format!("{} ({number})", telephone.name),
        );
        let side = format!("text-anchor=\"end\" fill=\"{FAINT}\"");

        self.text(LEFT - 8.0, top + 12.0, &side, "handset");
        for lifted in telephone.while_noticed(&Notice::Hook(true), &Notice::Hook(false)) {
            self.bar(&lifted, top + 2.0, 12.0, HOOK);
        }
        self.text(LEFT - 8.0, top + 30.0, &side, "bell");
        for ringing in telephone.while_noticed(&Notice::Ring(true), &Notice::Ring(false)) {
            self.bar(&ringing, top + 20.0, 12.0, BELL);
        }

        let hears = Row {
            middle: top + 104.0,
            half: 34.0,
            peak: PEAK,
        };
        self.text(LEFT - 8.0, hears.middle + 4.0, &side, "hears");
        self.waves(telephone, &telephone.recording.heard, &telephone.heard, hears);
        for sound in firsts(&telephone.heard) {
            let (name, more) = heard_label(telephone, sound, delay.as_ref());
            self.label(sound, top + 50.0, &name, &more);
        }

        let says = Row {
            middle: top + 172.0,
            half: 26.0,
            peak: PEAK,
        };
        self.text(LEFT - 8.0, says.middle + 4.0, &side, "says");
        self.waves(telephone, &telephone.recording.said, &telephone.said, says);
        for keys in telephone.said.iter().filter(|sound| sound.kind == Kind::Keys) {
            let x = self.x(keys.time_ms.end) + 6.0;
            self.text(
                x,
                says.middle - 4.0,
                &format!("font-weight=\"bold\" fill=\"{KEYS}\""),
                HALL,
            );
        }
    }

    fn waves(&mut self, telephone: &Heard, samples: &[i16], sounds: &[Sound], row: Row) {
        self.add(&format!(
            "<line x1=\"{LEFT}\" y1=\"{0}\" x2=\"{RIGHT}\" y2=\"{0}\" stroke=\"#9aa5b1\" stroke-width=\"0.6\"/>",
            row.middle
        ));
        for sound in sounds {
            let outline = row.outline(samples, sound.samples.clone(), |sample| {
                self.x(time_ms(&telephone.recording, sample))
            });
            let color = color(sound.kind);
            self.add(&format!(
                "<path d=\"{outline}\" fill=\"{color}\" stroke=\"{color}\" stroke-width=\"0.5\"/>"
            ));
        }
    }

    fn label(&mut self, sound: &Sound, y: f64, name: &str, more: &str) {
        let x = self.x(sound.time_ms.start);
        let color = color(sound.kind);
        self.text(x, y, &format!("font-weight=\"bold\" fill=\"{color}\""), name);
        self.text(x, y + 14.0, &format!("font-size=\"11\" fill=\"{color}\""), more);
    }

    /// SIP messages, and RTP between answer and end.
    fn network(&mut self, story: &Story) {
        let (top, bottom) = (NETWORK_TOP, NETWORK_TOP + 120.0);
        self.add(&format!(
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{:.1}\" height=\"120\" rx=\"4\" fill=\"#f5f7fa\"/>",
            RIGHT - LEFT
        ));
        let side = format!("text-anchor=\"end\" fill=\"{FAINT}\"");
        self.text(LEFT - 8.0, top + 56.0, &side, "SIP");
        self.text(LEFT - 8.0, top + 72.0, &side, "and RTP");

        let answered = story.call("outgoing", "talking").map(|event| event.at_ms);
        let ended = story.call("incoming", "ended").map(|event| event.at_ms);
        if let (Some(answered_ms), Some(ended_ms)) = (answered, ended) {
            self.bar(&(answered_ms..ended_ms), top + 44.0, 40.0, "#d7e6f5");
            let middle = (self.x(answered_ms) + self.x(ended_ms)) / 2.0;
            let style = format!("text-anchor=\"middle\" fill=\"{VOICE}\"");
            self.text(middle, top + 61.0, &style, &media_text(story));
            self.text(middle, top + 77.0, &style, &quality_text(story));
        }
        for (direction, state, name, down, row) in [
            ("outgoing", "calling", format!("↓ INVITE {HALL}"), true, 0.0),
            ("outgoing", "ringing", "↑ 180 Ringing".to_owned(), false, 5.0),
            ("outgoing", "talking", "↑ 200 OK".to_owned(), false, 0.0),
            ("incoming", "ended", "↑ BYE".to_owned(), false, 0.0),
        ] {
            let Some(at_ms) = story.call(direction, state).map(|event| event.at_ms) else {
                continue;
            };
            let x = self.x(at_ms);
            let (tip, back) = if down { (bottom, -7.0) } else { (top, 7.0) };
            self.add(&format!(
                "<path d=\"M{x:.1} {top}V{bottom}M{:.1} {:.1}L{x:.1} {tip:.1}L{:.1} {:.1}\" stroke=\"{MESSAGE}\" \
                 stroke-width=\"1.4\" fill=\"none\"/>",
                x - 4.0,
                tip + back,
                x + 4.0,
                tip + back
            ));
            let mut text = name;
            // Writing to a String cannot fail.
            let _ = write!(text, "  {:.3} s", (at_ms - self.zero_ms) / 1000.0);
            self.text(
                x + 8.0,
                top + 18.0 + row * 17.4,
                &format!("fill=\"{MESSAGE}\""),
                &text,
            );
        }
    }
}

/// What stands over a sound.
fn heard_label(telephone: &Heard, sound: &Sound, delay: Option<&Delay>) -> (String, String) {
    let (name, more) = telephone.words(sound.kind);
    match delay {
        Some(delay) if sound.kind == Kind::Voice => {
            (name, format!("{:.1} ms from mouth to ear", delay.median_ms))
        }
        _ => (name, more),
    }
}

fn media_text(story: &Story) -> String {
    let codec = story.record("kitchen").and_then(|record| record.codec.clone());
    format!("RTP both ways, {}, 20 ms packets", codec.unwrap_or_default())
}

fn quality_text(story: &Story) -> String {
    let lost: u32 = story
        .records
        .iter()
        .map(|record| record.lost_packets + record.late_packets)
        .sum();
    let worst = story
        .records
        .iter()
        .filter_map(|record| record.mos)
        .reduce(f32::min);
    let mos = worst.map_or_else(String::new, |mos| format!(", MOS {mos:.2}"));
    format!("{lost} packets lost or late{mos}")
}

fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Tone(_) => TONE,
        Kind::CallerId => DATA,
        Kind::Voice => VOICE,
        Kind::Keys => KEYS,
    }
}
