//! The thread's loop: wait for the next tick, a command, a telephone or a packet; serve it; wait again.

mod coming_and_going;
mod reporting;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use rtrb::{Consumer, Producer};

use self::reporting::push;
use super::line::{AudioLine, Loss};
use super::sockets::SessionSockets;
use super::token::Token;
use super::{Command, Garbage, LINES_MAX, LineId, Report, StrayDatagram};
use crate::media::{TransmitKind, VoiceCommand};

/// One frame.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Frames made up for after the thread was kept from running; what is beyond has no listener any more.
const CATCH_UP_TICKS: u64 = 5;

/// Happenings taken from the kernel at once.
const BATCH: usize = 64;

/// The thread's ends of the rings.
pub(super) struct Rings {
    pub commands: Consumer<Command>,
    pub reports: Producer<Report>,
    pub garbage: Producer<Garbage>,
    pub strays: Producer<StrayDatagram>,
}

/// What ended a sleep, beside the time.
struct Woken {
    /// A bit for each line, by its place.
    telephones: u64,
    /// Commands, packets or sound cards: the epoll set knows.
    others: bool,
}

/// The thread's state.
pub(super) struct AudioLoop {
    /// Everything that is waited for but the telephones.
    epoll: Epoll,
    /// Signalled when a command is in the ring.
    commanded: Arc<EventFd>,
    /// Signalled when a report or garbage is in its ring.
    reported: Arc<EventFd>,
    rings: Rings,
    lines: Vec<Box<AudioLine>>,
    /// Hook states whose reports found the ring full; the last one of each line is what counts.
    unreported: Vec<Report>,
    ticks: Arc<AtomicU64>,
    /// Ticks of lines without a call are whole multiples of 10 ms after this.
    grid: Instant,
    /// The next tick while there is no line.
    idle_due: Instant,
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
        epoll.add(
            commanded.as_fd(),
            EpollEvent::new(EpollFlags::EPOLLIN, Token::Commands.to_u64()),
        )?;
        let grid = Instant::now();
        Ok(Self {
            epoll,
            commanded,
            reported,
            rings,
            lines: Vec::with_capacity(LINES_MAX),
            unreported: Vec::with_capacity(LINES_MAX),
            ticks,
            grid,
            idle_due: grid,
            anything_to_report: false,
        })
    }

    /// Runs until told to stop; every line is safe afterwards.
    pub(super) fn run(mut self) {
        let mut running = true;
        while running {
            let woken = match self.wait() {
                Ok(woken) => woken,
                Err(nix::Error::EINTR) => continue,
                // Only a descriptor of ours gone bad; the daemon sees the thread end.
                Err(_) => break,
            };
            let now = Instant::now();
            // What telephones and the network said comes first: an answer that is here is not overdue, and a
            // telephone that left makes room for the next.
            let mut telephones = woken.telephones;
            while telephones != 0 {
                let index = telephones.trailing_zeros() as usize;
                telephones &= telephones - 1;
                self.with_line(index, |line, report| line.hear_telephone(now, report));
            }
            if woken.others {
                running = self.serve_others(now);
            }
            if self.next_due() <= now {
                self.tick(now);
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

    /// Sleeps until the next tick is due or something has happened.
    fn wait(&self) -> nix::Result<Woken> {
        // A call of its own for telephones, since which of them are waited for changes with every frame, and telling
        // epoll of it would cost a system call each time.
        let mut polled: [PollFd<'_>; LINES_MAX + 1] =
            std::array::from_fn(|_| PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN));
        let mut places = [0_u8; LINES_MAX];
        let mut count = 0;
        for (index, line) in self.lines.iter().enumerate().take(LINES_MAX) {
            if let Some(descriptor) = line.awaited_telephone() {
                places[count] = index as u8;
                count += 1;
                polled[count] = PollFd::new(descriptor, PollFlags::POLLIN);
            }
        }
        let left = self.next_due().saturating_duration_since(Instant::now());
        ppoll(&mut polled[..=count], Some(left.into()), None)?;
        let happened = |polled: &PollFd| polled.any().unwrap_or(true);
        let mut woken = Woken {
            telephones: 0,
            others: happened(&polled[0]),
        };
        for (polled, place) in polled[1..=count].iter().zip(places) {
            woken.telephones |= u64::from(happened(polled)) << place;
        }
        Ok(woken)
    }

    /// Commands, packets and sound cards; `false`: stop.
    fn serve_others(&mut self, now: Instant) -> bool {
        let mut happenings = [EpollEvent::empty(); BATCH];
        // Nothing is missed by a failure: whatever it is, it is signalled again.
        let count = self.epoll.wait(&mut happenings, EpollTimeout::ZERO).unwrap_or(0);
        let mut commands = false;
        for token in happenings[..count]
            .iter()
            .filter_map(|happening| Token::from_u64(happening.data()))
        {
            match token {
                Token::Commands => commands = true,
                Token::Rtp(line) => self.packets_readable(now, line, TransmitKind::Rtp),
                Token::Rtcp(line) => self.packets_readable(now, line, TransmitKind::Rtcp),
                Token::Card(line) => self.card_ready(now, line),
            }
        }
        !commands || self.obey(now)
    }

    fn next_due(&self) -> Instant {
        self.lines
            .iter()
            .map(|line| line.due)
            .min()
            .unwrap_or(self.idle_due)
    }

    fn tick(&mut self, now: Instant) {
        self.retry_reports();
        let grid = self.grid;
        for index in 0..self.lines.len() {
            for _ in 0..CATCH_UP_TICKS {
                if self.lines[index].due > now {
                    break;
                }
                self.listen_to_network_again(index);
                self.with_line(index, |line, report| line.tick(now, grid, report));
                self.pass_stray(index);
            }
            let line = &mut self.lines[index];
            if line.due <= now {
                line.due = now + TICK;
            }
        }
        if self.lines.is_empty() {
            self.idle_due = now + TICK;
        }
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    fn packets_readable(&mut self, now: Instant, line: LineId, kind: TransmitKind) {
        if let Some(index) = self.index_of(line) {
            self.with_line(index, |line, report| {
                line.hear_network(now, kind, report);
                Ok(())
            });
            self.pass_stray(index);
            if self.lines[index]
                .sockets
                .as_mut()
                .is_some_and(SessionSockets::pause)
            {
                self.listen_to_network(index, false);
            }
        }
    }

    /// What came to the line's media sockets and isn't media goes to the loop.
    fn pass_stray(&mut self, index: usize) {
        if let Some(stray) = self.lines[index].take_stray() {
            // One that finds no room is lost like any datagram; whoever sent it sends it again.
            let _ = self.rings.strays.push(stray);
            self.anything_to_report = true;
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
                Command::AddLine(mut line) if self.lines.len() < LINES_MAX => {
                    line.due = self.on_grid(now);
                    self.lines.push(line);
                    self.start_card(now, self.lines.len() - 1);
                }
                Command::AddLine(line) => self.discard(Garbage::Line(line)),
                Command::RemoveLine(line) => self.remove(now, line),
                Command::Plug { line, stream } => self.plug(now, line, stream),
                Command::Voice { line, command } => {
                    if let Some(index) = self.index_of(line) {
                        let swaps = command == VoiceCommand::SwapSessions;
                        if swaps {
                            self.stop_listening(index);
                        }
                        self.with_line(index, |line, report| {
                            line.command(now, command, report);
                            Ok(())
                        });
                        if swaps {
                            self.start_listening(index);
                        }
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
                    parked,
                } => {
                    self.open_media(line, SessionSockets::new(session, sockets), parked);
                }
                Command::Relay {
                    line,
                    session,
                    socket,
                    relay,
                } => {
                    if let Some(index) = self.index_of(line)
                        && let Some(sockets) = self.lines[index].sockets_of(session)
                    {
                        sockets.set_relay(socket, relay);
                    }
                }
                Command::CloseMedia { line, session } => {
                    if let Some(index) = self.index_of(line) {
                        self.close_media(index, session);
                    }
                }
            }
        }
        true
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

    /// The first tick of the grid after `now`.
    fn on_grid(&self, now: Instant) -> Instant {
        let ticks = now.saturating_duration_since(self.grid).as_micros() / TICK.as_micros() + 1;
        // 2^32 ticks are 497 days; what is lost after that is that the line's phase is another.
        self.grid + TICK * (ticks as u32)
    }

    fn index_of(&self, line: LineId) -> Option<usize> {
        self.lines.iter().position(|candidate| candidate.id() == line)
    }
}
