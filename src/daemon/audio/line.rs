//! One line in the audio thread: its hardware's samples on one side, its session's packets on the other, and the
//! voice path between them.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use tipring_hw::virtual_line::{Message, VirtualLine};
use tipring_hw::{Slic, SlicEvent};

use super::sockets::{Datagram, SessionSockets};
use super::sound_card::{CardEnd, CardFault, OpenCard};
use super::telephone::{Telephone, Unplugged};
use super::thread::TICK;
use super::{LineId, Report, StrayDatagram};
use crate::daemon::hardware;
use crate::dsp::FRAME;
use crate::gateway::SessionId;
use crate::line::SlicAction;
use crate::media::{TransmitKind, VoiceCommand, VoicePath};

/// How much sooner a tick comes while a line without a call goes back to the others' grid.
const BACK_TO_GRID: Duration = Duration::from_micros(50);

/// A line, made outside the audio thread and handed to it whole.
pub struct AudioLine {
    id: LineId,
    voice: VoicePath,
    source: Source,
    pub(super) sockets: Option<SessionSockets>,
    /// Those of a call on hold or waiting.
    pub(super) parked_sockets: Option<SessionSockets>,
    /// When its next 10 ms begin.
    pub(super) due: Instant,
}

/// Where a line's samples come from and go to.
#[expect(clippy::large_enum_variant, reason = "a line is boxed as a whole")]
enum Source {
    /// Messages on a Unix socket; hook and ringing go the same way.
    Virtual {
        line: VirtualLine,
        telephone: Option<Telephone>,
    },
    /// A sound card; hook and ringing are elsewhere.
    Card {
        end: CardEnd,
        /// It has given sound.
        sounding: bool,
    },
}

/// What a line can lose in the middle of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Telephone(Unplugged),
    Card(CardFault),
}

impl From<Unplugged> for Loss {
    fn from(reason: Unplugged) -> Self {
        Self::Telephone(reason)
    }
}

impl From<CardFault> for Loss {
    fn from(reason: CardFault) -> Self {
        Self::Card(reason)
    }
}

impl fmt::Debug for AudioLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AudioLine").field(&self.id).finish()
    }
}

impl AudioLine {
    /// A virtual line with no telephone on it.
    pub fn virtual_line(id: LineId, mut voice: VoicePath) -> Self {
        // The telephone takes a frame whenever one comes.
        voice.move_turns();
        Self::new(
            id,
            voice,
            Source::Virtual {
                line: VirtualLine::new(),
                telephone: None,
            },
        )
    }

    /// A line whose audio goes through a sound card. Its hook and its ringing are elsewhere.
    pub fn with_sound_card(id: LineId, voice: VoicePath, card: OpenCard) -> Self {
        Self::new(
            id,
            voice,
            Source::Card {
                end: CardEnd::new(card),
                sounding: false,
            },
        )
    }

    fn new(id: LineId, voice: VoicePath, source: Source) -> Self {
        Self {
            id,
            voice,
            source,
            sockets: None,
            parked_sockets: None,
            due: Instant::now(),
        }
    }

    /// Which.
    pub fn id(&self) -> LineId {
        self.id
    }

    pub(super) fn telephone(&self) -> Option<&Telephone> {
        match &self.source {
            Source::Virtual { telephone, .. } => telephone.as_ref(),
            Source::Card { .. } => None,
        }
    }

    /// The telephone, where what it says next is to be heard at once; otherwise the next tick hears it.
    pub(super) fn awaited_telephone(&self) -> Option<BorrowedFd<'_>> {
        let telephone = self.telephone()?;
        let can_wait = telephone.owes_answer() && self.voice.answer_can_wait();
        (!can_wait && !telephone.may_have_more()).then(|| telephone.descriptor())
    }

    /// Takes a telephone on; gives the connection back where there is one already, or none can be.
    pub(super) fn plug(
        &mut self,
        now: Instant,
        stream: UnixStream,
        reports: &mut dyn FnMut(Report),
    ) -> Result<(), UnixStream> {
        let Source::Virtual { line, telephone } = &mut self.source else {
            return Err(stream);
        };
        // The one before may have hung up in the same moment.
        if telephone.is_some() {
            return Err(stream);
        }
        *telephone = Some(Telephone::new(stream));
        line.connect();
        reports(Report::Plugged(self.id));
        // A telephone that is gone again already is noticed at the next tick.
        let _ = self.tell_telephone(now);
        Ok(())
    }

    /// What 10 ms bring: packets, the telephone's last answer where it could wait, a frame to the telephone, silence
    /// where an answer is overdue. `grid`: a moment from which the ticks of lines without a call are counted.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        grid: Instant,
        reports: &mut dyn FnMut(Report),
    ) -> Result<(), Loss> {
        self.serve_parked(now);
        let result = match &mut self.source {
            Source::Virtual { line, telephone } => {
                while let Some(datagram) = receive(self.sockets.as_mut(), TransmitKind::Rtp) {
                    self.voice
                        .handle_rtp(arrival(now, &datagram), datagram.from, datagram.bytes);
                }
                let mut heard = Ok(());
                if let Some(telephone) = telephone {
                    // What a flood left unread is read by the new tick's allowance: nothing will signal it again.
                    let waiting = telephone.owes_answer() || telephone.may_have_more();
                    telephone.refill();
                    if waiting {
                        heard = hear(now, line, &mut self.voice, telephone);
                    }
                }
                let ticked = tick_telephone(now, &mut self.voice, telephone.as_mut());
                // Edges whose time had not come; the driver knows no failure here.
                let _ = line.handle_timeout(now);
                heard.and(ticked).map_err(Loss::from)
            }
            Source::Card { .. } => {
                let result = self.serve_card(now, reports);
                if let Source::Card { end, .. } = &mut self.source {
                    end.tick(now, &mut self.voice);
                }
                result
            }
        };
        let sooner = match &self.source {
            Source::Virtual { .. } if self.voice.has_session() => self.voice.turn_sooner_by(),
            // Lines that tick together wake the thread once for all.
            Source::Virtual { .. } => off_grid(grid, self.due).min(BACK_TO_GRID),
            Source::Card { .. } => Duration::ZERO,
        };
        self.due += TICK - sooner;
        self.after_work(now, reports);
        result
    }

    /// The telephone has said something.
    pub(super) fn hear_telephone(
        &mut self,
        now: Instant,
        reports: &mut dyn FnMut(Report),
    ) -> Result<(), Loss> {
        let Source::Virtual {
            line,
            telephone: Some(telephone),
        } = &mut self.source
        else {
            return Ok(());
        };
        let heard = hear(now, line, &mut self.voice, telephone);
        self.after_work(now, reports);
        heard.map_err(Loss::from)
    }

    /// The telephone is gone: the loop opens.
    pub(super) fn unplug(&mut self, now: Instant, reports: &mut dyn FnMut(Report)) -> Option<UnixStream> {
        let Source::Virtual { line, telephone } = &mut self.source else {
            return None;
        };
        let telephone = telephone.take()?;
        line.disconnect(now);
        self.after_work(now, reports);
        Some(telephone.into_stream())
    }

    /// The sound card, to be waited for.
    pub(super) fn card(&self) -> Option<&OpenCard> {
        match &self.source {
            Source::Virtual { .. } => None,
            Source::Card { end, .. } => end.card(),
        }
    }

    /// Lets the sound card's streams run.
    pub(super) fn start_card(&mut self, now: Instant) {
        if let Source::Card { end, .. } = &mut self.source {
            end.start(now);
        }
    }

    /// The sound card may have captured something.
    pub(super) fn serve_card(&mut self, now: Instant, reports: &mut dyn FnMut(Report)) -> Result<(), Loss> {
        let Source::Card { end, sounding } = &mut self.source else {
            return Ok(());
        };
        let served = end.serve(now, &mut self.voice);
        let count = end.take_xruns();
        if count > 0 {
            reports(Report::Xrun { line: self.id, count });
        }
        if served.is_ok_and(|served| served.frames > 0) && !std::mem::replace(sounding, true) {
            reports(Report::CardStarted(self.id));
        }
        self.after_work(now, reports);
        served.map(|_| ()).map_err(Loss::from)
    }

    /// Gives the sound card away.
    pub(super) fn release_card(&mut self) -> Option<Box<OpenCard>> {
        match &mut self.source {
            Source::Virtual { .. } => None,
            Source::Card { end, .. } => end.release(),
        }
    }

    /// Packets have arrived.
    pub(super) fn hear_network(&mut self, now: Instant, kind: TransmitKind, reports: &mut dyn FnMut(Report)) {
        // One: the socket says by itself that there are more.
        if let Some(datagram) = receive(self.sockets.as_mut(), kind) {
            let arrived = arrival(now, &datagram);
            match kind {
                TransmitKind::Rtp => self.voice.handle_rtp(arrived, datagram.from, datagram.bytes),
                TransmitKind::Rtcp => self.voice.handle_rtcp(arrived, datagram.from, datagram.bytes),
            }
        }
        self.after_work(now, reports);
    }

    /// A session's sockets, heard or parked.
    pub(super) fn sockets_of(&mut self, session: SessionId) -> Option<&mut SessionSockets> {
        let both = self.sockets.iter_mut().chain(&mut self.parked_sockets);
        both.into_iter().find(|sockets| sockets.session == session)
    }

    /// What has come to the sessions' sockets and isn't media.
    pub(super) fn take_stray(&mut self) -> Option<StrayDatagram> {
        let running = self.sockets.as_mut().and_then(SessionSockets::take_stray);
        running.or_else(|| self.parked_sockets.as_mut()?.take_stray())
    }

    /// What a call on hold or waiting is sent: its RTCP counts, its RTP is nobody's to hear. These sockets aren't waited
    /// for: a tick's delay is nothing to them.
    fn serve_parked(&mut self, now: Instant) {
        let Some(sockets) = &mut self.parked_sockets else {
            return;
        };
        sockets.refill();
        while let Some(datagram) = sockets.receive(TransmitKind::Rtcp) {
            let arrived = arrival(now, &datagram);
            self.voice
                .handle_parked_rtcp(arrived, datagram.from, datagram.bytes);
        }
        while sockets.receive(TransmitKind::Rtp).is_some() {}
    }

    /// For the voice path.
    pub(super) fn command(&mut self, now: Instant, command: VoiceCommand, reports: &mut dyn FnMut(Report)) {
        let swaps = command == VoiceCommand::SwapSessions;
        self.voice.handle_command(now, command);
        if swaps {
            std::mem::swap(&mut self.sockets, &mut self.parked_sockets);
        }
        self.after_work(now, reports);
    }

    /// For the hardware.
    pub(super) fn act(&mut self, now: Instant, action: SlicAction) -> Result<(), Loss> {
        if let Source::Virtual { line, .. } = &mut self.source {
            // A virtual line can do everything; its driver never fails.
            let _ = hardware::act(line, now, action);
        }
        self.tell_telephone(now)
    }

    /// Ringing off, battery normal; the telephone is told.
    pub(super) fn make_safe(&mut self, now: Instant) {
        if let Source::Virtual { line, .. } = &mut self.source {
            let _ = line.make_safe();
        }
        let _ = self.tell_telephone(now);
    }

    fn tell_telephone(&mut self, now: Instant) -> Result<(), Loss> {
        if let Source::Virtual { line, telephone } = &mut self.source {
            while let Some(message) = line.poll_message() {
                if let Some(telephone) = telephone {
                    telephone.send_signal(now, &message)?;
                }
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
        while let Some(packet) = self.voice.poll_parked_transmit() {
            if let Some(sockets) = &self.parked_sockets {
                sockets.send(packet.kind, packet.to, packet.bytes);
            }
        }
        while let Some(event) = self.voice.poll_event() {
            reports(Report::Voice { line: self.id, event });
        }
        if let Source::Virtual { line, .. } = &mut self.source {
            while let Some(SlicEvent::Hook { closed, at }) = line.poll_event() {
                reports(Report::Hook {
                    line: self.id,
                    closed,
                    at,
                });
            }
        }
    }
}

fn receive(sockets: Option<&mut SessionSockets>, kind: TransmitKind) -> Option<Datagram<'_>> {
    sockets?.receive(kind)
}

fn arrival(now: Instant, datagram: &Datagram<'_>) -> Instant {
    now.checked_sub(datagram.age).unwrap_or(now)
}

/// How long after the grid's last tick `due` is.
fn off_grid(grid: Instant, due: Instant) -> Duration {
    let since_us = due.saturating_duration_since(grid).as_micros();
    // The remainder is below 10 ms.
    Duration::from_micros((since_us % TICK.as_micros()) as u64)
}

/// What the telephone has said.
fn hear(
    now: Instant,
    line: &mut VirtualLine,
    voice: &mut VoicePath,
    telephone: &mut Telephone,
) -> Result<(), Unplugged> {
    telephone.receive(|message| match &message {
        Message::Audio(frame) => voice.capture(now, frame),
        _ => line.handle_message(now, &message),
    })
}

/// A frame to the telephone, and silence for the answers it owes.
fn tick_telephone(
    now: Instant,
    voice: &mut VoicePath,
    mut telephone: Option<&mut Telephone>,
) -> Result<(), Unplugged> {
    if let Some(telephone) = &mut telephone {
        while telephone.answer_is_overdue(now) {
            voice.capture(now, &[0; FRAME]);
        }
    }
    let mut frame = [0; FRAME];
    voice.playback(now, &mut frame);
    let answer_follows = match telephone {
        Some(telephone) => telephone.send_audio(now, &Message::Audio(frame)),
        None => Ok(false),
    };
    if answer_follows != Ok(true) {
        voice.capture(now, &[0; FRAME]);
    }
    answer_follows.map(|_| ())
}
