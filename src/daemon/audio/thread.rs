//! The thread's loop: wait for the timer, a command, a telephone or a packet; serve it; wait again.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rtrb::{Consumer, Producer};

use super::line::{AudioLine, Loss};
use super::sockets::SessionSockets;
use super::sound_card::{CardFault, OpenCard};
use super::telephone::{Telephone, Unplugged};
use super::token::Token;
use super::{Command, Garbage, LINES_MAX, LineId, Report};
use crate::media::TransmitKind;

/// One frame.
const TICK: Duration = Duration::from_millis(10);

/// Frames made up for after the thread was kept from running; what is beyond has no listener any more.
const CATCH_UP_TICKS: u64 = 5;

/// The telephone's end of its connection is closed.
const HUNG_UP: EpollFlags = EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP);

/// Room in the ring of reports that hook edges leave: a line's flood of them costs the other lines nothing.
const REPORTS_RESERVED: usize = 256;

/// Happenings taken from the kernel at once.
const BATCH: usize = 64;

/// The thread's ends of the rings.
pub(super) struct Rings {
    pub commands: Consumer<Command>,
    pub reports: Producer<Report>,
    pub garbage: Producer<Garbage>,
}

/// The thread's state.
pub(super) struct AudioLoop {
    epoll: Epoll,
    timer: TimerFd,
    /// Signalled when a command is in the ring.
    commanded: Arc<EventFd>,
    /// Signalled when a report or garbage is in its ring.
    reported: Arc<EventFd>,
    rings: Rings,
    lines: Vec<Box<AudioLine>>,
    /// Hook states whose reports found the ring full; the last one of each line is what counts.
    unreported: Vec<Report>,
    ticks: Arc<AtomicU64>,
    anything_to_report: bool,
}

impl AudioLoop {
    pub(super) fn new(
        rings: Rings,
        commanded: Arc<EventFd>,
        reported: Arc<EventFd>,
        ticks: Arc<AtomicU64>,
    ) -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        timer.set(Expiration::Interval(TICK.into()), TimerSetTimeFlags::empty())?;
        epoll.add(
            &timer,
            EpollEvent::new(EpollFlags::EPOLLIN, Token::Timer.to_u64()),
        )?;
        epoll.add(
            commanded.as_fd(),
            EpollEvent::new(EpollFlags::EPOLLIN, Token::Commands.to_u64()),
        )?;
        Ok(Self {
            epoll,
            timer,
            commanded,
            reported,
            rings,
            lines: Vec::with_capacity(LINES_MAX),
            unreported: Vec::with_capacity(LINES_MAX),
            ticks,
            anything_to_report: false,
        })
    }

    /// Runs until told to stop; every line is safe afterwards.
    pub(super) fn run(mut self) {
        let mut happenings = [EpollEvent::empty(); BATCH];
        let mut running = true;
        while running {
            let count = match self.epoll.wait(&mut happenings, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => continue,
                // Only a descriptor of ours gone bad; the daemon sees the thread end.
                Err(_) => break,
            };
            let now = Instant::now();
            let tokens = happenings[..count]
                .iter()
                .filter_map(|happening| Some((Token::from_u64(happening.data())?, happening.events())));
            // What telephones and the network said comes first: an answer that is here is not overdue, and a
            // telephone that left makes room for the next.
            let (mut timer, mut commands) = (false, false);
            for (token, flags) in tokens {
                match token {
                    Token::Timer => timer = true,
                    Token::Commands => commands = true,
                    Token::Telephone(line) => self.telephone_readable(now, line, flags.intersects(HUNG_UP)),
                    Token::Rtp(line) => self.packets_readable(now, line, TransmitKind::Rtp),
                    Token::Rtcp(line) => self.packets_readable(now, line, TransmitKind::Rtcp),
                    Token::Card(line) => self.card_ready(now, line),
                }
            }
            if commands {
                running = self.obey(now);
            }
            if timer {
                self.tick();
            }
            if std::mem::take(&mut self.anything_to_report) {
                // Fails only when the counter is at its end: then it is readable already.
                let _ = self.reported.write(1);
            }
        }
        let now = Instant::now();
        for line in &mut self.lines {
            line.make_safe(now);
        }
    }

    fn tick(&mut self) {
        // An interval timer goes on only when it is read.
        let mut expirations = [0; 8];
        let elapsed = match nix::unistd::read(&self.timer, &mut expirations) {
            Ok(8) => u64::from_ne_bytes(expirations),
            _ => return,
        };
        self.retry_reports();
        for _ in 0..elapsed.min(CATCH_UP_TICKS) {
            let now = Instant::now();
            for index in 0..self.lines.len() {
                self.listen_to_network_again(index);
                let flooded = self.lines[index]
                    .telephone()
                    .is_some_and(Telephone::may_have_more);
                self.with_line(index, |line, report| line.tick(now, report));
                // What a flood left unread is read by the new tick's allowance: nothing will signal it again.
                if flooded {
                    self.with_line(index, |line, report| line.hear_telephone(now, report));
                }
            }
        }
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    fn telephone_readable(&mut self, now: Instant, line: LineId, hung_up: bool) {
        // What it said last comes before its leaving: the end is read by itself.
        for _ in 0..1 + u32::from(hung_up) {
            if let Some(index) = self.index_of(line) {
                self.with_line(index, |line, report| line.hear_telephone(now, report));
            }
        }
    }

    fn packets_readable(&mut self, now: Instant, line: LineId, kind: TransmitKind) {
        if let Some(index) = self.index_of(line) {
            self.with_line(index, |line, report| {
                line.hear_network(now, kind, report);
                Ok(())
            });
            if self.lines[index]
                .sockets
                .as_mut()
                .is_some_and(SessionSockets::pause)
            {
                self.listen_to_network(index, false);
            }
        }
    }

    fn card_ready(&mut self, now: Instant, line: LineId) {
        if let Some(index) = self.index_of(line) {
            self.with_line(index, |line, report| line.serve_card(now, report));
        }
    }

    /// Carries out the commands in the ring; `false`: stop.
    fn obey(&mut self, now: Instant) -> bool {
        let _ = self.commanded.read();
        while let Ok(command) = self.rings.commands.pop() {
            match command {
                Command::Stop => return false,
                Command::AddLine(line) if self.lines.len() < LINES_MAX => {
                    self.lines.push(line);
                    self.start_card(now, self.lines.len() - 1);
                }
                Command::AddLine(line) => self.discard(Garbage::Line(line)),
                Command::RemoveLine(line) => self.remove(now, line),
                Command::Plug { line, stream } => self.plug(now, line, stream),
                Command::Voice { line, command } => {
                    if let Some(index) = self.index_of(line) {
                        self.with_line(index, |line, report| {
                            line.command(now, command, report);
                            Ok(())
                        });
                    }
                }
                Command::Slic { line, action } => {
                    if let Some(index) = self.index_of(line) {
                        self.with_line(index, |line, _| line.act(now, action));
                    }
                }
                Command::OpenMedia {
                    line,
                    session,
                    sockets,
                } => {
                    self.open_media(line, SessionSockets::new(session, sockets));
                }
                Command::CloseMedia { line, session } => {
                    if let Some(index) = self.index_of(line)
                        && self.lines[index]
                            .sockets
                            .as_ref()
                            .is_some_and(|open| open.session == session)
                    {
                        self.close_media(index);
                    }
                }
            }
        }
        true
    }

    fn plug(&mut self, now: Instant, line: LineId, stream: std::os::unix::net::UnixStream) {
        let Some(index) = self.index_of(line) else {
            return self.discard(Garbage::Stream(stream));
        };
        // The telephone before may have left in this very moment, after the kernel was asked.
        self.with_line(index, |line, report| line.hear_telephone(now, report));
        let token = Token::Telephone(line).to_u64();
        let watched = self.epoll.add(
            &stream,
            EpollEvent::new(
                EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET,
                token,
            ),
        );
        let mut refused = None;
        self.with_line(index, |line, report| {
            if watched.is_err() {
                refused = Some(stream);
                return Ok(());
            }
            match line.plug(now, stream, report) {
                Ok(()) => line.hear_telephone(now, report),
                Err(stream) => {
                    refused = Some(stream);
                    Ok(())
                }
            }
        });
        if let Some(stream) = refused {
            let _ = self.epoll.delete(&stream);
            self.report(Report::Refused(line));
            self.discard(Garbage::Stream(stream));
        }
    }

    /// Waits for the line's card, where it has one, and lets it run.
    fn start_card(&mut self, now: Instant, index: usize) {
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

    fn lose_card(&mut self, index: usize, reason: CardFault) {
        let line = self.lines[index].id();
        if let Some(card) = self.release_card(index) {
            // In this order: who hears of it opens the card anew, and finds this one closed.
            self.discard(Garbage::Card(card));
            self.report(Report::CardLost { line, reason });
        }
    }

    fn release_card(&mut self, index: usize) -> Option<Box<OpenCard>> {
        let card = self.lines[index].release_card()?;
        for descriptor in card.descriptors() {
            // SAFETY: the card has it open, and outlives the loop.
            let _ = self.epoll.delete(unsafe { BorrowedFd::borrow_raw(descriptor) });
        }
        Some(card)
    }

    fn open_media(&mut self, line: LineId, sockets: SessionSockets) {
        let Some(index) = self.index_of(line) else {
            return self.discard(Garbage::Sockets(sockets.into_pair()));
        };
        self.close_media(index);
        for (kind, token) in [
            (TransmitKind::Rtp, Token::Rtp(line)),
            (TransmitKind::Rtcp, Token::Rtcp(line)),
        ] {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token.to_u64());
            // Fails only for want of kernel memory: the call is silent, and its RTP timeout says so.
            let _ = self.epoll.add(sockets.descriptor(kind), event);
        }
        self.lines[index].sockets = Some(sockets);
    }

    /// After a flood has used the allowance of a tick up.
    fn listen_to_network(&self, index: usize, on: bool) {
        let line = self.lines[index].id();
        if let Some(sockets) = &self.lines[index].sockets {
            let interest = if on {
                EpollFlags::EPOLLIN
            } else {
                EpollFlags::empty()
            };
            for (kind, token) in [
                (TransmitKind::Rtp, Token::Rtp(line)),
                (TransmitKind::Rtcp, Token::Rtcp(line)),
            ] {
                let mut event = EpollEvent::new(interest, token.to_u64());
                let _ = self.epoll.modify(sockets.descriptor(kind), &mut event);
            }
        }
    }

    fn listen_to_network_again(&mut self, index: usize) {
        if self.lines[index]
            .sockets
            .as_mut()
            .is_some_and(SessionSockets::refill)
        {
            self.listen_to_network(index, true);
        }
    }

    fn close_media(&mut self, index: usize) {
        if let Some(sockets) = self.lines[index].sockets.take() {
            for kind in [TransmitKind::Rtp, TransmitKind::Rtcp] {
                let _ = self.epoll.delete(sockets.descriptor(kind));
            }
            self.discard(Garbage::Sockets(sockets.into_pair()));
        }
    }

    fn remove(&mut self, now: Instant, line: LineId) {
        let Some(index) = self.index_of(line) else { return };
        self.lines[index].make_safe(now);
        self.unplug(now, index, Unplugged::Closed);
        if let Some(card) = self.release_card(index) {
            self.discard(Garbage::Card(card));
        }
        self.close_media(index);
        let line = self.lines.swap_remove(index);
        self.discard(Garbage::Line(line));
    }

    /// Has a line do something, its reports going into the ring; a telephone it loses is unplugged, a sound card it
    /// loses let go.
    fn with_line(
        &mut self,
        index: usize,
        work: impl FnOnce(&mut AudioLine, &mut dyn FnMut(Report)) -> Result<(), Loss>,
    ) {
        let (rings, unreported) = (&mut self.rings, &mut self.unreported);
        let mut reported = false;
        let result = work(&mut self.lines[index], &mut |report| {
            reported = true;
            push(&mut rings.reports, unreported, report);
        });
        self.anything_to_report |= reported;
        match result {
            Ok(()) => {}
            Err(Loss::Telephone(reason)) => self.unplug(Instant::now(), index, reason),
            Err(Loss::Card(reason)) => self.lose_card(index, reason),
        }
    }

    fn unplug(&mut self, now: Instant, index: usize, reason: Unplugged) {
        if let Some(telephone) = self.lines[index].telephone() {
            let _ = self.epoll.delete(telephone.descriptor());
        }
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

    fn report(&mut self, report: Report) {
        self.anything_to_report = true;
        push(&mut self.rings.reports, &mut self.unreported, report);
    }

    fn retry_reports(&mut self) {
        while let Some(report) = self.unreported.first() {
            if self.rings.reports.slots() <= REPORTS_RESERVED || self.rings.reports.push(*report).is_err() {
                return;
            }
            self.anything_to_report = true;
            self.unreported.remove(0);
        }
    }

    fn discard(&mut self, garbage: Garbage) {
        self.anything_to_report = true;
        // The ring is emptied with every report and far larger than what can be open; were it full all the same,
        // freeing here is a hiccup, not a fault.
        let _ = self.rings.garbage.push(garbage);
    }

    fn index_of(&self, line: LineId) -> Option<usize> {
        self.lines.iter().position(|candidate| candidate.id() == line)
    }
}

/// Into the ring. Edges leave room for everything else in it; one that finds none is kept, the newest of each line.
fn push(ring: &mut Producer<Report>, unreported: &mut Vec<Report>, report: Report) {
    let Report::Hook { line, .. } = report else {
        // Full of what is no edge: the daemon has hung for seconds.
        let _ = ring.push(report);
        return;
    };
    if !unreported.is_empty() || ring.slots() <= REPORTS_RESERVED || ring.push(report).is_err() {
        unreported.retain(|waiting| !matches!(waiting, Report::Hook { line: other, .. } if *other == line));
        if unreported.len() < unreported.capacity() {
            unreported.push(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_edges_that_find_the_ring_full_the_last_one_counts_and_nothing_else_is_lost() {
        let (mut ring, mut reader) = rtrb::RingBuffer::new(REPORTS_RESERVED + 1);
        let mut unreported = Vec::with_capacity(4);
        let line = LineId(1);
        let edge = |closed| Report::Hook {
            line,
            closed,
            at: Instant::now(),
        };
        let last = edge(false);
        for report in [edge(true), edge(false), edge(true), last] {
            push(&mut ring, &mut unreported, report);
        }
        assert_eq!(unreported, [last]);
        // What is no edge still has room.
        push(&mut ring, &mut unreported, Report::Plugged(line));
        assert!(matches!(reader.pop(), Ok(Report::Hook { closed: true, .. })));
        assert_eq!(reader.pop(), Ok(Report::Plugged(line)));
    }
}
