//! The terminal as a telephone: keys typed one by one, and put back as it was on every way out.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};

/// A terminal that hands over each key as it is typed; as before when dropped.
pub struct Terminal {
    before: Termios,
    signals: SignalFd,
}

impl Terminal {
    /// Takes the terminal over. Signals that would end the program are taken as well, so that it can be put back
    /// first.
    pub fn take_over() -> nix::Result<Self> {
        let mut wanted = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
            wanted.add(signal);
        }
        wanted.thread_block()?;
        let signals = SignalFd::with_flags(&wanted, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw)?;
        Ok(Self { before, signals })
    }

    /// Readable when a signal asks for the end.
    pub fn signals(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }

    /// The keys typed.
    pub fn typed(&self, buffer: &mut [u8]) -> usize {
        nix::unistd::read(std::io::stdin(), buffer).unwrap_or(0)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.before);
    }
}
