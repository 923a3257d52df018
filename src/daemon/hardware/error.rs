//! What can be wrong with line hardware.

use std::path::PathBuf;

use tipring_hw::SlicError;

/// Why a line's hardware cannot be used. Every text says which part, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardwareError {
    /// Compiled without.
    #[error("this build has no GPIO support: build it with the feature `gpio`")]
    NotBuilt,
    /// No chip of that name, label or path.
    #[error("there is no GPIO chip {wanted}: {}", found_chips(.found))]
    NoChip {
        /// What the configuration says.
        wanted: String,
        /// Those there are, with their labels.
        found: Vec<String>,
    },
    /// The chip may not be opened.
    #[error("{}: permission denied; the daemon's user must be in the group of that device (`gpio`)", .chip.display())]
    Permission {
        /// The device.
        chip: PathBuf,
    },
    /// The chip cannot be opened for another reason.
    #[error("{}: {reason}; check gpiochip", .chip.display())]
    Chip {
        /// The device.
        chip: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The chip has no such line.
    #[error("{} has no line {line} for {pin}; `gpioinfo` lists those it has", .chip.display())]
    NoLine {
        /// The device.
        chip: PathBuf,
        /// Number or name.
        line: String,
        /// The module's pin.
        pin: &'static str,
    },
    /// Somebody else has the line.
    #[error("{} line {offset} ({pin}): in use by \"{consumer}\"; stop that, or choose another line", .chip.display())]
    InUse {
        /// The device.
        chip: PathBuf,
        /// Number of the line.
        offset: u32,
        /// The module's pin.
        pin: &'static str,
        /// What its user calls itself.
        consumer: String,
    },
    /// The kernel refuses the line.
    #[error("{} line {offset} ({pin}): {reason}", .chip.display())]
    Line {
        /// The device.
        chip: PathBuf,
        /// Number of the line.
        offset: u32,
        /// The module's pin.
        pin: &'static str,
        /// What is wrong, and where known what to do.
        reason: String,
    },
    /// The module cannot be brought to its safe state.
    #[error("the module's pins cannot be set: {0}")]
    Module(#[from] SlicError),
    /// No thread, no descriptor.
    #[error("the line's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

fn found_chips(found: &[String]) -> String {
    if found.is_empty() {
        "this machine has none, or its kernel no /dev/gpiochip*".to_owned()
    } else {
        format!("set gpiochip to one of {}", found.join(", "))
    }
}
