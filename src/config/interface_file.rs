//! What a telephone is plugged into, as it is typed: one section a driver.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::address::SocketPath;
use super::problem::Problems;
use super::section::{Value, choice, section};
use super::tree::{Content, Node};
use super::value::{GpioLineText, Text, Whole, one_of};

section! {
    /// A telephone in software.
    VirtualFile {
        /// virtual: a telephone that connects to a socket (`tipring phone`).
        driver: required VirtualDriver;
        /// Path of the Unix socket that the telephone connects to.
        socket: required SocketPath;
    }
}

choice! {
    /// A driver.
    VirtualDriver {
        /// A telephone in software.
        Virtual = "virtual",
    }
}

section! {
    /// A SLIC module on GPIO pins (KS0835F, Ag1171, Ag1170), its audio by a sound card.
    GpioModuleFile {
        /// gpio_module: a SLIC module on GPIO pins.
        driver: required GpioModuleDriver;
        /// Which module.
        module: required ModuleName;
        /// GPIO chip: its name (gpiochip0), its label, or the path of its device.
        gpiochip: default Text = "gpiochip0";
        /// Input SHK (hook): number or name of its line.
        shk_line: required GpioLineText;
        /// Output RM (ringing supply): number or name of its line.
        rm_line: required GpioLineText;
        /// Output F/R (polarity): number or name of its line.
        fr_line: required GpioLineText;
        /// Output PD (power down), open drain: number or name of its line. Default: not wired.
        pd_line: optional GpioLineText;
        /// Level of SHK that means off hook.
        off_hook_level: default LevelName = "high";
        /// Level of F/R that is forward battery, and that it keeps outside ringing. Default: the data sheet's.
        forward_level: optional LevelName;
        /// Frequency of the ringing voltage, Hz. Default: the country's.
        ring_frequency_hz: optional Whole<15, 50>;
        /// The sound card that the module's audio is wired to.
        audio: required SoundCardFile;
    }
}

choice! {
    /// A driver.
    GpioModuleDriver {
        /// A SLIC module on GPIO pins.
        GpioModule = "gpio_module",
    }
}

choice! {
    /// A module.
    ModuleName {
        /// Shenzhen Ring&tone KS0835F.
        Ks0835f = "ks0835f",
        /// Silvertel Ag1171.
        Ag1171 = "ag1171",
        /// Silvertel Ag1170.
        Ag1170 = "ag1170",
    }
}

choice! {
    /// A logic level.
    LevelName {
        /// High.
        High = "high",
        /// Low.
        Low = "low",
    }
}

section! {
    /// A sound card.
    SoundCardFile {
        /// ALSA name of the card, as in brackets in /proc/asound/cards; or a whole PCM name with its `:`.
        card: required Text;
        /// PCM device on the card.
        device: default Whole<0, 31> = "0";
        /// Channel that the line is wired to, counted from 0.
        channel: default Whole<0, 31> = "0";
        /// Sample rate, Hz. Default: 8000 where the hardware has it, else 48000.
        rate_hz: optional Whole<8000, 192000>;
        /// One period of the hardware, ms.
        period_ms: default Whole<2, 40> = "10";
        /// Periods in the hardware's buffer.
        periods: default Whole<2, 16> = "3";
    }
}

/// What a telephone is plugged into: its `driver` says which keys follow.
#[derive(Clone, Debug)]
pub(super) enum InterfaceFile {
    Virtual(VirtualFile),
    GpioModule(Box<GpioModuleFile>),
}

#[derive(Clone, Copy)]
enum Driver {
    Virtual,
    GpioModule,
}

impl Value for InterfaceFile {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Content::Map(entries) = &node.content else {
            if !matches!(node.content, Content::Broken) {
                problems.error(
                    node.place,
                    format!("expected a section with keys, found {}", node.kind()),
                );
            }
            return None;
        };
        let Some((_, driver)) = entries.iter().find(|(key, _)| key.text == "driver") else {
            problems.error(node.place, "`driver` is missing: `virtual` or `gpio_module`");
            return None;
        };
        let drivers = [("virtual", Driver::Virtual), ("gpio_module", Driver::GpioModule)];
        match one_of(driver, &drivers, problems)? {
            Driver::Virtual => {
                let file = VirtualFile::read(node, problems)?;
                file.driver.is_some().then_some(Self::Virtual(file))
            }
            Driver::GpioModule => {
                let file = GpioModuleFile::read(node, problems)?;
                file.driver.is_some().then(|| Self::GpioModule(Box::new(file)))
            }
        }
    }
}

impl JsonSchema for InterfaceFile {
    fn schema_name() -> Cow<'static, str> {
        "InterfaceFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "oneOf": [
                generator.subschema_for::<VirtualFile>(),
                generator.subschema_for::<GpioModuleFile>(),
            ]
        })
    }
}
