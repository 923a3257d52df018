//! A country's table as its file has it. The notation is described in `defaults.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{CallerIdMethod, Law, PulseMapping, RingPattern, Tone};

/// One file of `countries/`.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "where facts come from is for readers and for the tests")
)]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub code: String,
    pub name: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub law: LawName,
    pub impedance: String,
    pub level_dbm0: Option<f32>,
    pub tones: BTreeMap<ToneName, ToneTable>,
    pub ring: RingTable,
    pub flash: FlashTable,
    pub caller_id: CallerIdTable,
    #[serde(default)]
    pub pulse_mapping: PulseMappingName,
    pub emergency_numbers: Vec<String>,
    pub sources: Sources,
    pub confidence: Confidence,
    #[serde(default)]
    pub notes: Vec<String>,
}

/// `defaults.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    pub level_dbm0: f32,
    pub tones: BTreeMap<ToneName, ToneTable>,
    pub distinctive_rings_ms: [Vec<u32>; RingPattern::COUNT - 1],
    pub hook: HookTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToneTable {
    #[serde(default = "yes")]
    pub repeats: bool,
    pub steps: Vec<Step>,
}

const fn yes() -> bool {
    true
}

/// A sounding step, or a group of them: `group` with `times`, else `hz` with the rest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    #[serde(default)]
    pub hz: Option<Frequencies>,
    #[serde(default)]
    pub modulation_hz: f32,
    #[serde(default)]
    pub modulation_depth: Option<f32>,
    #[serde(default)]
    pub on_ms: Option<u32>,
    #[serde(default)]
    pub off_ms: u32,
    #[serde(default)]
    pub level_dbm0: Option<f32>,
    #[serde(default)]
    pub gain_db: f32,
    #[serde(default)]
    pub times: Option<u8>,
    #[serde(default)]
    pub group: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Frequencies {
    Given(Vec<f32>),
    Of(DialName),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DialName {
    Dial,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RingTable {
    pub frequency_hz: f32,
    pub cadence_ms: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FlashTable {
    pub min_ms: u32,
    pub max_ms: u32,
    pub profile: FlashProfile,
}

/// The family of recall signals a country's telephones send.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum FlashProfile {
    NorthAmerican,
    EuropeanShort,
    EuropeanLong,
    Mixed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerIdTable {
    pub method: MethodName,
    #[serde(default)]
    pub start: Option<char>,
    #[serde(default)]
    pub stop: Option<char>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookTable {
    pub debounce_ms: u32,
    pub pulse_break_min_ms: u32,
    pub pulse_break_max_ms: u32,
    pub interdigit_ms: u32,
    pub hang_up_ms: u32,
}

#[cfg_attr(not(test), expect(dead_code, reason = "read by the tests"))]
/// Where each class of facts comes from; the legend is in `defaults.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sources {
    pub tones: Vec<String>,
    pub ring: Vec<String>,
    pub flash: Vec<String>,
    pub caller_id: Vec<String>,
    pub emergency_numbers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Confidence {
    High,
    Medium,
    Low,
}

/// A [`Tone`] by its name.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ToneName(pub Tone);

impl TryFrom<String> for ToneName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Tone::from_name(&name)
            .map(Self)
            .ok_or(format!("no tone is called `{name}`"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LawName {
    Pcma,
    Pcmu,
}

impl From<LawName> for Law {
    fn from(name: LawName) -> Self {
        match name {
            LawName::Pcma => Self::A,
            LawName::Pcmu => Self::Mu,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PulseMappingName {
    #[default]
    General,
    Swedish,
    NewZealand,
}

impl From<PulseMappingName> for PulseMapping {
    fn from(name: PulseMappingName) -> Self {
        match name {
            PulseMappingName::General => Self::General,
            PulseMappingName::Swedish => Self::Swedish,
            PulseMappingName::NewZealand => Self::NewZealand,
        }
    }
}

/// A [`CallerIdMethod`] by its name.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct MethodName(pub CallerIdMethod);

impl TryFrom<String> for MethodName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        CallerIdMethod::from_name(&name)
            .map(Self)
            .ok_or(format!("no caller-ID method is called `{name}`"))
    }
}
