//! Distinctive ringing: rings that tell calls apart, by the names that GR-506 and the makers of adapters gave them.

/// One of the rings that are told apart by ear; the first is the country's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPattern(u8);

impl RingPattern {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// The pattern of that number, 1 to [`Self::COUNT`].
    pub fn new(number: u8) -> Option<Self> {
        (1..=Self::COUNT)
            .contains(&usize::from(number))
            .then_some(Self(number))
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}
