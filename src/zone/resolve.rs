//! From a country's table to a [`Zone`]: defaults and fall-backs filled in, everything checked.

use super::table::{Defaults, FlashProfile, Frequencies, Step, Table, ToneName, ToneTable};
use super::tone::{FREQUENCIES_MAX, TonePlan, ToneStep};
use super::{CallerIdScheme, HookWindows, Ring, Tone, Zone, ZoneError};

const DEFAULTS: &str = include_str!("defaults.yaml");

/// Longest break that is a dial pulse in North America (GR-506: under 120 ms).
const NORTH_AMERICAN_PULSE_BREAK_MAX_MS: u32 = 120;

/// A hang-up is at least so much longer than the longest recall, so that a measured break is one or the other.
const HANG_UP_MARGIN_MS: u32 = 100;

/// Reads the text of a table.
pub(super) fn zone(text: &str) -> Result<Zone, ZoneError> {
    let table: Table =
        serde_saphyr::from_str(text).map_err(|error| ZoneError::Notation(error.to_string()))?;
    let defaults: Defaults =
        serde_saphyr::from_str(DEFAULTS).map_err(|error| ZoneError::Notation(error.to_string()))?;
    let mut tones = [TonePlan::SILENCE; Tone::COUNT];
    for tone in Tone::ALL {
        tones[tone as usize] = plan(&table, &defaults, tone)?;
    }
    Ok(Zone {
        hook: hook(&table, &defaults),
        code: table.code,
        name: table.name,
        law: table.law.into(),
        impedance: table.impedance,
        tones,
        ring: Ring {
            frequency_hz: table.ring.frequency_hz,
            cadence_ms: table.ring.cadence_ms,
            distinctive_ms: defaults.distinctive_rings_ms,
        },
        caller_id: CallerIdScheme {
            method: table.caller_id.method.0,
            start: table.caller_id.start,
            stop: table.caller_id.stop,
        },
        pulse_mapping: table.pulse_mapping.into(),
        emergency_numbers: table.emergency_numbers,
    })
}

fn hook(table: &Table, defaults: &Defaults) -> HookWindows {
    HookWindows {
        debounce_ms: defaults.hook.debounce_ms,
        pulse_break_min_ms: defaults.hook.pulse_break_min_ms,
        pulse_break_max_ms: match table.flash.profile {
            FlashProfile::NorthAmerican => NORTH_AMERICAN_PULSE_BREAK_MAX_MS,
            FlashProfile::EuropeanShort | FlashProfile::EuropeanLong | FlashProfile::Mixed => {
                defaults.hook.pulse_break_max_ms
            }
        },
        interdigit_ms: defaults.hook.interdigit_ms,
        flash_min_ms: table.flash.min_ms,
        flash_max_ms: table.flash.max_ms,
        hang_up_ms: defaults
            .hook
            .hang_up_ms
            .max(table.flash.max_ms + HANG_UP_MARGIN_MS),
    }
}

/// What stands in for a tone that neither file has; the chain ends at tones that one of them must have.
const fn fall_back(tone: Tone) -> Option<Tone> {
    match tone {
        Tone::SecondDial | Tone::SpecialDial => Some(Tone::Dial),
        Tone::RecallDial => Some(Tone::SpecialDial),
        Tone::Congestion | Tone::Pay => Some(Tone::Busy),
        Tone::Unobtainable => Some(Tone::Sit),
        Tone::Intrusion => Some(Tone::CallWaiting),
        Tone::Dial
        | Tone::MessageWaitingDial
        | Tone::Ringback
        | Tone::Busy
        | Tone::Sit
        | Tone::CallWaiting
        | Tone::Confirmation
        | Tone::Rejection
        | Tone::Howler
        | Tone::Hold
        | Tone::Record => None,
    }
}

fn plan(table: &Table, defaults: &Defaults, tone: Tone) -> Result<TonePlan, ZoneError> {
    let mut wanted = tone;
    let found = loop {
        let name = ToneName(wanted);
        match table.tones.get(&name).or_else(|| defaults.tones.get(&name)) {
            Some(found) => break found,
            None => wanted = fall_back(wanted).ok_or(ZoneError::Missing(wanted.name()))?,
        }
    };
    let level_dbm0 = table.level_dbm0.unwrap_or(defaults.level_dbm0);
    let dial = table
        .tones
        .get(&ToneName(Tone::Dial))
        .and_then(|dial| dial.steps.first())
        .ok_or(ZoneError::Missing(Tone::Dial.name()))?;
    let steps = unrolled(found, &Sound { level_dbm0, dial }).ok_or(ZoneError::Step(tone.name()))?;
    TonePlan::new(&steps, found.repeats).ok_or(ZoneError::Step(tone.name()))
}

/// What a step's sound is relative to.
struct Sound<'a> {
    level_dbm0: f32,
    dial: &'a Step,
}

fn unrolled(tone: &ToneTable, sound: &Sound<'_>) -> Option<Vec<ToneStep>> {
    let mut steps = Vec::new();
    for step in &tone.steps {
        match step.times {
            None => steps.push(sounding(step, sound)?),
            Some(times) => {
                let group: Option<Vec<_>> = step.group.iter().map(|step| sounding(step, sound)).collect();
                let group = group?;
                for _ in 0..times {
                    steps.extend_from_slice(&group);
                }
            }
        }
    }
    Some(steps)
}

/// `None` for a step that is a group, has too many frequencies, or has those of the dial tone in the dial tone.
fn sounding(step: &Step, sound: &Sound<'_>) -> Option<ToneStep> {
    let (source, level_dbm0) = match step.hz.as_ref()? {
        Frequencies::Given(_) => (step, sound.level_dbm0),
        Frequencies::Of(_) => (sound.dial, sound.dial.level_dbm0.unwrap_or(sound.level_dbm0)),
    };
    let Some(Frequencies::Given(given)) = &source.hz else {
        return None;
    };
    let mut frequencies_hz = [0.0; FREQUENCIES_MAX];
    frequencies_hz.get_mut(..given.len())?.copy_from_slice(given);
    Some(ToneStep {
        frequencies_hz,
        level_dbm0: step.level_dbm0.unwrap_or(level_dbm0) + step.gain_db,
        modulation_hz: source.modulation_hz,
        modulation_depth: if source.modulation_hz > 0.0 {
            source.modulation_depth.unwrap_or(1.0)
        } else {
            0.0
        },
        on_ms: step.on_ms,
        off_ms: step.off_ms,
    })
}
