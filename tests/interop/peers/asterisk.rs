//! Asterisk out of the folder that `tests/lab/setup.sh` has unpacked it to, run in place through its own loader: it
//! needs neither root nor chroot, and as many run side by side as there are tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lab::{Process, SIP_PORT, address, cache, lab_folder, skip, wait_until};
use crate::sound;

/// The recorded speech that calls are made with, below the folder of Asterisk's recordings: 7.3 s.
const SPEECH: &str = "dir-intro";

/// A running Asterisk with the dial plan of `tests/lab/asterisk/extensions.conf`.
pub struct Asterisk {
    process: Process,
    root: PathBuf,
    run: TempDir,
    pub address: IpAddr,
}

impl Asterisk {
    /// Starts one; `None` where it isn't installed.
    pub fn start() -> Option<Self> {
        Self::start_with_music(&[])
    }

    /// Starts one at an address of the test's own.
    pub fn start_at(address: Ipv4Addr) -> Option<Self> {
        Self::start_as(address, &[], None)
    }

    /// Starts one that is reached by IPv6 only.
    pub fn start_at_ipv6(address: Ipv6Addr) -> Option<Self> {
        Self::start_as(address, &[], None)
    }

    /// Starts one that plays this to whom is held, over and over.
    pub fn start_with_music(music: &[i16]) -> Option<Self> {
        Self::start_as(address(), music, None)
    }

    /// Starts one at an address, that takes TLS with the `server.pem` and `server.key` of a folder.
    pub fn start_with_tls(address: Ipv4Addr, certificates: &Path) -> Option<Self> {
        Self::start_as(address, &[], Some(certificates))
    }

    fn start_as(address: impl Into<IpAddr>, music: &[i16], certificates: Option<&Path>) -> Option<Self> {
        let address = address.into();
        let root = cache().join("asterisk");
        if !root.join("usr/sbin/asterisk").exists() {
            return skip("no Asterisk");
        }
        let run = tempfile::tempdir().expect("a temporary folder");
        for folder in ["etc", "lib", "spool", "log", "music"] {
            std::fs::create_dir(run.path().join(folder)).expect("a folder");
        }
        if !music.is_empty() {
            sound::write_wav(&run.path().join("music/music.wav"), music);
        }
        write_configuration(&root, run.path(), address);
        if let Some(folder) = certificates {
            let file = run.path().join("etc/pjsip.conf");
            let pjsip = std::fs::read_to_string(&file).expect("its configuration");
            let tls = format!(
                "[tls]\ntype = transport\nprotocol = tls\nbind = {address}:5061\ncert_file = {0}/server.pem\n\
                 priv_key_file = {0}/server.key\nmethod = tlsv1_2\n",
                folder.display()
            );
            std::fs::write(file, tls + &pjsip).expect("written");
        }
        let process = start(&root, run.path());
        let mut asterisk = Self {
            process,
            root,
            run,
            address,
        };
        asterisk.wait_booted();
        Some(asterisk)
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same address; what it knew of registrations is gone.
    pub fn start_again(&mut self) {
        std::fs::remove_file(self.run.path().join("lib/astdb.sqlite3")).expect("its data base");
        self.process = start(&self.root, self.run.path());
        self.wait_booted();
    }

    /// What an account of it is told: `sip:ADDRESS:PORT`.
    pub fn uri(&self) -> String {
        format!("sip:{}", SocketAddr::from((self.address, SIP_PORT)))
    }

    /// A command of its console, and what that answers.
    pub fn command(&self, command: &str) -> String {
        let output = program(&self.root, self.run.path())
            .args(["-rx", command])
            .output()
            .expect("asterisk starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Calls a subscriber; when answered, the call goes to an extension of the dial plan.
    pub fn call(&self, subscriber: &str, extension: &str) {
        self.command(&format!(
            "channel originate PJSIP/{subscriber} extension {extension}@exchange"
        ));
    }

    /// Calls a subscriber as another one would: by the dial plan, which logs how it ended.
    pub fn call_through(&self, subscriber: &str) {
        self.command(&format!(
            "channel originate Local/{subscriber}@exchange application Wait 60"
        ));
    }

    /// Whether a subscriber is registered.
    pub fn has_contact(&self, subscriber: &str) -> bool {
        self.command("pjsip show contacts")
            .contains(&format!("{subscriber}/sip:"))
    }

    #[track_caller]
    pub fn wait_log(&self, text: &str, bound_s: u64) {
        wait_until(&format!("Asterisk logs {text:?}"), bound_s, || {
            self.log().contains(text)
        });
    }

    /// Hangs up every call.
    pub fn hang_up_all(&self) {
        self.command("channel request hangup all");
    }

    /// Channels that are up or being set up.
    pub fn channels(&self) -> usize {
        let text = self.command("core show channels count");
        text.split(' ')
            .next()
            .and_then(|count| count.parse().ok())
            .unwrap_or(0)
    }

    #[track_caller]
    pub fn wait_channels(&self, count: usize, bound_s: u64) {
        wait_until(&format!("Asterisk has {count} channels"), bound_s, || {
            self.channels() == count
        });
    }

    /// Its log, and what it said before it had one.
    pub fn log(&self) -> String {
        ["console", "log/full.log"]
            .map(|name| std::fs::read_to_string(self.file(name)).unwrap_or_default())
            .concat()
    }

    /// What a call has left in its folder: `keys`, `recording.wav`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.run.path().join(name)
    }

    /// Real speech, 8000 Hz.
    pub fn speech(&self) -> Vec<i16> {
        read_speech(&self.root)
    }

    fn wait_booted(&mut self) {
        wait_until("Asterisk is up", 20, || {
            assert!(self.process.is_running(), "Asterisk has ended: {}", self.log());
            self.command("core waitfullybooted").contains("fully booted")
        });
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- Asterisk's log:\n{}", self.log());
        }
    }
}

/// Real speech without an Asterisk; `None` where its recordings aren't installed.
pub fn speech() -> Option<Vec<i16>> {
    let root = cache().join("asterisk");
    if !sounds(&root).exists() {
        return skip("no recordings of Asterisk's");
    }
    Some(read_speech(&root))
}

fn read_speech(root: &Path) -> Vec<i16> {
    sound::read_wav(&sounds(root).join(SPEECH).with_extension("wav"))
}

fn start(root: &Path, run: &Path) -> Process {
    let console = std::fs::File::create(run.join("console")).expect("a file");
    Process::start(
        program(root, run)
            .arg("-f")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(console),
    )
}

/// The program, called through the loader and with the libraries that it was built with.
fn program(root: &Path, run: &Path) -> Command {
    let mut command = Command::new(libraries(root).join(loader(root)));
    command
        .arg("--library-path")
        .arg(libraries(root))
        .arg(root.join("usr/sbin/asterisk"))
        .arg("-C")
        .arg(run.join("etc/asterisk.conf"));
    command
}

/// `usr/lib/x86_64-linux-gnu` or whatever the machine's triplet is.
fn libraries(root: &Path) -> PathBuf {
    let folders = std::fs::read_dir(root.join("usr/lib")).expect("libraries");
    folders
        .flatten()
        .map(|folder| folder.path())
        .find(|folder| folder.join("asterisk/modules").exists())
        .expect("Asterisk's modules")
}

fn loader(root: &Path) -> String {
    let files = std::fs::read_dir(libraries(root)).expect("libraries");
    files
        .flatten()
        .filter_map(|file| file.file_name().into_string().ok())
        .find(|name| name.starts_with("ld-linux"))
        .expect("a loader")
}

fn sounds(root: &Path) -> PathBuf {
    root.join("usr/share/asterisk/sounds/en_US_f_Allison")
}

fn write_configuration(root: &Path, run: &Path, address: IpAddr) {
    let text = |path: PathBuf| path.to_str().expect("a path of UTF-8").to_owned();
    let names = [
        ("@RUN@", text(run.to_owned())),
        ("@ROOT@", text(root.to_owned())),
        ("@MODULES@", text(libraries(root).join("asterisk/modules"))),
        ("@SPEECH@", text(sounds(root).join(SPEECH))),
        ("@ADDRESS@", address.to_string()),
        ("@SOCKET@", SocketAddr::from((address, SIP_PORT)).to_string()),
    ];
    for file in std::fs::read_dir(lab_folder().join("asterisk")).expect("Asterisk's configuration") {
        let file = file.expect("a file");
        let mut content = std::fs::read_to_string(file.path()).expect("text");
        for (name, value) in &names {
            content = content.replace(name, value);
        }
        std::fs::write(run.join("etc").join(file.file_name()), content).expect("written");
    }
}
