//! Telephones, sound cards and sockets that come and go while the loop runs.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::AudioLoop;
use crate::daemon::audio::sockets::SessionSockets;
use crate::daemon::audio::sound_card::{CardFault, OpenCard};
use crate::daemon::audio::telephone::Unplugged;
use crate::daemon::audio::token::Token;
use crate::daemon::audio::{Garbage, LineId, Report};
use crate::gateway::SessionId;
use crate::media::TransmitKind;

impl AudioLoop {
    pub(super) fn plug(&mut self, now: Instant, line: LineId, stream: std::os::unix::net::UnixStream) {
        let Some(index) = self.index_of(line) else {
            return self.discard(Garbage::Stream(stream));
        };
        // The telephone before may have left in this very moment, after the kernel was asked.
        self.with_line(index, |line, report| line.hear_telephone(now, report));
        let mut refused = None;
        self.with_line(index, |line, report| match line.plug(now, stream, report) {
            Ok(()) => line.hear_telephone(now, report),
            Err(stream) => {
                refused = Some(stream);
                Ok(())
            }
        });
        if let Some(stream) = refused {
            self.report(Report::Refused(line));
            self.discard(Garbage::Stream(stream));
        }
    }

    pub(super) fn unplug(&mut self, now: Instant, index: usize, reason: Unplugged) {
        let mut stream = None;
        self.with_line(index, |line, report| {
            stream = line.unplug(now, report);
            Ok(())
        });
        if let Some(stream) = stream {
            let line = self.lines[index].id();
            self.report(Report::Unplugged { line, reason });
            self.discard(Garbage::Stream(stream));
        }
    }

    pub(super) fn remove(&mut self, now: Instant, line: LineId) {
        let Some(index) = self.index_of(line) else { return };
        self.lines[index].make_safe(now);
        self.unplug(now, index, Unplugged::Closed);
        if let Some(card) = self.release_card(index) {
            self.discard(Garbage::Card(card));
        }
        self.close_running(index);
        self.close_parked(index);
        let line = self.lines.swap_remove(index);
        self.discard(Garbage::Line(line));
    }

    /// Waits for the line's card, where it has one, and lets it run.
    pub(super) fn start_card(&mut self, now: Instant, index: usize) {
        let line = &mut self.lines[index];
        let token = Token::Card(line.id()).to_u64();
        for descriptor in line.card().into_iter().flat_map(OpenCard::descriptors) {
            // SAFETY: the card has it open, and stays in the line at least until the loop is done.
            let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
            // Some plugins have descriptors that cannot be waited for in this way: the tick serves those.
            let _ = self.epoll.add(
                descriptor,
                EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, token),
            );
        }
        line.start_card(now);
    }

    pub(super) fn lose_card(&mut self, index: usize, reason: CardFault) {
        let line = self.lines[index].id();
        if let Some(card) = self.release_card(index) {
            // In this order: who hears of it opens the card anew, and finds this one closed.
            self.discard(Garbage::Card(card));
            self.report(Report::CardLost { line, reason });
        }
    }

    pub(super) fn release_card(&mut self, index: usize) -> Option<Box<OpenCard>> {
        let card = self.lines[index].release_card()?;
        for descriptor in card.descriptors() {
            // SAFETY: the card has it open, and outlives the loop.
            let _ = self.epoll.delete(unsafe { BorrowedFd::borrow_raw(descriptor) });
        }
        Some(card)
    }

    pub(super) fn open_media(&mut self, line: LineId, sockets: SessionSockets, parked: bool) {
        let Some(index) = self.index_of(line) else {
            return self.discard(Garbage::Sockets(sockets.into_pair()));
        };
        if parked {
            self.close_parked(index);
            self.lines[index].parked_sockets = Some(sockets);
            return;
        }
        self.close_running(index);
        self.lines[index].sockets = Some(sockets);
        self.start_listening(index);
    }

    /// Waits for the sockets of the session that is heard.
    pub(super) fn start_listening(&mut self, index: usize) {
        if let Some(sockets) = &self.lines[index].sockets {
            for (kind, token) in self.awaited_sockets(index) {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, token.to_u64());
                // Fails only for want of kernel memory: the call is silent, and its RTP timeout says so.
                let _ = self.epoll.add(sockets.descriptor(kind), event);
            }
        }
    }

    /// Before they are parked or closed.
    pub(super) fn stop_listening(&mut self, index: usize) {
        if let Some(sockets) = &self.lines[index].sockets {
            for (kind, _) in self.awaited_sockets(index) {
                let _ = self.epoll.delete(sockets.descriptor(kind));
            }
        }
    }

    /// The sockets that are waited for. The RTP of a virtual line is not: each tick reads what has arrived, which the
    /// kernel has noted the time of.
    fn awaited_sockets(&self, index: usize) -> impl Iterator<Item = (TransmitKind, Token)> + use<> {
        let line = &self.lines[index];
        let rtp = line.card().map(|_| (TransmitKind::Rtp, Token::Rtp(line.id())));
        rtp.into_iter()
            .chain([(TransmitKind::Rtcp, Token::Rtcp(line.id()))])
    }

    /// After a flood has used the allowance of a tick up.
    pub(super) fn listen_to_network(&self, index: usize, on: bool) {
        if let Some(sockets) = &self.lines[index].sockets {
            let interest = if on {
                EpollFlags::EPOLLIN
            } else {
                EpollFlags::empty()
            };
            for (kind, token) in self.awaited_sockets(index) {
                let mut event = EpollEvent::new(interest, token.to_u64());
                let _ = self.epoll.modify(sockets.descriptor(kind), &mut event);
            }
        }
    }

    pub(super) fn listen_to_network_again(&mut self, index: usize) {
        if self.lines[index]
            .sockets
            .as_mut()
            .is_some_and(SessionSockets::refill)
        {
            self.listen_to_network(index, true);
        }
    }

    /// Closes a session's sockets, wherever they are.
    pub(super) fn close_media(&mut self, index: usize, session: SessionId) {
        let is_it = |open: &SessionSockets| open.session == session;
        if self.lines[index].sockets.as_ref().is_some_and(is_it) {
            self.close_running(index);
        }
        if self.lines[index].parked_sockets.as_ref().is_some_and(is_it) {
            self.close_parked(index);
        }
    }

    fn close_running(&mut self, index: usize) {
        self.stop_listening(index);
        if let Some(sockets) = self.lines[index].sockets.take() {
            self.discard(Garbage::Sockets(sockets.into_pair()));
        }
    }

    fn close_parked(&mut self, index: usize) {
        if let Some(sockets) = self.lines[index].parked_sockets.take() {
            self.discard(Garbage::Sockets(sockets.into_pair()));
        }
    }
}
