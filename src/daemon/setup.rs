//! What the daemon needs of a checked configuration: the gateway's part in the gateway's words, and what to open.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

use super::DaemonError;
use super::hardware::ModuleSetup;
use super::nat::NatSetup;
use super::net::{Identity, NetSetup, SipNet, TlsSetup};
use crate::call::services::{FlashStyle, ReferralPolicy, Services};
use crate::call::{CallConfig, IcePolicy, Nat, RefusalTones};
use crate::config::{self, Model, model};
use crate::gateway::{GatewayConfig, LineName, PortConfig};
use crate::line::LineConfig;
use crate::media::{Codec, DtmfRelay, JitterConfig, VoiceConfig};
use crate::sip::account::{Account, AccountEvents, KeepAliveMethod};
use crate::sip::message::Uri;
use crate::sip::sdp::SrtpPolicy;
use crate::sip::ua::{AccountName, Admission, Emergency, Network, Transport};

/// A configuration, ready to run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// For the gateway.
    pub gateway: GatewayConfig,
    /// Where SIP is bound.
    pub sip_bind: SocketAddr,
    /// Over which transports.
    pub transports: Vec<Transport>,
    /// Names and TLS.
    pub net: NetSetup,
    /// First and last port for RTP.
    pub rtp_ports: (u16, u16),
    /// The control socket; `None`: the default place.
    pub control: Option<PathBuf>,
    /// The lines' hardware, in the order of the configuration.
    pub lines: Vec<LineSetup>,
    /// Servers that help media through routers.
    pub nat: NatSetup,
}

impl Setup {
    /// Reads and checks `path`; an error lists every problem, one a line.
    pub fn read(path: &Path) -> Result<Self, DaemonError> {
        let report = config::load(path).map_err(|error| {
            DaemonError::Config(format!(
                "cannot read the configuration {}: {error}; name it with --config",
                path.display()
            ))
        })?;
        match &report.model {
            Some(model) => {
                for problem in &report.problems {
                    tracing::warn!("{}:{problem}", report.name);
                }
                Self::of_model(model)
            }
            None => Err(DaemonError::Config(format!(
                "the configuration is not valid:\n{}",
                report.to_string().trim_end()
            ))),
        }
    }

    fn of_model(model: &Model) -> Result<Self, DaemonError> {
        let accounts: Result<Vec<Account>, DaemonError> = model.accounts.iter().map(account).collect();
        Ok(Self {
            gateway: GatewayConfig {
                user_agent: model.sip.user_agent.clone(),
                sip_udp: None,
                sip_tcp: None,
                sip_tls: None,
                tls: model.sip.transports.contains(&model::Transport::Tls),
                instance: None,
                accounts: accounts?,
                lines: model.lines.iter().map(|line| port(line, model)).collect(),
                admission: admission(model),
                emergency: Arc::new(emergency(&model.emergency)),
            },
            sip_bind: model.sip.bind,
            transports: model
                .sip
                .transports
                .iter()
                .map(|wanted| transport(*wanted))
                .collect(),
            net: net(model),
            rtp_ports: (model.media.rtp_port_first, model.media.rtp_port_last),
            control: model.control.socket.clone(),
            lines: model
                .lines
                .iter()
                .map(|line| line_setup(line, &model.media))
                .collect(),
            nat: nat_setup(&model.nat)?,
        })
    }

    /// Tells the gateway where the sockets are, port 0 resolved.
    pub fn bound_to(&mut self, net: &SipNet) {
        let over = |transport| self.transports.contains(&transport).then_some(net.bound());
        (self.gateway.sip_udp, self.gateway.sip_tcp) = (over(Transport::Udp), over(Transport::Tcp));
        self.gateway.sip_tls = net.tls_bound();
    }

    /// The country a line sounds like.
    pub fn country(&self, line: &LineName) -> Option<&str> {
        let port = self.gateway.lines.iter().find(|port| port.name == *line)?;
        Some(&port.line.zone.code)
    }

    /// A break of the loop that the line takes for a register recall.
    pub fn recall_ms(&self, line: &LineName) -> Option<u32> {
        let port = self.gateway.lines.iter().find(|port| port.name == *line)?;
        Some(port.line.hook.recall_ms())
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
    /// A SLIC module on GPIO pins, its audio by a sound card.
    GpioModule(Box<ModuleSetup>),
}

/// What the INVITE of an emergency call says.
fn emergency(emergency: &model::Emergency) -> Emergency {
    Emergency {
        priority: emergency.priority,
        geolocation: emergency.geolocation.clone(),
        geolocation_routing: emergency.geolocation_routing,
        service_urn: emergency.service_urn,
    }
}

/// Whom to hear beside the accounts' servers.
fn admission(model: &Model) -> Admission {
    let networks = |listed: &model::AcceptFrom| {
        let networks = listed.networks.iter();
        networks
            .filter_map(|(address, bits)| Network::new(*address, *bits))
            .collect()
    };
    Admission {
        own: None,
        anybody: model.sip.accept_from.anybody,
        networks: networks(&model.sip.accept_from),
        by_account: model
            .accounts
            .iter()
            .map(|account| {
                let name = AccountName(account.name.as_str().into());
                (name, networks(&account.accept_from))
            })
            .collect(),
    }
}

fn account(account: &model::Account) -> Result<Account, DaemonError> {
    Ok(Account {
        name: AccountName(account.name.as_str().into()),
        server_host: account.server.host.clone(),
        server_port: account.server.port,
        transport: account.server.transport.map(transport),
        username: account.username.clone(),
        auth_username: account.auth_username.clone(),
        domain: account.domain.clone(),
        display_name: account.display_name.clone(),
        password: password(&account.password, &format!("account {}", account.name))?,
        register: account.register,
        expires_s: account.expires_s,
        session_expires_s: account.session_expires_s,
        follow_redirects: account.follow_redirects,
        digest_md5: account.digest_md5,
        secure: account.server.secure,
        outbound: account.outbound,
        keep_alive: match account.keep_alive {
            model::KeepAlive::Crlf => KeepAliveMethod::Crlf,
            model::KeepAlive::Options => KeepAliveMethod::Options,
            model::KeepAlive::Off => KeepAliveMethod::Off,
        },
        keep_alive_s: account.keep_alive_s,
        forbidden_wait_s: account.forbidden_wait_s,
        events: account_events(&account.events)?,
    })
}

fn account_events(events: &model::AccountEvents) -> Result<AccountEvents, DaemonError> {
    let uri = |text: &String| Uri::parse(text).map_err(|_| DaemonError::SipUri(text.clone()));
    Ok(AccountEvents {
        message_waiting: match &events.message_waiting {
            model::MessageWaiting::Unasked => None,
            model::MessageWaiting::Own => Some(None),
            model::MessageWaiting::Mailbox(mailbox) => Some(Some(uri(mailbox)?)),
        },
        subscribe_registration: events.registration,
        publish_presence: events.publish_presence,
        voice_quality_collector: events.voice_quality_reports.as_ref().map(uri).transpose()?,
        anonymous: events.anonymous,
    })
}

fn net(model: &Model) -> NetSetup {
    let tls = &model.tls;
    NetSetup {
        tls: TlsSetup {
            ca_file: tls.ca_file.clone(),
            trust_anybody: !tls.verify,
            identity: tls.identity.as_ref().map(|identity| Identity {
                certificate_file: identity.certificate_file.clone(),
                key_file: identity.key_file.clone(),
            }),
        },
        tls_port: tls.port,
        dns_servers: model.sip.dns_servers.clone(),
    }
}

fn nat_setup(nat: &model::Nat) -> Result<NatSetup, DaemonError> {
    let server = |server: &model::HostPort| (server.host.clone(), server.port);
    Ok(NatSetup {
        stun: nat.stun_server.as_ref().map(server),
        turn: nat.turn_server.as_ref().map(server),
        turn_username: nat.turn_username.clone().unwrap_or_default(),
        turn_password: password(&nat.turn_password, "the TURN server")?,
    })
}

/// How a line's media is reached: its account goes before the whole.
fn nat(line: &model::Line, model: &Model) -> Nat {
    let account = line.account.as_deref().and_then(|name| model.account(name));
    let ice = account.and_then(|account| account.ice).unwrap_or(model.nat.ice);
    Nat {
        ice: match ice {
            model::Ice::Off => IcePolicy::Off,
            model::Ice::Answer => IcePolicy::Answer,
            model::Ice::Offer => IcePolicy::Offer,
        },
        external_address: model.nat.external_address,
    }
}

/// `whose`: for the person who reads why it can't be had.
fn password(password: &model::Password, whose: &str) -> Result<SecretString, DaemonError> {
    match password {
        model::Password::None => Ok(SecretString::default()),
        model::Password::Given(password) => Ok(password.clone()),
        model::Password::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                DaemonError::Config(format!(
                    "cannot read the password of {whose} from {}: {error}",
                    path.display()
                ))
            })?;
            Ok(text.lines().next().unwrap_or_default().into())
        }
    }
}

fn port(line: &model::Line, model: &Model) -> PortConfig {
    let media = &model.media;
    let account = model
        .accounts
        .iter()
        .find(|account| Some(&account.name) == line.account.as_ref());
    PortConfig {
        name: LineName(line.name.as_str().into()),
        account: line.account.as_deref().map(|account| AccountName(account.into())),
        number: line.number.clone(),
        line: LineConfig {
            zone: Arc::clone(&line.zone),
            hook: line.hook,
            pulse_dialing: line.pulse_dialing,
            caller_id: line.caller_id,
        },
        call: CallConfig {
            dial_plan: Arc::clone(&line.dial_plan),
            emergency_numbers: line.emergency_numbers.as_slice().into(),
            hotline: line.hotline.clone(),
            timers: line.timers,
            codecs: line
                .codecs
                .iter()
                .map(|codec| match codec {
                    model::Codec::Pcma => Codec::Pcma,
                    model::Codec::Pcmu => Codec::Pcmu,
                })
                .collect(),
            dtmf: match line.dtmf {
                model::DtmfRelay::Rfc4733 => DtmfRelay::Rfc4733,
                model::DtmfRelay::Info => DtmfRelay::Info,
                model::DtmfRelay::Inband => DtmfRelay::Inband,
            },
            packet_time_ms: media.packet_time_ms,
            ring_timeout_s: line.ring_timeout_s,
            rtp_timeout_s: media.rtp_timeout_s,
            rtp_timeout_ends_call: media.on_rtp_timeout == model::OnRtpTimeout::End,
            disconnect_open_ms: line.disconnect_open_ms,
            answer_reversal: line.answer_reversal,
            emergency_hold_s: model.emergency.hold_line_s,
            nat: nat(line, model),
            srtp: match account.map(|account| account.srtp) {
                None | Some(model::Srtp::Off) => SrtpPolicy::Off,
                Some(model::Srtp::Optional) => SrtpPolicy::Optional,
                Some(model::Srtp::Required) => SrtpPolicy::Required,
                Some(model::Srtp::Dtls) => SrtpPolicy::Dtls,
            },
            services: services(&line.services),
            refusal_tones: account.map_or_else(RefusalTones::default, |account| RefusalTones {
                unavailable: account.refusal_tones.unavailable,
                rejected: account.refusal_tones.rejected,
            }),
        },
    }
}

fn services(services: &model::Services) -> Services {
    Services {
        flash: match services.flash {
            model::FlashStyle::Hold => FlashStyle::Hold,
            model::FlashStyle::Switch => FlashStyle::Switch,
            model::FlashStyle::Digit => FlashStyle::Digit,
            model::FlashStyle::Off => FlashStyle::Off,
        },
        transfer_on_hang_up: services.transfer_on_hang_up,
        blind_transfer_code: services.blind_transfer_code.clone(),
        withhold_number_code: services.withhold_number_code.clone(),
        call_waiting: services.call_waiting,
        reject_anonymous: services.reject_anonymous,
        accept_referrals: match services.accept_referrals {
            model::ReferralPolicy::Server => ReferralPolicy::Server,
            model::ReferralPolicy::Always => ReferralPolicy::Always,
            model::ReferralPolicy::Never => ReferralPolicy::Never,
        },
    }
}

fn line_setup(line: &model::Line, media: &model::Media) -> LineSetup {
    let hardware = match &line.interface {
        model::Interface::Virtual { socket } => Hardware::Virtual {
            socket: socket.clone(),
        },
        model::Interface::GpioModule(settings) => Hardware::GpioModule(Box::new(ModuleSetup {
            settings: settings.as_ref().clone(),
            ring_hz: settings
                .ring_frequency_hz
                .map_or(line.zone.ring.frequency_hz.into(), f64::from),
        })),
    };
    LineSetup {
        name: LineName(line.name.as_str().into()),
        hardware,
        voice: VoiceConfig {
            gain_to_line_db: line.gain_rx_db,
            gain_from_line_db: line.gain_tx_db,
            jitter: JitterConfig {
                min_ms: media.jitter_min_ms,
                initial_ms: JitterConfig::default()
                    .initial_ms
                    .clamp(media.jitter_min_ms, media.jitter_max_ms),
                max_ms: media.jitter_max_ms,
            },
            echo_canceller: line.echo_canceller,
        },
    }
}

fn transport(transport: model::Transport) -> Transport {
    match transport {
        model::Transport::Udp => Transport::Udp,
        model::Transport::Tcp => Transport::Tcp,
        model::Transport::Tls => Transport::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_line_waits_for_late_packets_as_configured() {
        let text = "country: ua\nmedia: {jitter_min_ms: 3, jitter_max_ms: 150}\n\
                    lines: [{name: hall, interface: {driver: virtual, socket: /run/hall.sock}}]\n";
        let config = config::check(text.as_bytes(), "t.yaml").model.unwrap();
        let jitter = line_setup(&config.lines[0], &config.media).voice.jitter;
        assert_eq!((jitter.min_ms, jitter.initial_ms, jitter.max_ms), (3, 10, 150));
    }
}
