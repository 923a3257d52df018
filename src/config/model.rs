//! The configuration, checked: what the rest of the program is built from. Two of them are compared section by
//! section to see what a reload changes.

mod account;

pub use account::*;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::dial::{DialPlan, Hotline, Timers};
use crate::zone::{CallerIdScheme, HookWindows, Zone};

/// A whole configuration in which every name that is referred to exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Our end of SIP.
    pub sip: Sip,
    /// TLS, for SIP.
    pub tls: Tls,
    /// RTP and what is done with it.
    pub media: Media,
    /// How media finds its way through routers.
    pub nat: Nat,
    /// The daemon's own socket.
    pub control: Control,
    /// Emergency calls.
    pub emergency: Emergency,
    /// Accounts, in the order of the file.
    pub accounts: Vec<Account>,
    /// Lines, in the order of the file.
    pub lines: Vec<Line>,
}

impl Model {
    /// The account of that name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// The line of that name.
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }
}

/// Our end of SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Address and port of the sockets, one a transport, for all accounts.
    pub bind: SocketAddr,
    /// Transports that sockets are opened for; at least one, no two equal.
    pub transports: Vec<Transport>,
    /// Value of our `User-Agent` and `Server` headers; empty: none are sent.
    pub user_agent: String,
    /// Who is heard beside the accounts' servers.
    pub accept_from: AcceptFrom,
    /// Name servers to ask; none: the system's.
    pub dns_servers: Vec<SocketAddr>,
}

/// TLS, for SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of authorities trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether servers have to prove who they are.
    pub verify: bool,
    /// Our own certificate, where there is one.
    pub identity: Option<TlsIdentity>,
    /// Port of the listener; `None`: the one after SIP's.
    pub port: Option<u16>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// Certificate, PEM, with those that lead to its authority.
    pub certificate_file: PathBuf,
    /// Private key, PEM.
    pub key_file: PathBuf,
}

/// A transport of SIP that this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Stream.
    Tcp,
    /// Stream in TLS.
    Tls,
}

/// RTP and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// First port of the range, even. RTP takes even ports, RTCP the odd ones after them.
    pub rtp_port_first: u16,
    /// Last port of the range.
    pub rtp_port_last: u16,
    /// Audio in one packet that we send: 10 to 60 in steps of 10.
    pub packet_time_ms: u8,
    /// The jitter buffer is never shorter.
    pub jitter_min_ms: u16,
    /// The jitter buffer is never longer.
    pub jitter_max_ms: u16,
    /// A talking call without a packet for so long has lost its media; 0: never.
    pub rtp_timeout_s: u32,
    /// What is done about it.
    pub on_rtp_timeout: OnRtpTimeout,
}

/// What becomes of a call whose RTP has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRtpTimeout {
    /// It is ended.
    End,
    /// It goes on; the event is reported.
    Flag,
}

/// How media finds its way through routers that translate addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Nat {
    /// Whether ICE is spoken.
    pub ice: Ice,
    /// Tells the address that sockets have outside.
    pub stun_server: Option<HostPort>,
    /// Passes media on where there is no other way.
    pub turn_server: Option<HostPort>,
    /// User name there.
    pub turn_username: Option<String>,
    /// Password there.
    pub turn_password: Password,
    /// Address outside of a router that passes our ports on as they are.
    pub external_address: Option<IpAddr>,
}

/// A server of UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or literal address, IPv6 without its brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Whether ICE is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ice {
    /// Never.
    Off,
    /// With peers that offer it.
    Answer,
    /// It is offered.
    Offer,
}

/// The daemon's own socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Where it is; `None`: the default place.
    pub socket: Option<PathBuf>,
}

/// Emergency calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Their INVITE says `Priority: emergency`.
    pub priority: bool,
    /// URI for the Geolocation header.
    pub geolocation: Option<String>,
    /// The location may decide where the call is sent.
    pub geolocation_routing: bool,
    /// `urn:service:sos` is called instead of the number.
    pub service_urn: bool,
    /// Hanging up ends them only after so long; 0: at once.
    pub hold_line_s: u32,
}

/// Who is heard beside the accounts' servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptFrom {
    /// Whoever it is.
    pub anybody: bool,
    /// These: an address and how many of its first bits count.
    pub networks: Vec<(IpAddr, u8)>,
}

/// A telephone line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// Its account; `None`: it reaches the other lines only.
    pub account: Option<String>,
    /// What other lines of this machine dial.
    pub number: Option<String>,
    /// What the telephone is plugged into.
    pub interface: Interface,
    /// The country whose exchange it sounds like, as its table has it.
    pub zone: Arc<Zone>,
    /// The country's hook windows with the owner's own in their places.
    pub hook: HookWindows,
    /// Whether breaks of the loop can be dial pulses.
    pub pulse_dialing: bool,
    /// How callers are announced: the country's way or the owner's own.
    pub caller_id: CallerIdScheme,
    /// The digit map.
    pub dial_plan: Arc<DialPlan>,
    /// Waits for digits.
    pub timers: Timers,
    /// Called without dialling.
    pub hotline: Option<Hotline>,
    /// Codecs that are offered, best first; at least one, no two equal.
    pub codecs: Vec<Codec>,
    /// How keys pressed in a call are sent.
    pub dtmf: DtmfRelay,
    /// Whether the telephone's echo is taken out of what is sent.
    pub echo_canceller: bool,
    /// Gain from the telephone to the network.
    pub gain_tx_db: f32,
    /// Gain from the network to the telephone.
    pub gain_rx_db: f32,
    /// An incoming call rings at most so long.
    pub ring_timeout_s: u32,
    /// The loop opens for so long when the far end has hung up; 0: never.
    pub disconnect_open_ms: u32,
    /// The called party's answer reverses the battery.
    pub answer_reversal: bool,
    /// Numbers that always pass: the country's, the account's and the line's own.
    pub emergency_numbers: Vec<String>,
    /// What it offers beside plain calls.
    pub services: Services,
}

/// What a line offers beside plain calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// What a hook flash does in a call.
    pub flash: FlashStyle,
    /// Hanging up between two calls connects them.
    pub transfer_on_hang_up: bool,
    /// Sends the held call to the number that follows.
    pub blind_transfer_code: Option<String>,
    /// The called party isn't shown who calls.
    pub withhold_number_code: Option<String>,
    /// A second caller is told of.
    pub call_waiting: bool,
    /// Callers who withhold their number are refused.
    pub reject_anonymous: bool,
    /// Whose REFER is followed.
    pub accept_referrals: ReferralPolicy,
}

/// What a hook flash does in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashStyle {
    /// Hold and take back.
    Hold,
    /// A second call, and change between the two.
    Switch,
    /// The same, with a digit between two calls.
    Digit,
    /// Nothing.
    Off,
}

/// Whose REFER is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferralPolicy {
    /// The account's server's.
    Server,
    /// Everybody's.
    Always,
    /// Nobody's.
    Never,
}

/// A codec that this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

/// How keys pressed in a call are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfRelay {
    /// Telephone-events.
    Rfc4733,
    /// SIP INFO.
    Info,
    /// In the audio.
    Inband,
}

/// What a telephone is plugged into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// A telephone in software.
    Virtual {
        /// The Unix socket it connects to.
        socket: PathBuf,
    },
    /// A SLIC module on GPIO pins, its audio by a sound card.
    GpioModule(Box<GpioModule>),
}

/// A SLIC module on GPIO pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpioModule {
    /// Which module.
    pub module: ModuleKind,
    /// Name of the chip (`gpiochip0`), its label, or the path of its device.
    pub gpiochip: String,
    /// SHK, input: the loop.
    pub shk_line: GpioLine,
    /// RM, output: ringing supply.
    pub rm_line: GpioLine,
    /// F/R, output: polarity.
    pub fr_line: GpioLine,
    /// PD, output, open drain: power down. `None`: not wired.
    pub pd_line: Option<GpioLine>,
    /// Level of SHK that means off hook.
    pub off_hook_level: Level,
    /// Level of F/R that is forward battery; `None`: the module's data sheet decides.
    pub forward_level: Option<Level>,
    /// Frequency of the ringing voltage; `None`: the country's.
    pub ring_frequency_hz: Option<u8>,
    /// The sound card that VX and VR are wired to.
    pub audio: SoundCard,
}

/// SLIC modules that there is a driver for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// Shenzhen Ring&tone KS0835F.
    Ks0835f,
    /// Silvertel Ag1171.
    Ag1171,
    /// Silvertel Ag1170.
    Ag1170,
}

/// One line of a GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GpioLine {
    /// By its number on the chip.
    Offset(u32),
    /// By the name the kernel has for it, e.g. `GPIO17`.
    Name(String),
}

/// A logic level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// High.
    High,
    /// Low.
    Low,
}

/// A sound card.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SoundCard {
    /// Its ALSA name (`cat /proc/asound/cards`), or a whole PCM name where it has a `:`.
    pub card: String,
    /// Number of the PCM device on it.
    pub device: u32,
    /// Channel of the telephone, counted from 0.
    pub channel: u8,
    /// Sample rate; `None`: 8000 Hz where the hardware has it, else 48000 Hz.
    pub rate_hz: Option<u32>,
    /// One period of the hardware.
    pub period_ms: u8,
    /// Periods in the hardware's buffer.
    pub periods: u8,
}
