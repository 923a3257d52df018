//! A whole announcement, step by step: what rings, what is silent, what is sent, in which order.
//!
//! The times are those of GR-30, EN 300 659-1, BT SIN 227 and 242, and the DTMF variants, as each step names them.

use std::time::Duration;

use super::message::{self, Standard};
use super::train::key_train;
use crate::dsp::transmission::{KeyTrain, MessageBytes, Modem, Transmission};
use crate::line::Caller;
use crate::line::ringer::caller_id_slot;
use crate::zone::{CallerIdMethod, CallerIdScheme};

/// Level of carrier and alert tones: the exchange's -13.5 dBm at the 0 dBr point, rounded down.
const FSK_LEVEL_DBM0: f32 = -14.0;

/// Level of each tone of a DTMF train.
const DTMF_LEVEL_DBM0: f32 = -10.0;

/// Tone and pause of a DTMF train: 50/50 at least, 70/70 advised.
const DTMF_TONE_MS: u16 = 70;

/// Channel seizure on hook, in bits (250 ms).
const SEIZURE_BITS: u16 = 300;

/// Mark after it, in bits: 180 ± 25 (150 ms).
const MARK_BITS: u16 = 180;

/// Mark of BT: 55 to 90 bits.
const BT_MARK_BITS: u16 = 80;

/// Mark off hook: 80 ± 25 bits, without seizure.
const OFF_HOOK_MARK_BITS: u16 = 80;

/// From the end of a ring to the seizure: at least 500.
const GAP_AFTER_RING_MS: u32 = 500;

/// From the end of the data to the next ring after a first ring: at least 200.
const GAP_BEFORE_NEXT_RING_MS: u32 = 200;

/// From the end of the data to ringing where the data come first: 200 to 500.
const GAP_BEFORE_FIRST_RING_MS: u32 = 300;

/// DT-AS on hook: 100 ± 10 (BT: 88 to 110).
const ALERT_TONE_MS: u16 = 100;

/// CAS off hook: 75 to 85.
const OFF_HOOK_ALERT_TONE_MS: u16 = 80;

/// One step of an announcement.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a script has eight steps at most, and is made once a call"
)]
pub enum Step {
    /// Ringing voltage for so long.
    Ring {
        /// How long.
        ms: u32,
    },
    /// Nothing for so long.
    Silence {
        /// How long.
        ms: u32,
    },
    /// Battery reversed, or back to normal.
    Reverse(bool),
    /// Loop feed open for so long.
    OpenLoop {
        /// How long.
        ms: u32,
    },
    /// This is sent, for as long as it lasts.
    Transmit(Transmission),
}

/// What announces `caller` to a telephone on hook, up to where plain ringing begins or goes on; `cadence_ms` is
/// what it would ring with. Empty where the scheme sends nothing: [`CallerIdMethod::None`], a DTMF variant that
/// cannot say why the number is absent, and [`CallerIdMethod::Ntt`], whose primary answer isn't built yet: such a
/// telephone just rings.
pub fn script(scheme: CallerIdScheme, caller: &Caller, cadence_ms: &[u32]) -> Vec<Step> {
    Announcement::new(scheme, caller, cadence_ms).steps
}

/// What switches the message-waiting lamp of a telephone on hook. Empty for schemes without FSK.
pub fn message_waiting_script(scheme: CallerIdScheme, waiting: bool) -> Vec<Step> {
    let message = message::message_waiting(waiting);
    match scheme.method {
        // Open switching interval of 150 to 300 ms (GR-30; Teltone 200).
        CallerIdMethod::FskBell202AfterRing => vec![
            Step::OpenLoop { ms: 200 },
            Step::Silence {
                ms: GAP_AFTER_RING_MS,
            },
            fsk(Modem::Bell202, MARK_BITS, message),
        ],
        CallerIdMethod::FskV23RingPulse => ring_pulse(fsk(Modem::V23, MARK_BITS, message)),
        CallerIdMethod::FskV23AfterRing | CallerIdMethod::FskV23AlertTone => {
            alert_tone(fsk(Modem::V23, MARK_BITS, message))
        }
        CallerIdMethod::FskV23ReversalAlertTone => {
            reversal_alert_tone(fsk(Modem::V23, BT_MARK_BITS, message))
        }
        CallerIdMethod::None
        | CallerIdMethod::DtmfBeforeRing
        | CallerIdMethod::DtmfReversalBeforeRing
        | CallerIdMethod::DtmfAfterRing
        | CallerIdMethod::Ntt => Vec::new(),
    }
}

/// What announces a second caller to a telephone off hook, after the audible call-waiting tone; the acknowledging
/// digit is assumed. Empty for schemes without FSK.
pub fn call_waiting_script(scheme: CallerIdScheme, caller: &Caller) -> Vec<Step> {
    let (modem, standard) = match scheme.method {
        CallerIdMethod::FskBell202AfterRing => (Modem::Bell202, Standard::Gr30),
        CallerIdMethod::FskV23AfterRing
        | CallerIdMethod::FskV23RingPulse
        | CallerIdMethod::FskV23AlertTone
        | CallerIdMethod::FskV23ReversalAlertTone => (Modem::V23, Standard::Etsi),
        CallerIdMethod::None
        | CallerIdMethod::DtmfBeforeRing
        | CallerIdMethod::DtmfReversalBeforeRing
        | CallerIdMethod::DtmfAfterRing
        | CallerIdMethod::Ntt => return Vec::new(),
    };
    vec![
        Step::Transmit(Transmission::AlertTone {
            on_ms: OFF_HOOK_ALERT_TONE_MS,
            level_dbm0: FSK_LEVEL_DBM0,
        }),
        // The acknowledgement is over 165 ms after the tone at the latest; FSK begins 50 to 500 after it.
        Step::Silence { ms: 265 },
        Step::Transmit(Transmission::Fsk {
            modem,
            seizure_bits: 0,
            mark_bits: OFF_HOOK_MARK_BITS,
            message: message::call_setup(standard, caller),
            level_dbm0: FSK_LEVEL_DBM0,
        }),
    ]
}

/// How long a transmission lasts, closing mark included.
pub fn duration(transmission: &Transmission) -> Duration {
    match transmission {
        Transmission::Fsk {
            seizure_bits,
            mark_bits,
            message,
            ..
        } => {
            // 1200 baud; ten bits a byte and up to ten of closing mark.
            let bits =
                u64::from(*seizure_bits) + u64::from(*mark_bits) + 10 * (message.as_slice().len() as u64 + 1);
            Duration::from_micros(bits * 1_000_000 / 1200)
        }
        Transmission::Dtmf {
            keys, on_ms, off_ms, ..
        } => Duration::from_millis(keys.as_slice().len() as u64 * (u64::from(*on_ms) + u64::from(*off_ms))),
        Transmission::AlertTone { on_ms, .. } => Duration::from_millis((*on_ms).into()),
    }
}

/// A script with how the ringing goes on after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::line) struct Announcement {
    /// The steps.
    pub steps: Vec<Step>,
    /// Phase of the cadence that is under way, or begins, when the steps are done.
    pub resumes: usize,
    /// The burst after that phase comes no sooner than this after the beginning; `None`: the phase begins then.
    pub next_ring: Option<Duration>,
}

impl Announcement {
    pub fn new(scheme: CallerIdScheme, caller: &Caller, cadence_ms: &[u32]) -> Self {
        let etsi = |mark_bits| fsk(Modem::V23, mark_bits, message::call_setup(Standard::Etsi, caller));
        let train = || key_train(scheme, caller).map(dtmf);
        let before_ring = |steps| Self {
            steps,
            resumes: 0,
            next_ring: None,
        };
        match scheme.method {
            CallerIdMethod::None | CallerIdMethod::Ntt => before_ring(Vec::new()),
            CallerIdMethod::FskBell202AfterRing => {
                let message = message::call_setup(Standard::Gr30, caller);
                Self::after_ring(fsk(Modem::Bell202, MARK_BITS, message), cadence_ms)
            }
            CallerIdMethod::FskV23AfterRing => Self::after_ring(etsi(MARK_BITS), cadence_ms),
            CallerIdMethod::FskV23RingPulse => before_ring(ring_pulse(etsi(MARK_BITS))),
            CallerIdMethod::FskV23AlertTone => before_ring(alert_tone(etsi(MARK_BITS))),
            CallerIdMethod::FskV23ReversalAlertTone => before_ring(reversal_alert_tone(etsi(BT_MARK_BITS))),
            CallerIdMethod::DtmfBeforeRing => before_ring(train().map_or_else(Vec::new, |train| {
                vec![
                    Step::Silence { ms: 100 },
                    train,
                    Step::Silence {
                        ms: GAP_BEFORE_FIRST_RING_MS,
                    },
                ]
            })),
            CallerIdMethod::DtmfReversalBeforeRing => before_ring(train().map_or_else(Vec::new, |train| {
                vec![
                    Step::Reverse(true),
                    // At least 200 from the reversal to the first digit.
                    Step::Silence { ms: 250 },
                    train,
                    Step::Silence { ms: 100 },
                    Step::Reverse(false),
                    Step::Silence {
                        ms: GAP_BEFORE_FIRST_RING_MS - 100,
                    },
                ]
            })),
            CallerIdMethod::DtmfAfterRing => match train() {
                Some(train) => Self::after_ring(train, cadence_ms),
                None => before_ring(Vec::new()),
            },
        }
    }

    /// The cadence up to its long silence, then the data in that silence.
    fn after_ring(data: Step, cadence_ms: &[u32]) -> Self {
        let slot = caller_id_slot(cadence_ms);
        let ring = &cadence_ms[..slot.unwrap_or(cadence_ms.len())];
        let mut steps: Vec<_> = ring
            .iter()
            .enumerate()
            .map(|(phase, &ms)| {
                if phase % 2 == 0 {
                    Step::Ring { ms }
                } else {
                    Step::Silence { ms }
                }
            })
            .collect();
        steps.extend([
            Step::Silence {
                ms: GAP_AFTER_RING_MS,
            },
            data,
            Step::Silence {
                ms: GAP_BEFORE_NEXT_RING_MS,
            },
        ]);
        let rung_ms: u64 = cadence_ms[..slot.map_or(ring.len(), |slot| slot + 1)]
            .iter()
            .map(|&ms| u64::from(ms))
            .sum();
        Self {
            steps,
            resumes: slot.unwrap_or(cadence_ms.len()),
            next_ring: Some(Duration::from_millis(rung_ms)),
        }
    }
}

/// RP-AS: a pulse of 200 to 300 ms, 500 to 800 of silence, the data.
fn ring_pulse(data: Step) -> Vec<Step> {
    vec![
        Step::Ring { ms: 250 },
        Step::Silence { ms: 600 },
        data,
        Step::Silence {
            ms: GAP_BEFORE_FIRST_RING_MS,
        },
    ]
}

/// DT-AS: the tone, 45 to 500 ms of silence, the data.
fn alert_tone(data: Step) -> Vec<Step> {
    vec![
        Step::Silence { ms: 100 },
        on_hook_alert(),
        Step::Silence { ms: 100 },
        data,
        Step::Silence {
            ms: GAP_BEFORE_FIRST_RING_MS,
        },
    ]
}

/// BT: reversal, at least 100 ms of silence, the tone, at least 45 ms, the data, at least 200 ms to the ring.
fn reversal_alert_tone(data: Step) -> Vec<Step> {
    vec![
        Step::Reverse(true),
        Step::Silence { ms: 200 },
        on_hook_alert(),
        Step::Silence { ms: 150 },
        data,
        Step::Silence { ms: 100 },
        Step::Reverse(false),
        Step::Silence {
            ms: GAP_BEFORE_FIRST_RING_MS - 100,
        },
    ]
}

fn on_hook_alert() -> Step {
    Step::Transmit(Transmission::AlertTone {
        on_ms: ALERT_TONE_MS,
        level_dbm0: FSK_LEVEL_DBM0,
    })
}

fn fsk(modem: Modem, mark_bits: u16, message: MessageBytes) -> Step {
    Step::Transmit(Transmission::Fsk {
        modem,
        seizure_bits: SEIZURE_BITS,
        mark_bits,
        message,
        level_dbm0: FSK_LEVEL_DBM0,
    })
}

fn dtmf(keys: KeyTrain) -> Step {
    Step::Transmit(Transmission::Dtmf {
        keys,
        on_ms: DTMF_TONE_MS,
        off_ms: DTMF_TONE_MS,
        level_dbm0: DTMF_LEVEL_DBM0,
    })
}
