//! What is tried, each in a process of its own: see the opening of this program.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tipring::daemon::audio::sound_card::{self, SoundCardSettings};
use tipring::daemon::audio::{AudioLine, AudioThread, CardFault, Command, LineId, PortPair, Report};
use tipring::dsp::level::amplitude;
use tipring::gateway::SessionId;
use tipring::media::{Codec, Direction, DtmfRelay, SessionParams, VoiceCommand, VoiceConfig, VoicePath};
use tipring::zone::{TonePlan, ToneStep};

use super::peer::Peer;
use super::tone::{judge, sine};
use super::wire::{Head, Wire};
use super::{DIRECTORY, KEYS, counting};

const TONE_HZ: f64 = 1000.0;
const TONE_DBM0: f32 = -10.0;

/// An audio thread with one line on the card, off hook and in a session with a peer.
struct Rig {
    audio: AudioThread,
    card: Card,
    ear: Wire,
    mouth: Wire,
    peer: Peer,
    line: LineId,
    reports: Vec<Report>,
}

/// The card as the configuration has it.
struct Card {
    directory: PathBuf,
    rate_hz: u32,
    channel: u8,
    ppm: f64,
    ppm_playback: f64,
}

impl Card {
    fn configured() -> Self {
        let directory = std::env::var_os(DIRECTORY).expect("started by the test of this name's parent");
        let keys = std::env::var(KEYS).expect("given with it");
        let words: Vec<&str> = keys.split(' ').collect();
        let value = |key: &str| {
            let place = words.iter().position(|word| *word == key)?;
            words.get(place + 1)?.parse::<f64>().ok()
        };
        let ppm = value("ppm").unwrap_or(0.0);
        Self {
            directory: directory.into(),
            rate_hz: value("rate").expect("a rate") as u32,
            // The last there is.
            channel: value("channels").map_or(0, |channels| channels as u8 - 1),
            ppm,
            ppm_playback: value("ppm_playback").unwrap_or(ppm),
        }
    }

    fn settings(&self) -> SoundCardSettings {
        SoundCardSettings {
            pcm: "line".to_owned(),
            channel: self.channel,
            rate_hz: None,
            period_ms: 10,
            periods: 3,
        }
    }

    fn line(&self, id: LineId) -> Box<AudioLine> {
        let card = sound_card::open(&self.settings()).expect("the paced PCM opens");
        println!("figure: {}", card.description());
        let voice = VoicePath::new(&VoiceConfig::default(), 1);
        Box::new(AudioLine::with_sound_card(id, voice, card))
    }
}

impl Rig {
    async fn start(echo: bool) -> Self {
        let card = Card::configured();
        let line = LineId(1);
        let audio_line = card.line(line);
        let wire =
            |direction, ppm| Wire::open(&card.directory, direction, card.rate_hz, ppm, card.channel.into());
        let (ear, mouth) = (wire("playback", card.ppm_playback), wire("capture", card.ppm));
        let mut audio = AudioThread::start().expect("a thread");
        let started = Instant::now();
        while audio.ticks() < 3 {
            assert!(
                started.elapsed() < Duration::from_secs(3),
                "the thread stands still"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        counting::watch("audio");
        audio.command(Command::AddLine(audio_line));
        let mut rig = Self {
            audio,
            card,
            ear,
            mouth,
            peer: Peer::start(echo),
            line,
            reports: Vec::new(),
        };
        rig.until(|reports| reports.contains(&Report::CardStarted(LineId(1))))
            .await;
        rig.talk();
        rig
    }

    /// Off hook, in a session.
    fn talk(&mut self) {
        let line = self.line;
        self.voice(VoiceCommand::OffHook(true));
        let rtp = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let rtcp = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        for socket in [&rtp, &rtcp] {
            socket.set_nonblocking(true).expect("a socket");
        }
        let sockets = PortPair {
            address: rtp.local_addr().expect("bound"),
            rtp,
            rtcp,
        };
        self.audio.command(Command::OpenMedia {
            line,
            session: SessionId(1),
            sockets,
            parked: false,
        });
        self.voice(VoiceCommand::Session(SessionParams {
            remote_rtp: self.peer.address,
            remote_rtcp: self.peer.address,
            codec: Codec::Pcma,
            payload_type: 8,
            telephone_event: None,
            packet_time_ms: 20,
            direction: Direction::SendReceive,
            dtmf_relay: DtmfRelay::Rfc4733,
            rtp_timeout_ms: 30_000,
            awaits_path: false,
            rtcp_mux: false,
        }));
    }

    fn voice(&mut self, command: VoiceCommand) {
        let line = self.line;
        self.audio.command(Command::Voice { line, command });
    }

    fn play_tone(&mut self) {
        let step = ToneStep {
            frequencies_hz: [TONE_HZ as f32, 0.0, 0.0, 0.0],
            level_dbm0: TONE_DBM0,
            ..ToneStep::default()
        };
        let plan = TonePlan::new(&[step], true).expect("one step");
        self.voice(VoiceCommand::PlayTone(plan));
    }

    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
            while let Some(report) = self.audio.report() {
                self.reports.push(report);
            }
        }
    }

    async fn until(&mut self, reported: impl Fn(&[Report]) -> bool) {
        let start = Instant::now();
        while !reported(&self.reports) {
            assert!(start.elapsed() < Duration::from_secs(3), "{:?}", self.reports);
            self.pass(Duration::from_millis(5)).await;
        }
    }

    fn xruns(&self) -> u32 {
        interruptions(&self.reports)
    }

    /// The tone is heard at the far end, unbroken, from frame `from` until a moment ago; up to where that was.
    fn hears_tone(&self, from: u64) -> u64 {
        let until = self.ear.now() - u64::from(self.card.rate_hz / 50);
        let played = self.ear.played(from, until - from);
        assert_tone(&played, self.card.rate_hz, 80.0);
        until
    }

    fn end(self) {
        println!(
            "figure: allocations and frees of the audio thread in {} ticks: {}",
            self.audio.ticks(),
            counting::count()
        );
        assert_eq!(counting::count(), 0);
    }
}

fn interruptions(reports: &[Report]) -> u32 {
    let count = |report: &Report| match report {
        Report::Xrun { count, .. } => *count,
        _ => 0,
    };
    reports.iter().map(count).sum()
}

fn assert_tone(samples: &[i16], rate_hz: u32, click_max: f64) {
    let expected = f64::from(amplitude(TONE_DBM0));
    let (peak, click) = judge(samples, rate_hz, TONE_HZ);
    let off_db = 20.0 * (peak / expected).log10();
    assert!(
        off_db.abs() < 0.5,
        "{off_db:.2} dB off, in {} samples",
        samples.len()
    );
    assert!(click < click_max, "a click of {click:.0}");
}

/// The test's own threads play the card's far end and the peer, who don't wait while other programs run: they are
/// served before those, where it is permitted, as the audio thread is. (Where it isn't, on a busy machine, an echo
/// that comes back late looks like a line that is slow.)
fn run_before_ordinary_programs() {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer is to a live value of the right type, which the call only reads; 0 is this thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    println!("figure: far end before ordinary programs: {}", result == 0);
}

fn run(test: impl Future<Output = ()>) {
    run_before_ordinary_programs();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(test);
}

#[test]
#[ignore = "run by its parent, in the environment it needs"]
fn talk() {
    run(async {
        let mut rig = Rig::start(true).await;
        let rate = u64::from(rig.card.rate_hz);
        // From us to the telephone.
        rig.play_tone();
        rig.pass(Duration::from_millis(1200)).await;
        rig.hears_tone(rig.ear.now() - rate);
        rig.voice(VoiceCommand::StopTone);
        // From the telephone to the far end, and back from there.
        rig.pass(Duration::from_millis(300)).await;
        let _ = rig.peer.heard();
        let said = sine(
            rig.card.rate_hz,
            TONE_HZ,
            f64::from(amplitude(TONE_DBM0)),
            rig.card.rate_hz as usize,
        );
        rig.mouth.say(rig.mouth.now() + rate / 20, &said);
        rig.pass(Duration::from_millis(1300)).await;
        let heard = rig.peer.heard();
        let start = heard.iter().position(|sample| sample.abs() > 3000);
        let start = start.expect("something is heard") + 400;
        // A-law errs by up to 3 %; a lost sample is 78 % of the peak.
        assert_tone(&heard[start..start + 6400], 8000, 1500.0);
        // How long it takes.
        rig.pass(Duration::from_millis(300)).await;
        let said_at = rig.mouth.now() + rate / 20;
        rig.mouth.say(said_at, &said[..said.len() / 50]);
        rig.pass(Duration::from_millis(400)).await;
        let since = rig.ear.now() - rate * 4 / 10;
        let played = rig.ear.played(since, rate * 4 / 10);
        let back = played.iter().position(|sample| sample.abs() > 1500);
        let back_at = since + back.expect("the echo comes back") as u64;
        let delay_ms = rig.ear.ms(said_at, back_at);
        println!(
            "figure: telephone -> card -> RTP (20 ms packets) -> echo -> RTP -> card -> telephone: {delay_ms:.1} ms"
        );
        // Period 10, packet 20, jitter buffer, playback ahead 20 with 10 of it gone by then, a packet's phase.
        assert!((40.0..150.0).contains(&delay_ms), "{delay_ms}");
        assert_eq!(rig.xruns(), 0);
        rig.end();
    });
}

#[test]
#[ignore = "run by its parent, in the environment it needs"]
fn steady() {
    run(async {
        let mut rig = Rig::start(false).await;
        let rate_hz = rig.card.rate_hz;
        rig.play_tone();
        let said = sine(
            rate_hz,
            TONE_HZ,
            f64::from(amplitude(TONE_DBM0)),
            rate_hz as usize * 5,
        );
        rig.mouth.say(rig.mouth.now() + u64::from(rate_hz / 20), &said);
        rig.pass(Duration::from_millis(300)).await;
        let _ = rig.peer.heard();
        let since = Instant::now();
        let mut heard_to = rig.ear.now() - u64::from(rate_hz / 10);
        for _ in 0..8 {
            rig.pass(Duration::from_millis(500)).await;
            heard_to = rig.hears_tone(heard_to);
        }
        let heard = rig.peer.heard();
        // Packets come in 20 ms.
        let expected = (since.elapsed().as_secs_f64() * 8000.0) as usize;
        assert!(
            heard.len().abs_diff(expected) < 480,
            "{} samples, not {expected}",
            heard.len()
        );
        // What was said ends a little later.
        for second in heard.chunks_exact(8000).take(4) {
            assert_tone(second, 8000, 1500.0);
        }
        let interrupted = rig.ear.head(Head::Xruns) + rig.mouth.head(Head::Xruns) + rig.xruns();
        println!("figure: xruns in 4 s: {interrupted}");
        assert_eq!(interrupted, 0);
        rig.end();
    });
}

#[test]
#[ignore = "run by its parent, in the environment it needs"]
fn interrupted() {
    run(async {
        let mut rig = Rig::start(false).await;
        rig.play_tone();
        for count in 1..=4 {
            rig.pass(Duration::from_millis(200)).await;
            let wire = if count % 2 == 0 { &rig.ear } else { &rig.mouth };
            wire.set_head(Head::XrunsWanted, count);
            rig.pass(Duration::from_millis(300)).await;
            // A machine that stands still for a moment adds its own.
            let card_saw = rig.ear.head(Head::Xruns) + rig.mouth.head(Head::Xruns);
            assert!(
                (count..=card_saw).contains(&rig.xruns()),
                "{} of {card_saw}",
                rig.xruns()
            );
            rig.hears_tone(rig.ear.now() - u64::from(rig.card.rate_hz / 5));
        }
        println!("figure: 4 xruns forced, {} counted, all passed", rig.xruns());
        let lost = |report: &Report| matches!(report, Report::CardLost { .. });
        assert!(!rig.reports.iter().any(lost));
        rig.end();
    });
}

#[test]
#[ignore = "run by its parent, in the environment it needs"]
fn suspended() {
    run(async {
        let mut rig = Rig::start(false).await;
        rig.play_tone();
        for count in 1..=3 {
            rig.pass(Duration::from_millis(300)).await;
            for wire in [&rig.ear, &rig.mouth] {
                wire.set_head(Head::Asleep, 1);
            }
            rig.pass(Duration::from_millis(200)).await;
            let suspended = [&rig.ear, &rig.mouth].map(|wire| wire.head(Head::Suspensions));
            assert!(suspended.contains(&count), "{suspended:?}");
            let _ = rig.peer.heard();
            rig.pass(Duration::from_millis(100)).await;
            // The line lives on in silence: the far end's RTP doesn't dry up.
            let silence = rig.peer.heard();
            assert!(silence.len() > 400, "{} samples", silence.len());
            assert!(silence.iter().all(|sample| sample.abs() < 100));
            for wire in [&rig.ear, &rig.mouth] {
                wire.set_head(Head::Asleep, 0);
            }
            let awake = Instant::now();
            rig.until(|reports| interruptions(reports) >= count).await;
            rig.pass(Duration::from_millis(300)).await;
            rig.hears_tone(rig.ear.now() - u64::from(rig.card.rate_hz / 5));
            assert!(rig.peer.heard().len() > 1600, "{:?} awake", awake.elapsed());
        }
        println!(
            "figure: 3 sleeps, {} interruptions counted, all passed",
            rig.xruns()
        );
        let lost = |report: &Report| matches!(report, Report::CardLost { .. });
        assert!(!rig.reports.iter().any(lost));
        assert_eq!(rig.ear.head(Head::Opens), 1, "never opened anew");
        rig.end();
    });
}

#[test]
#[ignore = "run by its parent, in the environment it needs"]
fn pulled_out() {
    run(async {
        let mut rig = Rig::start(false).await;
        rig.play_tone();
        rig.pass(Duration::from_millis(300)).await;
        let gone_at = Instant::now();
        for wire in [&rig.ear, &rig.mouth] {
            wire.set_head(Head::Gone, 1);
        }
        let lost = Report::CardLost {
            line: LineId(1),
            reason: CardFault::Gone,
        };
        rig.until(|reports| reports.contains(&lost)).await;
        println!(
            "figure: gone, and told after {} ms",
            gone_at.elapsed().as_millis()
        );
        let error = sound_card::open(&rig.card.settings()).expect_err("it is gone");
        assert!(
            error
                .to_string()
                .contains("/proc/asound/cards lists the cards there are"),
            "{error}"
        );
        // The line lives on in silence until it is taken away.
        let _ = rig.peer.heard();
        rig.pass(Duration::from_millis(300)).await;
        let silence = rig.peer.heard();
        assert!(silence.len() > 1600, "{} samples", silence.len());
        rig.audio.command(Command::RemoveLine(LineId(1)));
        for wire in [&rig.ear, &rig.mouth] {
            wire.set_head(Head::Gone, 0);
        }
        rig.line = LineId(2);
        let again = rig.card.line(LineId(2));
        rig.audio.command(Command::AddLine(again));
        rig.until(|reports| reports.contains(&Report::CardStarted(LineId(2))))
            .await;
        rig.talk();
        rig.play_tone();
        rig.pass(Duration::from_millis(500)).await;
        rig.hears_tone(rig.ear.now() - u64::from(rig.card.rate_hz / 5));
        assert_eq!(rig.ear.head(Head::Opens), 2);
        rig.end();
    });
}

#[test]
#[ignore = "run by its parent, in the environment it needs"]
fn refused() {
    let settings = Card::configured().settings();
    let refusal = |settings: &SoundCardSettings| {
        sound_card::open(settings)
            .expect_err("it cannot do this")
            .to_string()
    };
    assert_eq!(
        refusal(&settings),
        "sound card line has no rate of 8000 to 48000 Hz in common for both directions; \
         `plughw:…` in place of `hw:…` has ALSA convert"
    );
    let settings = SoundCardSettings {
        rate_hz: Some(11_025),
        channel: 1,
        ..settings
    };
    assert_eq!(
        refusal(&settings),
        "sound card line has no channel 1 for capture; `plughw:…` in place of `hw:…` has ALSA convert"
    );
    let nowhere = SoundCardSettings {
        pcm: "hw:CARD=Nowhere,DEV=0".to_owned(),
        ..settings
    };
    assert_eq!(
        refusal(&nowhere),
        "sound card hw:CARD=Nowhere,DEV=0: cannot open it for capture: No such file or directory (os error 2); \
         /proc/asound/cards lists the cards there are"
    );
}
