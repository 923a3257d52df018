//! Call-progress tones as plans of steps: what to play, how long, how loud.
//!
//! A [`TonePlan`] is `Copy` and of fixed size, so that it crosses into the audio thread without allocation.

/// The tones an exchange plays (names as in ITU-T E.180 and national documents).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
#[allow(missing_docs, reason = "the names are the documentation: E.180's terms")]
pub enum Tone {
    Dial,
    SecondDial,
    SpecialDial,
    RecallDial,
    MessageWaitingDial,
    Ringback,
    Busy,
    Congestion,
    Unobtainable,
    Sit,
    CallWaiting,
    Confirmation,
    Rejection,
    Howler,
    Hold,
    Intrusion,
    Record,
    Pay,
}

impl Tone {
    /// How many there are.
    pub const COUNT: usize = 18;

    /// All of them, in the order of their indices.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Dial,
        Self::SecondDial,
        Self::SpecialDial,
        Self::RecallDial,
        Self::MessageWaitingDial,
        Self::Ringback,
        Self::Busy,
        Self::Congestion,
        Self::Unobtainable,
        Self::Sit,
        Self::CallWaiting,
        Self::Confirmation,
        Self::Rejection,
        Self::Howler,
        Self::Hold,
        Self::Intrusion,
        Self::Record,
        Self::Pay,
    ];

    /// The name used in YAML, on the command line and in events: `dial`, `second_dial`, ...
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::SecondDial => "second_dial",
            Self::SpecialDial => "special_dial",
            Self::RecallDial => "recall_dial",
            Self::MessageWaitingDial => "message_waiting_dial",
            Self::Ringback => "ringback",
            Self::Busy => "busy",
            Self::Congestion => "congestion",
            Self::Unobtainable => "unobtainable",
            Self::Sit => "sit",
            Self::CallWaiting => "call_waiting",
            Self::Confirmation => "confirmation",
            Self::Rejection => "rejection",
            Self::Howler => "howler",
            Self::Hold => "hold",
            Self::Intrusion => "intrusion",
            Self::Record => "record",
            Self::Pay => "pay",
        }
    }

    /// The tone of that [`Tone::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tone| tone.name() == name)
    }
}

/// Peak of a sine of 0 dBm0 in 16-bit samples (ITU-T G.711's digital milliwatt).
const PEAK_0_DBM0: f32 = 22_827.0;

/// Most frequencies sounding at once.
pub const FREQUENCIES_MAX: usize = 4;

/// Most steps in one plan, groups unrolled.
pub const STEPS_MAX: usize = 24;

/// One step of a plan: frequencies together, then silence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ToneStep {
    /// Frequencies; 0.0 in unused places. None used: silence of `on_ms`.
    pub frequencies_hz: [f32; FREQUENCIES_MAX],
    /// Level of each frequency.
    pub level_dbm0: f32,
    /// Amplitude modulation by this frequency; 0.0 for none.
    pub modulation_hz: f32,
    /// Depth of the modulation, 0 to 1.
    pub modulation_depth: f32,
    /// How long it sounds; `None`: for ever.
    pub on_ms: Option<u32>,
    /// Silence after it.
    pub off_ms: u32,
}

impl ToneStep {
    /// A step without sound or length.
    pub const SILENCE: Self = Self {
        frequencies_hz: [0.0; FREQUENCIES_MAX],
        level_dbm0: 0.0,
        modulation_hz: 0.0,
        modulation_depth: 0.0,
        on_ms: Some(0),
        off_ms: 0,
    };

    /// The frequencies that sound.
    pub fn sounding_hz(&self) -> impl Iterator<Item = f32> + '_ {
        self.frequencies_hz.into_iter().filter(|hz| *hz > 0.0)
    }

    /// The highest sample the step can reach: all its sines at their peaks together, modulation included, in
    /// units of a 16-bit sample.
    pub fn peak(&self) -> f32 {
        let one = PEAK_0_DBM0 * 10f32.powf(self.level_dbm0 / 20.0);
        one * self.sounding_hz().count() as f32 * (1.0 + self.modulation_depth)
    }
}

/// Steps played in order; then from the start again, or silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TonePlan {
    steps: [ToneStep; STEPS_MAX],
    length: u8,
    repeats: bool,
}

impl TonePlan {
    /// Nothing, for ever.
    pub const SILENCE: Self = Self {
        steps: [ToneStep::SILENCE; STEPS_MAX],
        length: 0,
        repeats: false,
    };

    /// `None` where there are more than [`STEPS_MAX`] steps. `repeats`: the list starts again after its end.
    pub fn new(steps: &[ToneStep], repeats: bool) -> Option<Self> {
        let mut stored = [ToneStep::default(); STEPS_MAX];
        stored.get_mut(..steps.len())?.copy_from_slice(steps);
        Some(Self {
            steps: stored,
            length: steps.len() as u8,
            repeats,
        })
    }

    /// The steps.
    pub fn steps(&self) -> &[ToneStep] {
        &self.steps[..usize::from(self.length)]
    }

    /// Whether the list starts again after its end.
    pub fn repeats(&self) -> bool {
        self.repeats
    }
}
