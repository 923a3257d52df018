//! What telephones are plugged into.

use super::build::narrow;
use super::interface_file::{GpioModuleFile, InterfaceFile, LevelName, ModuleName, SoundCardFile};
use super::model::{GpioLine, GpioModule, Interface, Level, ModuleKind, SoundCard};
use super::problem::{Place, Problems};
use super::section::Located;
use super::value::GpioLineText;

/// What no other line may use, in words, and where it is named.
pub(super) fn uses(file: &Located<InterfaceFile>) -> Vec<(Place, String)> {
    match &file.value {
        InterfaceFile::Virtual(file) => {
            let socket = file.socket.iter();
            let named =
                socket.map(|socket| (socket.place, format!("the socket `{}`", socket.value.0.display())));
            named.collect()
        }
        InterfaceFile::GpioModule(file) => {
            let chip = &file.gpiochip.value.0;
            let pins = [&file.shk_line, &file.rm_line, &file.fr_line, &file.pd_line];
            let mut used: Vec<_> = pins
                .into_iter()
                .flatten()
                .map(|pin| (pin.place, format!("GPIO line `{}` of `{chip}`", pin.value.0)))
                .collect();
            if let Some(SoundCardFile {
                card: Some(card),
                device,
                channel,
                ..
            }) = file.audio.as_ref().map(|audio| &audio.value)
            {
                let (device, channel) = (device.value.0, channel.value.0);
                let text = format!("channel {channel} of device {device} of card `{}`", card.value.0);
                used.push((card.place, text));
            }
            used
        }
    }
}

/// `None` where something is missing, which has been complained about.
pub(super) fn model(file: InterfaceFile, problems: &mut Problems) -> Option<Interface> {
    match file {
        InterfaceFile::Virtual(file) => Some(Interface::Virtual {
            socket: file.socket?.value.0,
        }),
        InterfaceFile::GpioModule(file) => gpio_module(*file, problems)
            .map(Box::new)
            .map(Interface::GpioModule),
    }
}

fn gpio_module(file: GpioModuleFile, problems: &mut Problems) -> Option<GpioModule> {
    let audio = file.audio?.value;
    if let Some(rate) = &audio.rate_hz
        && !rate.value.0.is_multiple_of(100)
    {
        problems.error(
            rate.place,
            "expected a rate that 10 ms are whole samples of, such as 8000, 44100 or 48000",
        );
    }
    Some(GpioModule {
        module: match file.module?.value {
            ModuleName::Ks0835f => ModuleKind::Ks0835f,
            ModuleName::Ag1171 => ModuleKind::Ag1171,
            ModuleName::Ag1170 => ModuleKind::Ag1170,
        },
        gpiochip: file.gpiochip.value.0,
        shk_line: gpio_line(file.shk_line?.value),
        rm_line: gpio_line(file.rm_line?.value),
        fr_line: gpio_line(file.fr_line?.value),
        pd_line: file.pd_line.map(|line| gpio_line(line.value)),
        off_hook_level: level(file.off_hook_level.value),
        forward_level: file.forward_level.map(|name| level(name.value)),
        ring_frequency_hz: file.ring_frequency_hz.map(|hz| narrow(hz.value.0)),
        audio: SoundCard {
            card: audio.card?.value.0,
            device: audio.device.value.0,
            channel: narrow(audio.channel.value.0),
            rate_hz: audio.rate_hz.map(|rate| rate.value.0),
            period_ms: narrow(audio.period_ms.value.0),
            periods: narrow(audio.periods.value.0),
        },
    })
}

fn gpio_line(text: GpioLineText) -> GpioLine {
    match text.0.parse() {
        Ok(offset) => GpioLine::Offset(offset),
        Err(_) => GpioLine::Name(text.0),
    }
}

fn level(name: LevelName) -> Level {
    match name {
        LevelName::High => Level::High,
        LevelName::Low => Level::Low,
    }
}
