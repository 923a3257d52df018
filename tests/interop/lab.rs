//! What every test of this folder needs: loopback addresses of its own, processes that end with it, bounded waits.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The port of everybody's SIP: each has an address of its own.
pub const SIP_PORT: u16 = 5060;

/// A loopback address that nobody else on this machine uses: the process decides the middle, a counter the end.
pub fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 0x3F), low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The same for IPv6, which has one address for itself only: it is added to the loopback interface of the tests' own
/// network. `None` where there is no such network.
pub fn address_v6() -> Option<Ipv6Addr> {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    if std::env::var_os("TIPRING_REQUIRE_PEERS").is_none() {
        return skip("no network of the tests' own: run tests/lab/interop.sh");
    }
    // Of documentation (RFC 3849).
    let address = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, NEXT.fetch_add(1, Ordering::Relaxed));
    let added = Command::new("ip")
        .args([
            "-6",
            "addr",
            "add",
            &format!("{address}/128"),
            "dev",
            "lo",
            "nodad",
        ])
        .status();
    assert!(added.is_ok_and(|status| status.success()), "{address} on lo");
    Some(address)
}

/// Says that a test was skipped, where peers may be missing.
///
/// # Panics
///
/// Where they may not: `TIPRING_REQUIRE_PEERS=1`.
pub fn skip<T>(missing: &str) -> Option<T> {
    let required = std::env::var_os("TIPRING_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(
        !required,
        "{missing}, and TIPRING_REQUIRE_PEERS=1 wants it: run tests/lab/setup.sh interop"
    );
    // Past the capture of the test's output: a test that was skipped must not look like one that passed.
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {missing} (tests/lab/setup.sh interop)"
    );
    None
}

/// Where `tests/lab/setup.sh` puts what is not a Debian package.
pub fn cache() -> PathBuf {
    match std::env::var_os("TIPRING_LAB_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/tipring-lab"),
    }
}

/// The files that peers are started with.
pub fn lab_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab")
}

/// Where a program is, if it is installed.
pub fn find_program(name: &str) -> Option<PathBuf> {
    // Servers stand where a user's PATH may not lead.
    ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// A child that ends with the test.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?}: {error}")),
        )
    }

    /// Its standard input and output, where they were piped; once.
    pub fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        let pipes = (self.0.stdin.take(), self.0.stdout.take());
        (pipes.0.expect("a piped input"), pipes.1.expect("a piped output"))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The same as [`take_precedence`] for all its threads.
    pub fn give_precedence(&self) {
        let process = nix::unistd::Pid::from_raw(i32::try_from(self.id()).expect("a process"));
        chrt(&["--all-tasks"], process);
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Whether it has ended, and well.
    pub fn succeeded(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(status)) if status.success())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub fn stop(&mut self) {
        if self.is_running() {
            let process = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a process"));
            let _ = nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM);
        }
        wait_until("the process ends", 10, || !self.is_running());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lets the calling thread run before others: what stands for a telephone or a network is never too busy for a packet,
/// as a machine that builds and tests may be. Where that isn't permitted, the machine has to be quick enough.
pub fn take_precedence() {
    chrt(&[], nix::unistd::gettid());
}

fn chrt(options: &[&str], task: nix::unistd::Pid) {
    let _ = Command::new("chrt")
        .args(options)
        .args(["--fifo", "--pid", "1", &task.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Waits for something to come about, `bound_s` seconds at most.
#[track_caller]
pub fn wait_until(what: &str, bound_s: u64, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(bound_s);
    while !reached() {
        assert!(Instant::now() < deadline, "not within {bound_s} s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lets time pass in which something must not happen.
pub fn pass(time: Duration) {
    std::thread::sleep(time);
}
