//! What a line offers beside plain calls: as typed → checked.

use super::model::{FlashStyle, ReferralPolicy, Services};
use super::problem::Problems;
use super::section::{choice, section};
use super::value::FeatureCode;

section! {
    /// What the line offers beside plain calls.
    ServicesFile {
        /// What a hook flash (register recall) does in a call. hold: holds the far end, and takes it back. switch: dial
        /// tone for a second call, then changes between the two. digit: the same, and between two calls a digit
        /// follows (0 refuses or releases the other, 1 releases this one, 2 changes, 4 connects the two). off: nothing.
        flash: default FlashName = "switch";
        /// Whether hanging up between two calls connects them; false: the one on hold rings back.
        transfer_on_hang_up: default bool = "true";
        /// Dialled before a number while a call is on hold: the call is sent there. off: there is no such code.
        blind_transfer_code: default FeatureCode = "\"*98\"";
        /// Dialled before a number: the called party isn't shown who calls. off: there is no such code, and what
        /// is dialled goes to the server.
        withhold_number_code: default FeatureCode = "off";
        /// Whether a second caller is told of by a tone; false: the line is busy.
        call_waiting: default bool = "false";
        /// Whether callers who withhold their number are refused (433).
        reject_anonymous: default bool = "false";
        /// Whose wish that this telephone call somebody else (REFER) is followed: the account's server's (without an
        /// account, the far end's), always, or never.
        accept_referrals: default ReferralsName = "server";
    }
}

choice! {
    /// What a hook flash does in a call.
    FlashName {
        /// Hold and take back.
        Hold = "hold",
        /// A second call, and change between the two.
        Switch = "switch",
        /// The same with a digit.
        Digit = "digit",
        /// Nothing.
        Off = "off",
    }
}

choice! {
    /// Whose REFER is followed.
    ReferralsName {
        /// The account's server's.
        Server = "server",
        /// Everybody's.
        Always = "always",
        /// Nobody's.
        Never = "never",
    }
}

/// Complains of two codes of which one begins like the other.
pub(super) fn model(file: ServicesFile, problems: &mut Problems) -> Services {
    let code = |code: &FeatureCode| (code.0 != "off").then(|| code.0.clone());
    let blind_transfer_code = code(&file.blind_transfer_code.value);
    let withhold_number_code = code(&file.withhold_number_code.value);
    if let (Some(one), Some(other)) = (&blind_transfer_code, &withhold_number_code)
        && (one.starts_with(other.as_str()) || other.starts_with(one.as_str()))
    {
        let text =
            format!("`{other}` and `{one}` (blind_transfer_code) begin alike: one could never be dialled");
        problems.error(file.withhold_number_code.place, text);
    }
    Services {
        flash: match file.flash.value {
            FlashName::Hold => FlashStyle::Hold,
            FlashName::Switch => FlashStyle::Switch,
            FlashName::Digit => FlashStyle::Digit,
            FlashName::Off => FlashStyle::Off,
        },
        transfer_on_hang_up: file.transfer_on_hang_up.value,
        blind_transfer_code,
        withhold_number_code,
        call_waiting: file.call_waiting.value,
        reject_anonymous: file.reject_anonymous.value,
        accept_referrals: match file.accept_referrals.value {
            ReferralsName::Server => ReferralPolicy::Server,
            ReferralsName::Always => ReferralPolicy::Always,
            ReferralsName::Never => ReferralPolicy::Never,
        },
    }
}
