//! Kamailio as a provider's registrar, proxy and presence server, with `tests/lab/kamailio/kamailio.cfg`, and as the
//! edge proxy before it, with `edge.cfg`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lab::{Process, SIP_PORT, address, find_program, lab_folder, skip, wait_until};

/// What the provider does in its own way.
pub struct Ways<'a> {
    /// Of its digest: MD5 or SHA-256.
    pub algorithm: &'static str,
    /// How long a nonce of its is good for.
    pub nonce_s: u32,
    /// Where it is; `None`: on a loopback address of its own.
    pub address: Option<Ipv4Addr>,
    /// A folder with `server.pem` and `server.key`: it takes TLS on port 5061, too.
    pub certificates: Option<&'a Path>,
    /// The network namespace it runs in.
    pub namespace: Option<String>,
    /// What its configuration makes optional: `WITH_...`.
    pub features: &'a [&'static str],
    /// It is the edge proxy of this registrar, and no registrar itself.
    pub edge_of: Option<Ipv4Addr>,
}

impl Default for Ways<'_> {
    fn default() -> Self {
        Self {
            algorithm: "MD5",
            nonce_s: 300,
            address: None,
            certificates: None,
            namespace: None,
            features: &[],
            edge_of: None,
        }
    }
}

/// A running Kamailio.
pub struct Kamailio {
    process: Process,
    folder: TempDir,
    address: Ipv4Addr,
}

impl Kamailio {
    /// Starts one; `None` where it isn't installed.
    pub fn start(ways: &Ways<'_>) -> Option<Self> {
        let Some(program) = find_program("kamailio") else {
            return skip("no Kamailio");
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = ways.address.unwrap_or_else(address);
        let name = if ways.edge_of.is_some() {
            "edge.cfg"
        } else {
            "kamailio.cfg"
        };
        let config =
            std::fs::read_to_string(lab_folder().join("kamailio").join(name)).expect("its configuration");
        let config = config
            .replace("@REGISTRAR@", &ways.edge_of.unwrap_or(address).to_string())
            .replace("@ADDRESS@", &address.to_string())
            .replace("@SIP_PORT@", &SIP_PORT.to_string())
            .replace("@ALGORITHM@", ways.algorithm)
            .replace("@NONCE_S@", &ways.nonce_s.to_string());
        let config = match ways.certificates {
            Some(certificates) => config.replace("#@TLS@", &tls(address, certificates)),
            None => config,
        };
        std::fs::write(folder.path().join("kamailio.cfg"), config).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let mut command = match &ways.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let process = Process::start(
            command
                .args(["-DD", "-E", "-m", "16", "-M", "4", "-f"])
                .arg(folder.path().join("kamailio.cfg"))
                .arg("-Y")
                .arg(folder.path())
                .args(ways.features.iter().flat_map(|feature| ["-A", feature]))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        );
        let mut kamailio = Self {
            process,
            folder,
            address,
        };
        wait_until("Kamailio is up", 10, || {
            assert!(
                kamailio.process.is_running(),
                "Kamailio has ended: {}",
                kamailio.log()
            );
            std::net::TcpStream::connect((address, SIP_PORT)).is_ok()
        });
        Some(kamailio)
    }

    /// What an account of it is told.
    pub fn uri(&self) -> String {
        format!("sip:{}:{SIP_PORT}", self.address)
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Ends it: its connections close, and nothing answers any more.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Requests of this method that came from a user, by a transport.
    pub fn requests(&self, method: &str, user: &str, transport: &str) -> usize {
        self.log()
            .matches(&format!("request {method} from {user} by {transport}\n"))
            .count()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// What its configuration says of TLS.
fn tls(address: Ipv4Addr, certificates: &Path) -> String {
    let folder = certificates.display();
    format!(
        "enable_tls=yes\nlisten=tls:{address}:5061\nloadmodule \"tls.so\"\n\
         modparam(\"tls\", \"certificate\", \"{folder}/server.pem\")\n\
         modparam(\"tls\", \"private_key\", \"{folder}/server.key\")\n\
         modparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\n"
    )
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- Kamailio's log:\n{}", self.log());
        }
        // Its worker processes end with it only when it is asked to.
        self.process.stop();
    }
}
