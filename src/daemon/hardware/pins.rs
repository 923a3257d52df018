//! The pins of a module, taken from the kernel.
//!
//! Outputs are requested as plain active-high lines and handed to `linux-embedded-hal`: its pin undoes what the
//! kernel does for an active-low one. SHK comes through `gpiocdev`, since `linux-embedded-hal` knows no events.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin, PinState};
use gpiocdev::line::{EdgeDetection, EdgeKind, EventClock, Value};
use gpiocdev::request::Request;
use linux_embedded_hal::CdevPin;
use linux_embedded_hal::gpio_cdev::{Chip, LineRequestFlags, errors::Error as CdevError};
use tipring_hw::gpio_module::{Config, GpioModule, KernelOpenDrain, Kind, Pins, RingFrequency};

use super::clock::KernelClock;
use super::edges::{Edge, EdgeSource};
use super::error::HardwareError;
use super::gpio_chip::GpioChip;
use super::module::{ModuleSetup, OpenModule};
use crate::config::model::{GpioLine, Level, ModuleKind};

/// Edges that the kernel keeps until they are read; its own 16 are less than a worn contact makes.
const KERNEL_EDGES: u32 = 256;

/// Takes the pins and puts the module in its safe state.
pub(super) fn open(setup: &ModuleSetup, line: &str) -> Result<OpenModule, HardwareError> {
    let settings = &setup.settings;
    let chip = GpioChip::find(&settings.gpiochip)?;
    let mut config = Config::new(
        match settings.module {
            ModuleKind::Ks0835f => Kind::Ks0835f,
            ModuleKind::Ag1171 => Kind::Ag1171,
            ModuleKind::Ag1170 => Kind::Ag1170,
        },
        RingFrequency::from_hz(setup.ring_hz).unwrap_or(RingFrequency::HZ_25),
    );
    config.off_hook_level = pin_state(settings.off_hook_level);
    if let Some(level) = settings.forward_level {
        config.forward_level = pin_state(level);
    }
    let output = |wanted: &GpioLine, pin, level, drive| {
        OutputLine::request(&chip, wanted, pin, &format!("tipring {line} {pin}"), level, drive)
    };
    // RM first: nothing else matters while it could be high.
    let ring_mode = output(&settings.rm_line, "RM", PinState::Low, LineRequestFlags::empty())?;
    let forward_reverse = output(
        &settings.fr_line,
        "F/R",
        config.forward_level,
        LineRequestFlags::empty(),
    )?;
    let power_down = match &settings.pd_line {
        // Let go from the first moment: the line is open drain before it has a level.
        Some(wanted) => {
            let pin = output(wanted, "PD", PinState::High, LineRequestFlags::OPEN_DRAIN)?;
            Some(KernelOpenDrain::new(pin))
        }
        None => None,
    };
    let mut edges = KernelEdges::request(&chip, &settings.shk_line, "SHK", &format!("tipring {line} SHK"))?;
    let hook_detector = edges
        .level()
        .map_err(|error| chip.refusal(edges.offset, "SHK", error.to_string()))?;
    let pins = Pins {
        ring_mode,
        forward_reverse,
        power_down,
    };
    let slic = GpioModule::new(config, pins, Instant::now(), PinState::from(hook_detector))?;
    Ok(OpenModule {
        slic: Box::new(slic),
        edges: Box::new(edges),
    })
}

fn pin_state(level: Level) -> PinState {
    match level {
        Level::High => PinState::High,
        Level::Low => PinState::Low,
    }
}

/// An output to the module.
struct OutputLine(CdevPin);

impl OutputLine {
    fn request(
        chip: &GpioChip,
        wanted: &GpioLine,
        pin: &'static str,
        consumer: &str,
        level: PinState,
        drive: LineRequestFlags,
    ) -> Result<Self, HardwareError> {
        let offset = chip.offset(wanted, pin)?;
        let first = u8::from(bool::from(level));
        let requested = Chip::new(chip.path()).and_then(|mut device| {
            let handle =
                device
                    .get_line(offset)?
                    .request(LineRequestFlags::OUTPUT | drive, first, consumer)?;
            CdevPin::new(handle)
        });
        requested
            .map(Self)
            .map_err(|error| chip.refusal(offset, pin, words(&error)))
    }
}

impl ErrorType for OutputLine {
    type Error = OutputError;
}

impl OutputPin for OutputLine {
    fn set_low(&mut self) -> Result<(), OutputError> {
        self.0
            .set_low()
            .map_err(|error| OutputError(words(error.inner())))
    }

    fn set_high(&mut self) -> Result<(), OutputError> {
        self.0
            .set_high()
            .map_err(|error| OutputError(words(error.inner())))
    }
}

/// The system's words about a pin. A driver knows its pin's error by `Debug` only, and a person has to read it.
struct OutputError(String);

impl fmt::Debug for OutputError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl embedded_hal::digital::Error for OutputError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

fn words(error: &CdevError) -> String {
    error.to_string()
}

/// The hook detector by the kernel's edge events.
#[derive(Debug)]
struct KernelEdges {
    request: Request,
    offset: u32,
    clock: KernelClock,
}

impl KernelEdges {
    fn request(
        chip: &GpioChip,
        wanted: &GpioLine,
        pin: &'static str,
        consumer: &str,
    ) -> Result<Self, HardwareError> {
        let offset = chip.offset(wanted, pin)?;
        let request = Request::builder()
            .on_chip(chip.path())
            .with_consumer(consumer)
            .with_kernel_event_buffer_size(KERNEL_EDGES)
            .with_line(offset)
            .as_input()
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_event_clock(EventClock::Monotonic)
            .request()
            .map_err(|error| {
                let advice = "the line must be one that can interrupt, the kernel 5.10 or later";
                chip.refusal(offset, pin, format!("{error}; {advice}"))
            })?;
        let clock = KernelClock::now().map_err(|error| chip.refusal(offset, pin, error.to_string()))?;
        Ok(Self {
            request,
            offset,
            clock,
        })
    }
}

impl EdgeSource for KernelEdges {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }

    fn next_edge(&mut self) -> io::Result<Option<Edge>> {
        if !self.request.has_edge_event().map_err(io::Error::other)? {
            return Ok(None);
        }
        let event = self.request.read_edge_event().map_err(io::Error::other)?;
        Ok(Some(Edge {
            at: self.clock.instant(event.timestamp_ns),
            level: match event.kind {
                EdgeKind::Rising => true,
                EdgeKind::Falling => false,
            },
        }))
    }

    fn level(&mut self) -> io::Result<bool> {
        let value = self.request.value(self.offset).map_err(io::Error::other)?;
        Ok(value == Value::Active)
    }
}
