//! A GPIO chip of this machine: found by what the owner calls it, its lines by number or name.

use std::io;
use std::path::{Path, PathBuf};

use gpiocdev::chip::Chip;
use gpiocdev::line::Info;

use super::error::HardwareError;
use crate::config::model::GpioLine;

/// A chip that is there.
#[derive(Debug)]
pub(super) struct GpioChip {
    chip: Chip,
}

impl GpioChip {
    /// `wanted` is the path of a device, the name of a chip (`gpiochip0`) or its label (`pinctrl-bcm2711`).
    pub(super) fn find(wanted: &str) -> Result<Self, HardwareError> {
        if wanted.contains('/') {
            return Self::open(Path::new(wanted));
        }
        let named = Path::new("/dev").join(wanted);
        if named.exists() {
            return Self::open(&named);
        }
        let mut found = Vec::new();
        let mut refused = None;
        for path in gpiocdev::chip::chips().unwrap_or_default() {
            match Self::open(&path) {
                Ok(chip) => match chip.chip.info() {
                    Ok(info) if info.label == wanted => return Ok(chip),
                    Ok(info) => found.push(format!("{} ({})", info.name, info.label)),
                    Err(_) => found.push(path.display().to_string()),
                },
                Err(error) => refused = Some(error),
            }
        }
        // A chip that may not be looked at may be the one meant.
        Err(refused.unwrap_or_else(|| HardwareError::NoChip {
            wanted: wanted.to_owned(),
            found,
        }))
    }

    fn open(path: &Path) -> Result<Self, HardwareError> {
        match Chip::from_path(path) {
            Ok(chip) => Ok(Self { chip }),
            Err(gpiocdev::Error::Os(errno)) => {
                let error = io::Error::from_raw_os_error(errno.0);
                Err(match error.kind() {
                    io::ErrorKind::NotFound => HardwareError::NoChip {
                        wanted: path.display().to_string(),
                        found: gpiocdev::chip::chips()
                            .unwrap_or_default()
                            .iter()
                            .map(|chip| chip.display().to_string())
                            .collect(),
                    },
                    io::ErrorKind::PermissionDenied => HardwareError::Permission {
                        chip: path.to_owned(),
                    },
                    _ => HardwareError::Chip {
                        chip: path.to_owned(),
                        reason: error.to_string(),
                    },
                })
            }
            Err(error) => Err(HardwareError::Chip {
                chip: path.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    /// Its device.
    pub(super) fn path(&self) -> &Path {
        self.chip.path()
    }

    /// The number of a line that the chip has; `pin` is what it is wanted for.
    pub(super) fn offset(&self, line: &GpioLine, pin: &'static str) -> Result<u32, HardwareError> {
        let found = match line {
            GpioLine::Offset(offset) => self.info(*offset),
            GpioLine::Name(name) => self.chip.find_line_info(name),
        };
        found
            .map(|info| info.offset)
            .ok_or_else(|| HardwareError::NoLine {
                chip: self.path().to_owned(),
                line: match line {
                    GpioLine::Offset(offset) => offset.to_string(),
                    GpioLine::Name(name) => name.clone(),
                },
                pin,
            })
    }

    /// Why a line was refused: whoever has it, or else the system's `reason`.
    pub(super) fn refusal(&self, offset: u32, pin: &'static str, reason: String) -> HardwareError {
        let chip: PathBuf = self.path().to_owned();
        match self.info(offset) {
            Some(info) if info.used => HardwareError::InUse {
                chip,
                offset,
                pin,
                consumer: info.consumer,
            },
            _ => HardwareError::Line {
                chip,
                offset,
                pin,
                reason,
            },
        }
    }

    fn info(&self, offset: u32) -> Option<Info> {
        self.chip.line_info(offset).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_that_is_not_there_is_said_to_be_missing() {
        let error = GpioChip::find("gpiochip-of-nobody").unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("there is no GPIO chip gpiochip-of-nobody: "),
            "{text}"
        );
        let error = GpioChip::find("/dev/gpiochip-of-nobody").unwrap_err();
        assert!(matches!(error, HardwareError::NoChip { .. }), "{error}");
    }

    #[test]
    fn a_device_that_is_no_chip_is_refused_by_name() {
        let text = GpioChip::find("/dev/null").unwrap_err().to_string();
        assert!(
            text.starts_with("/dev/null: ") && text.ends_with("check gpiochip"),
            "{text}"
        );
    }
}
