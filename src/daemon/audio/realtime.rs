//! Making the calling thread a real-time one, as far as this system permits.

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// Above ordinary programs, below the kernel's own interrupt threads (which run at 50).
const PRIORITY: libc::c_int = 40;

/// Gives the calling thread SCHED_FIFO; says why not where it isn't permitted.
pub fn schedule() -> Result<(), std::io::Error> {
    let parameters = libc::sched_param {
        sched_priority: PRIORITY,
    };
    // SAFETY: the pointer is to a live value of the right type, which the call only reads; 0 is this thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// Keeps the pages that are used in memory, so that no page fault waits for a disk. Pages are locked as they are
/// first touched: locking whole stacks and arenas would cost tens of megabytes for nothing.
///
/// Under a memory-lock limit nothing is locked: with the limit reached, later allocations would fail.
pub fn lock_memory() -> Result<(), String> {
    let unlimited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    if !unlimited && !nix::unistd::geteuid().is_root() {
        return Err("the memory-lock limit is finite (LimitMEMLOCK=infinity lifts it)".to_owned());
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)
        .map_err(|error| error.to_string())
}
