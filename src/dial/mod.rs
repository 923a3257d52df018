//! Digits to a number to call.

/// A digit map (its owner's next commit replaces this file).
#[derive(Clone, Debug)]
pub struct DialPlan;
