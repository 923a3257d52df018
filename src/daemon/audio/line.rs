//! One line in the audio thread: its hardware's samples on one side, its session's packets on the other, and the
//! voice path between them.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use tipring_hw::virtual_line::{Message, VirtualLine};
use tipring_hw::{Slic, SlicEvent};

use super::sockets::SessionSockets;
use super::telephone::{Telephone, Unplugged};
use super::{LineId, Report};
use crate::dsp::FRAME;
use crate::line::SlicAction;
use crate::media::{TransmitKind, VoiceCommand, VoicePath};

/// A line, made outside the audio thread and handed to it whole.
pub struct AudioLine {
    id: LineId,
    voice: VoicePath,
    virtual_line: VirtualLine,
    telephone: Option<Telephone>,
    pub(super) sockets: Option<SessionSockets>,
}

impl fmt::Debug for AudioLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AudioLine").field(&self.id).finish()
    }
}

impl AudioLine {
    /// A virtual line with no telephone on it.
    pub fn virtual_line(id: LineId, voice: VoicePath) -> Self {
        Self {
            id,
            voice,
            virtual_line: VirtualLine::new(),
            telephone: None,
            sockets: None,
        }
    }

    /// Which.
    pub fn id(&self) -> LineId {
        self.id
    }

    pub(super) fn telephone(&self) -> Option<&Telephone> {
        self.telephone.as_ref()
    }

    /// Takes a telephone on; gives the connection back where there is one already.
    pub(super) fn plug(
        &mut self,
        now: Instant,
        stream: UnixStream,
        reports: &mut dyn FnMut(Report),
    ) -> Result<(), UnixStream> {
        // The one before may have hung up in the same moment.
        if self.telephone.is_some() {
            return Err(stream);
        }
        self.telephone = Some(Telephone::new(stream));
        self.virtual_line.connect();
        reports(Report::Plugged(self.id));
        // A telephone that is gone again already is noticed at the next tick.
        let _ = self.tell_telephone(now);
        Ok(())
    }

    /// What 10 ms bring: a frame to the telephone, silence where it owes one, packets.
    pub(super) fn tick(&mut self, now: Instant, reports: &mut dyn FnMut(Report)) -> Result<(), Unplugged> {
        if let Some(sockets) = &mut self.sockets {
            sockets.refill();
        }
        if let Some(telephone) = &mut self.telephone {
            telephone.refill();
            while telephone.answer_is_overdue(now) {
                self.voice.capture(now, &[0; FRAME]);
            }
        }
        let mut frame = [0; FRAME];
        self.voice.playback(now, &mut frame);
        let answer_follows = match &mut self.telephone {
            Some(telephone) => telephone.send_audio(now, &Message::Audio(frame)),
            None => Ok(false),
        };
        if answer_follows != Ok(true) {
            self.voice.capture(now, &[0; FRAME]);
        }
        // Edges whose time had not come; the driver knows no failure here.
        let _ = self.virtual_line.handle_timeout(now);
        self.after_work(now, reports);
        answer_follows.map(|_| ())
    }

    /// The telephone has said something.
    pub(super) fn hear_telephone(
        &mut self,
        now: Instant,
        reports: &mut dyn FnMut(Report),
    ) -> Result<(), Unplugged> {
        let Some(telephone) = &mut self.telephone else {
            return Ok(());
        };
        let (voice, virtual_line) = (&mut self.voice, &mut self.virtual_line);
        let heard = telephone.receive(|message| match &message {
            Message::Audio(frame) => voice.capture(now, frame),
            _ => virtual_line.handle_message(now, &message),
        });
        self.after_work(now, reports);
        heard
    }

    /// The telephone is gone: the loop opens.
    pub(super) fn unplug(&mut self, now: Instant, reports: &mut dyn FnMut(Report)) -> Option<UnixStream> {
        let telephone = self.telephone.take()?;
        self.virtual_line.disconnect(now);
        self.after_work(now, reports);
        Some(telephone.into_stream())
    }

    /// Packets have arrived.
    pub(super) fn hear_network(&mut self, now: Instant, kind: TransmitKind, reports: &mut dyn FnMut(Report)) {
        if let Some(sockets) = &mut self.sockets {
            while let Some((from, bytes)) = sockets.receive(kind) {
                match kind {
                    TransmitKind::Rtp => self.voice.handle_rtp(now, from, bytes),
                    TransmitKind::Rtcp => self.voice.handle_rtcp(now, from, bytes),
                }
            }
        }
        self.after_work(now, reports);
    }

    /// For the voice path.
    pub(super) fn command(&mut self, now: Instant, command: VoiceCommand, reports: &mut dyn FnMut(Report)) {
        self.voice.handle_command(now, command);
        self.after_work(now, reports);
    }

    /// For the hardware.
    pub(super) fn act(&mut self, now: Instant, action: SlicAction) -> Result<(), Unplugged> {
        // A virtual line can do everything; its driver never fails.
        let _ = apply(&mut self.virtual_line, now, action);
        self.tell_telephone(now)
    }

    /// Ringing off, battery normal; the telephone is told.
    pub(super) fn make_safe(&mut self, now: Instant) {
        let _ = self.virtual_line.make_safe();
        let _ = self.tell_telephone(now);
    }

    fn tell_telephone(&mut self, now: Instant) -> Result<(), Unplugged> {
        while let Some(message) = self.virtual_line.poll_message() {
            if let Some(telephone) = &mut self.telephone {
                telephone.send_signal(now, &message)?;
            }
        }
        Ok(())
    }

    /// Sends what is to be sent and reports what is to be reported.
    fn after_work(&mut self, _now: Instant, reports: &mut dyn FnMut(Report)) {
        while let Some(packet) = self.voice.poll_transmit() {
            if let Some(sockets) = &self.sockets {
                sockets.send(packet.kind, packet.to, packet.bytes);
            }
        }
        while let Some(event) = self.voice.poll_event() {
            reports(Report::Voice { line: self.id, event });
        }
        while let Some(SlicEvent::Hook { closed, at }) = self.virtual_line.poll_event() {
            reports(Report::Hook {
                line: self.id,
                closed,
                at,
            });
        }
    }
}

/// Has the hardware do what the line wants.
fn apply(slic: &mut dyn Slic, now: Instant, action: SlicAction) -> Result<(), tipring_hw::SlicError> {
    match action {
        SlicAction::Ring(on) => slic.set_ringing(now, on),
        SlicAction::Reverse(reversed) => slic.set_reversed(now, reversed),
        SlicAction::Feed(fed) => slic.set_feed(now, fed),
        SlicAction::OnHookTransmission(open) => slic.set_on_hook_transmission(now, open),
    }
}
