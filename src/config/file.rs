//! The file as it is typed: every key with its type, default and description. The JSON Schema is made from this.

use super::section::{Located, choice, section};
use super::server::ServerUri;
use super::value::{
    BindAddress, Callee, DelimiterKey, Domain, FilePath, Gain, GpioLineText, HeaderText, Keys, Name,
    PortRange, Secret, SocketPath, Text, User, Whole,
};

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use super::problem::{Place, Problems};
use super::section::Value;
use super::tree::{Content, Node};

section! {
    /// Configuration of tipring.
    File {
        /// Country whose exchange the lines sound and behave like: ISO 3166-1 alpha-2 code, in either case. It
        /// decides tones, ring cadences, caller ID, hook windows, pulse mapping and emergency numbers.
        country: required Text;
        /// Our end of SIP.
        sip: default SipFile = "{}";
        /// RTP and what is done with it.
        media: default MediaFile = "{}";
        /// The daemon's control socket.
        control: default ControlFile = "{}";
        /// Accounts at SIP servers, by the names that lines call them.
        accounts: optional Accounts;
        /// Telephone lines.
        lines: optional Vec<Located<LineFile>>;
    }
}

section! {
    /// Our end of SIP.
    SipFile {
        /// Address and port of the sockets, one a transport, for all accounts. Port 0: any free one.
        bind: default BindAddress = "0.0.0.0:5060";
        /// Transports that sockets are opened for.
        transports: default Vec<Located<TransportName>> = "[udp, tcp]";
        /// Value of the User-Agent and Server headers; empty: none are sent. Default: the program's name and
        /// version.
        user_agent: optional HeaderText;
    }
}

choice! {
    /// A transport of SIP.
    TransportName {
        /// Datagrams.
        Udp = "udp",
        /// Stream.
        Tcp = "tcp",
        /// Stream with TLS.
        Tls = "tls",
    }
}

section! {
    /// RTP and what is done with it.
    MediaFile {
        /// Ports for RTP (even ones) and RTCP (the odd ones after them), first and last. Two calls a line need
        /// four.
        rtp_ports: default PortRange = "16384-16482";
        /// Audio in one packet that is sent, ms: 10, 20, 30, 40, 50 or 60. What a peer asks for goes first.
        packet_time_ms: default Whole<10, 60> = "20";
        /// Shortest delay of the jitter buffer, ms.
        jitter_min_ms: default Whole<10, 500> = "10";
        /// Longest delay of the jitter buffer, ms.
        jitter_max_ms: default Whole<20, 1000> = "200";
        /// A talking call without a packet for so long has lost its media, s. 0: never.
        rtp_timeout_s: default Whole<0, 3600> = "30";
        /// What is done about it: the call is ended, or the event is reported only.
        on_rtp_timeout: default OnRtpTimeoutName = "end";
    }
}

choice! {
    /// What becomes of a call whose RTP has stopped.
    OnRtpTimeoutName {
        /// It is ended.
        End = "end",
        /// It goes on.
        Flag = "flag",
    }
}

section! {
    /// The daemon's control socket.
    ControlFile {
        /// Path of the socket. Default: /run/tipring/control.sock, or under a user
        /// $XDG_RUNTIME_DIR/tipring/control.sock.
        socket: optional SocketPath;
    }
}

section! {
    /// An account at a SIP server.
    AccountFile {
        /// Registrar and proxy: sip:HOST[:PORT][;transport=udp|tcp]. Without a port or transport they are found
        /// as RFC 3263 says.
        server: required ServerUri;
        /// User part of the address of record. In quotes where it has leading zeros.
        username: required User;
        /// User name for digest authentication. Default: `username`.
        auth_username: optional User;
        /// Domain of the address of record. Default: the server's host.
        domain: optional Domain;
        /// Name that the called party is shown.
        display_name: optional Text;
        /// Password, in quotes. Not together with `password_file`.
        password: optional Secret;
        /// Path of a file whose first line is the password.
        password_file: optional FilePath;
        /// Whether to register; false: calls go to `server` unregistered (a trunk by address).
        register: default bool = "true";
        /// Time between registrations to ask for, s. The server's answer decides.
        expires_s: default Whole<10, 86400> = "300";
    }
}

section! {
    /// A telephone line.
    LineFile {
        /// What the line is called in commands and events.
        name: required Name;
        /// The account its calls go through. Without one it reaches the other lines of this machine only.
        account: optional Name;
        /// The number that other lines of this machine dial for it.
        number: optional Keys;
        /// Country of this line. Default: the country of the file.
        country: optional Text;
        /// What the telephone is plugged into.
        interface: required InterfaceFile;
        /// Digit map, in the notation of Cisco SPA and Obihai devices:
        /// (*xx|[3469]11|0|00|[2-9]xxxxxx|1xxx[2-9]xxxxxxS0|xxxxxxxxxxxx.) with <dialled:sent>, !, `,`, S n, L n
        /// and P n. Default: every number passes. Emergency numbers always pass.
        dial_plan: optional DialPlanText;
        /// Wait for the first digit after off-hook, s.
        first_digit_s: default Whole<1, 60> = "16";
        /// Wait for the next digit of an incomplete number, s.
        interdigit_long_s: default Whole<1, 64> = "10";
        /// Wait for more digits after a number that is complete but could be longer, s. Default: 3 with a dial
        /// plan, 4 without.
        interdigit_short_s: optional Whole<1, 64>;
        /// A number that is called without dialling.
        hotline: optional HotlineFile;
        /// Codecs, best first: PCMA, PCMU (G722 is not offered yet). Default: both, the country's law first.
        codecs: optional Vec<Located<CodecName>>;
        /// How keys pressed in a call are sent: RFC 4733 telephone-events, SIP INFO, or in the audio.
        dtmf: default DtmfName = "rfc4733";
        /// Whether the telephone's echo is taken out of what is sent; false leaves the audio untouched.
        echo_canceller: default bool = "true";
        /// Gain from the telephone to the network, dB.
        gain_tx_db: default Gain<-20, 12> = "0";
        /// Gain from the network to the telephone, dB.
        gain_rx_db: default Gain<-20, 12> = "0";
        /// How the telephone is told who calls. Default: as in the country.
        caller_id: optional CallerIdFile;
        /// Windows of the hook switch where the telephone needs others than the country's.
        hook: default HookFile = "{}";
        /// Whether breaks of the loop can be dial pulses.
        pulse_dialing: default bool = "true";
        /// An incoming call rings at most so long, s.
        ring_timeout_s: default Whole<5, 600> = "60";
        /// The loop opens for so long when the far end has hung up (calling-party control), ms. 0: never.
        disconnect_open_ms: default Whole<0, 2000> = "0";
        /// Whether the called party's answer reverses the battery.
        answer_reversal: default bool = "false";
    }
}

choice! {
    /// A codec.
    CodecName {
        /// G.711 A-law.
        Pcma = "PCMA",
        /// G.711 µ-law.
        Pcmu = "PCMU",
        /// G.722.
        G722 = "G722",
    }
}

choice! {
    /// How keys pressed in a call are sent.
    DtmfName {
        /// Telephone-events.
        Rfc4733 = "rfc4733",
        /// SIP INFO.
        Info = "info",
        /// In the audio.
        Inband = "inband",
    }
}

section! {
    /// A number that is called without dialling.
    HotlineFile {
        /// What is called.
        number: required Callee;
        /// How long after off-hook, s; a digit dialled before that stops it. 0: at once.
        delay_s: default Whole<0, 60> = "0";
    }
}

section! {
    /// How the telephone is told who calls.
    CallerIdFile {
        /// none, fsk_bell202_after_ring, fsk_v23_after_ring, fsk_v23_ring_pulse, fsk_v23_alert_tone,
        /// fsk_v23_reversal_alert_tone, dtmf_before_ring, dtmf_reversal_before_ring, dtmf_after_ring or ntt.
        method: required Text;
        /// First key of caller ID by DTMF. Default: the country's, else A.
        start: optional DelimiterKey;
        /// Last key of caller ID by DTMF. Default: the country's, else C.
        stop: optional DelimiterKey;
    }
}

section! {
    /// Windows of the hook switch where the telephone needs others than the country's.
    HookFile {
        /// A change of the loop counts once it has lasted so long, ms.
        debounce_ms: optional Whole<2, 30>;
        /// Shortest break that is a dial pulse, ms.
        pulse_break_min_ms: optional Whole<5, 60>;
        /// Longest break that is a dial pulse, ms.
        pulse_break_max_ms: optional Whole<40, 200>;
        /// A pulsed digit is complete once the loop has been closed so long, ms.
        interdigit_ms: optional Whole<100, 1000>;
        /// Shortest break that is a hook flash (register recall), ms.
        flash_min_ms: optional Whole<30, 2000>;
        /// Longest break that is a hook flash (register recall), ms.
        flash_max_ms: optional Whole<50, 3000>;
        /// A break so long is a hang-up, ms. Default: the country's, and 100 more than the longest flash.
        hang_up_ms: optional Whole<100, 5000>;
    }
}

section! {
    /// A telephone in software.
    VirtualFile {
        /// virtual: a telephone that connects to a socket (`tipring phone`).
        driver: required VirtualDriver;
        /// Path of the Unix socket that the telephone connects to.
        socket: required SocketPath;
    }
}

choice! {
    /// A driver.
    VirtualDriver {
        /// A telephone in software.
        Virtual = "virtual",
    }
}

section! {
    /// A SLIC module on GPIO pins (KS0835F, Ag1171, Ag1170), its audio by a sound card.
    GpioModuleFile {
        /// gpio_module: a SLIC module on GPIO pins.
        driver: required GpioModuleDriver;
        /// Which module.
        module: required ModuleName;
        /// GPIO chip: its name (gpiochip0), its label, or the path of its device.
        gpiochip: default Text = "gpiochip0";
        /// Input SHK (hook): number or name of its line.
        shk_line: required GpioLineText;
        /// Output RM (ringing supply): number or name of its line.
        rm_line: required GpioLineText;
        /// Output F/R (polarity): number or name of its line.
        fr_line: required GpioLineText;
        /// Output PD (power down), open drain: number or name of its line. Default: not wired.
        pd_line: optional GpioLineText;
        /// Level of SHK that means off hook.
        off_hook_level: default LevelName = "high";
        /// Level of F/R that is forward battery, and that it keeps outside ringing. Default: the data sheet's.
        forward_level: optional LevelName;
        /// Frequency of the ringing voltage, Hz. Default: the country's.
        ring_frequency_hz: optional Whole<15, 50>;
        /// The sound card that the module's audio is wired to.
        audio: required SoundCardFile;
    }
}

choice! {
    /// A driver.
    GpioModuleDriver {
        /// A SLIC module on GPIO pins.
        GpioModule = "gpio_module",
    }
}

choice! {
    /// A module.
    ModuleName {
        /// Shenzhen Ring&tone KS0835F.
        Ks0835f = "ks0835f",
        /// Silvertel Ag1171.
        Ag1171 = "ag1171",
        /// Silvertel Ag1170.
        Ag1170 = "ag1170",
    }
}

choice! {
    /// A logic level.
    LevelName {
        /// High.
        High = "high",
        /// Low.
        Low = "low",
    }
}

section! {
    /// A sound card.
    SoundCardFile {
        /// ALSA name of the card, as in brackets in /proc/asound/cards; or a whole PCM name with its `:`.
        card: required Text;
        /// PCM device on the card.
        device: default Whole<0, 31> = "0";
        /// Channel that the line is wired to, counted from 0.
        channel: default Whole<0, 31> = "0";
        /// Sample rate, Hz. Default: 8000 where the hardware has it, else 48000.
        rate_hz: optional Whole<8000, 192000>;
        /// One period of the hardware, ms.
        period_ms: default Whole<2, 40> = "10";
        /// Periods in the hardware's buffer.
        periods: default Whole<2, 16> = "3";
    }
}

/// What a telephone is plugged into: its `driver` says which keys follow.
#[derive(Clone, Debug)]
pub(super) enum InterfaceFile {
    Virtual(VirtualFile),
    GpioModule(Box<GpioModuleFile>),
}

#[derive(Clone, Copy)]
enum Driver {
    Virtual,
    GpioModule,
}

impl Value for InterfaceFile {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Content::Map(entries) = &node.content else {
            if !matches!(node.content, Content::Broken) {
                problems.error(
                    node.place,
                    format!("expected a section with keys, found {}", node.kind()),
                );
            }
            return None;
        };
        let Some((_, driver)) = entries.iter().find(|(key, _)| key.text == "driver") else {
            problems.error(node.place, "`driver` is missing: `virtual` or `gpio_module`");
            return None;
        };
        let drivers = [("virtual", Driver::Virtual), ("gpio_module", Driver::GpioModule)];
        match super::value::one_of(driver, &drivers, problems)? {
            Driver::Virtual => {
                let file = VirtualFile::read(node, problems)?;
                file.driver.is_some().then_some(Self::Virtual(file))
            }
            Driver::GpioModule => {
                let file = GpioModuleFile::read(node, problems)?;
                file.driver.is_some().then(|| Self::GpioModule(Box::new(file)))
            }
        }
    }
}

impl JsonSchema for InterfaceFile {
    fn schema_name() -> Cow<'static, str> {
        "InterfaceFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "oneOf": [
                generator.subschema_for::<VirtualFile>(),
                generator.subschema_for::<GpioModuleFile>(),
            ]
        })
    }
}

/// Accounts by name, in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Accounts(pub Vec<(Located<Name>, AccountFile)>);

impl Value for Accounts {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let entries = match &node.content {
            Content::Map(entries) => entries.as_slice(),
            _ if node.is_null() => &[],
            Content::Broken => return None,
            Content::Scalar { .. } | Content::List(_) => {
                let expected = "accounts by their names, as in `office:` with keys below it";
                problems.error(node.place, format!("expected {expected}, found {}", node.kind()));
                return None;
            }
        };
        let mut accounts: Vec<(Located<Name>, AccountFile)> = Vec::new();
        for (key, node) in entries {
            let name = Node {
                place: key.place,
                content: Content::Scalar {
                    text: key.text.clone(),
                    plain: false,
                    verbatim: false,
                },
            };
            let name = Located::<Name>::read(&name, problems);
            let account = AccountFile::read(node, problems);
            let (Some(name), Some(account)) = (name, account) else {
                continue;
            };
            if accounts.iter().any(|(known, _)| known.value == name.value) {
                problems.error(name.place, format!("account `{}` is repeated", name.value.0));
            } else {
                accounts.push((name, account));
            }
        }
        Some(Self(accounts))
    }
}

impl JsonSchema for Accounts {
    fn schema_name() -> Cow<'static, str> {
        "Accounts".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<AccountFile>(),
        })
    }
}

/// A digit map, and the place of its first character.
#[derive(Clone, Debug)]
pub(super) struct DialPlanText {
    pub plan: crate::dial::DialPlan,
}

impl Value for DialPlanText {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Content::Scalar {
            text,
            plain,
            verbatim,
        } = &node.content
        else {
            if !matches!(node.content, Content::Broken) {
                problems.error(
                    node.place,
                    format!("expected a dial plan in quotes, found {}", node.kind()),
                );
            }
            return None;
        };
        match crate::dial::DialPlan::parse(text) {
            Ok(plan) => Some(Self { plan }),
            Err(error) => {
                let Place { line, column } = node.place;
                let inside = error.offset + usize::from(!plain);
                let column = if *verbatim {
                    column.saturating_add(u32::try_from(inside).unwrap_or(u32::MAX))
                } else {
                    column
                };
                problems.error(Place { line, column }, format!("dial plan: {error}"));
                None
            }
        }
    }
}

impl JsonSchema for DialPlanText {
    fn schema_name() -> Cow<'static, str> {
        "DialPlanText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "maxLength": crate::dial::DialPlan::TEXT_MAX, "examples": [json!("(xx.)")] })
    }
}
