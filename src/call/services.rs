//! What a line offers beside plain calls: recall, call waiting, transfer, identity withheld.

/// What a register recall (flash, R key) does during a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlashStyle {
    /// Holds the far end; the next one takes it back. There is no second call.
    Hold,
    /// As in North America: dial tone for a second call, and from then on each one changes between the two.
    #[default]
    Switch,
    /// As in Europe (ETSI EN 300 001, TBR 37's recall): dial tone for a second call; with two calls a digit follows:
    /// 0 refuses the waiting caller or releases the held one, 1 releases the one talked to and turns to the other,
    /// 2 changes between them, 4 connects them.
    Digit,
    /// Nothing.
    Off,
}

/// Whose request to call somebody else (REFER) is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferralPolicy {
    /// Those that come from the account's own server, or, in a call without an account, from its peer: a stranger who
    /// may be called anyway can't make this telephone call a premium number.
    #[default]
    Server,
    /// Every peer's.
    Always,
    /// Nobody's.
    Never,
}

/// The services of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// What a recall does.
    pub flash: FlashStyle,
    /// Hanging up between two calls connects them (REFER with Replaces); otherwise the held one rings back.
    pub transfer_on_hang_up: bool,
    /// Dialled while a call is held, before a number: the held call is sent there (`*98`).
    pub blind_transfer_code: Option<String>,
    /// Dialled before a number: the called party doesn't see who calls (`*67`, `*31#`).
    pub withhold_number_code: Option<String>,
    /// A second caller is told of by a tone; otherwise the line is busy.
    pub call_waiting: bool,
    /// Callers who withhold their number are refused (433, RFC 5079).
    pub reject_anonymous: bool,
    /// Whose REFER is followed.
    pub accept_referrals: ReferralPolicy,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            flash: FlashStyle::default(),
            transfer_on_hang_up: true,
            blind_transfer_code: Some("*98".to_owned()),
            withhold_number_code: None,
            call_waiting: false,
            reject_anonymous: false,
            accept_referrals: ReferralPolicy::default(),
        }
    }
}
