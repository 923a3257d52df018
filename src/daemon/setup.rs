//! What the daemon needs of a checked configuration: the gateway's part as it is, and what to open.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::gateway::{GatewayConfig, LineName};
use crate::media::VoiceConfig;

/// A configuration, ready to run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// For the gateway.
    pub gateway: GatewayConfig,
    /// Where SIP is bound.
    pub sip_bind: SocketAddr,
    /// First and last port for RTP.
    pub rtp_ports: (u16, u16),
    /// The lines' hardware, in the order of the configuration.
    pub lines: Vec<LineSetup>,
}

impl Setup {
    /// The country a line sounds like.
    pub fn country(&self, line: &LineName) -> Option<&str> {
        let port = self.gateway.lines.iter().find(|port| port.name == *line)?;
        Some(&port.line.zone.code)
    }

    /// How a line's audio is treated.
    pub fn voice(&self, line: &LineName) -> VoiceConfig {
        let setup = self.lines.iter().find(|setup| setup.name == *line);
        setup.map_or_else(VoiceConfig::default, |setup| setup.voice)
    }
}

/// One line's hardware.
#[derive(Clone, Debug, PartialEq)]
pub struct LineSetup {
    /// Which line.
    pub name: LineName,
    /// How it is reached.
    pub hardware: Hardware,
    /// How its audio is treated.
    pub voice: VoiceConfig,
}

impl LineSetup {
    /// The same line on the same hardware. Its voice settings may differ: a running line keeps those it was opened
    /// with, since its telephone would have to be unplugged to change them.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.hardware == other.hardware
    }
}

/// How a line is reached.
#[derive(Clone, Debug, PartialEq)]
pub enum Hardware {
    /// A telephone program on a Unix socket.
    Virtual {
        /// The socket.
        socket: PathBuf,
    },
}
