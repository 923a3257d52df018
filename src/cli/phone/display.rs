//! The telephone's display: caller ID by FSK and by DTMF, decoded as a telephone does.

use crate::dsp::dtmf::{Detector, DtmfReport};
use crate::dsp::fsk::{Demodulator, FskEvent};
use crate::dsp::transmission::{MESSAGE_BYTES_MAX, Modem};
use crate::dsp::{FRAME, Key};
use crate::line::caller_id::message::{Message, parse};
use crate::line::caller_id::parse_key_train;
use crate::line::{Caller, Presentation};

/// What is heard besides tones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Who calls.
    Caller(Caller),
    /// The lamp.
    MessageWaiting(bool),
    /// A key heard from the far end, or of a caller-ID train.
    Digit(Key),
}

/// Both modems and the DTMF receiver.
#[derive(Debug)]
pub struct Display {
    modems: [(Demodulator, Vec<u8>); 2],
    detector: Detector,
    keys: Vec<Key>,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            modems: [Modem::V23, Modem::Bell202].map(|modem| (Demodulator::new(modem), Vec::new())),
            detector: Detector::new(),
            keys: Vec::new(),
        }
    }
}

impl Display {
    /// Hears a frame.
    pub fn hear(&mut self, frame: &[i16; FRAME], on_hook: bool, mut show: impl FnMut(Shown)) {
        let mut read = false;
        for (modem, bytes) in &mut self.modems {
            modem.process(frame, &mut |event| match event {
                FskEvent::Carrier => bytes.clear(),
                FskEvent::CarrierLost => {}
                FskEvent::Byte(byte) => {
                    if bytes.len() < MESSAGE_BYTES_MAX {
                        bytes.push(byte);
                    }
                    if let Ok(message) = parse(bytes) {
                        bytes.clear();
                        read = true;
                        show(match message {
                            Message::CallSetup(caller) => Shown::Caller(caller),
                            Message::MessageWaiting(waiting) => Shown::MessageWaiting(waiting),
                        });
                    }
                }
            });
            if read {
                break;
            }
        }
        if !on_hook {
            self.keys.clear();
        }
        let keys = &mut self.keys;
        self.detector.process(frame, &mut |report| {
            let DtmfReport::Down { key, .. } = report else {
                return;
            };
            show(Shown::Digit(key));
            if !on_hook {
                return;
            }
            keys.push(key);
            if matches!(key.as_char(), 'C' | '#') {
                if let Some(number) = parse_key_train(keys) {
                    show(Shown::Caller(Caller {
                        number,
                        ..Caller::default()
                    }));
                }
                keys.clear();
            }
        });
    }
}

/// `600 "Office" 11-23 07:30`.
pub fn caller_text(caller: &Caller) -> String {
    let field = |field: &Presentation| match field {
        Presentation::Given(text) => text.clone(),
        Presentation::Private => "private".to_owned(),
        Presentation::Unavailable => "unknown".to_owned(),
    };
    let mut text = field(&caller.number);
    if caller.name != Presentation::Unavailable {
        text.push_str(&format!(" {:?}", field(&caller.name)));
    }
    if let Some(redirecting) = &caller.redirecting {
        text.push_str(&format!(" by way of {redirecting}"));
    }
    if let Some(time) = caller.time {
        text.push_str(&format!(
            " {:02}-{:02} {:02}:{:02}",
            time.month, time.day, time.hour, time.minute
        ));
    }
    text
}
