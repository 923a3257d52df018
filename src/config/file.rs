//! The file as it is typed: every key with its type, default and description. The JSON Schema is made from this.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::accept_from::Source;
use super::address::{BindAddress, DnsServer, FilePath, PortRange, SocketPath};
use super::dial_plan::DialPlanText;
use super::interface_file::InterfaceFile;
use super::nat::{IpAddress, NatServer};
use super::problem::Problems;
use super::section::{Located, Value, choice, section};
use super::server::ServerUri;
use super::services::ServicesFile;
use super::tree::{Content, Node};
use super::value::{
    Callee, DelimiterKey, Domain, Gain, HeaderText, Keys, MailboxText, Name, Secret, SipUriText, Text, Uri,
    User, Whole,
};

section! {
    /// Configuration of tipring.
    File {
        /// Country whose exchange the lines sound and behave like: ISO 3166-1 alpha-2 code, in either case. It
        /// decides tones, ring cadences, caller ID, hook windows, pulse mapping and emergency numbers.
        country: required Text;
        /// Our end of SIP.
        sip: default SipFile = "{}";
        /// TLS, for SIP: whom to trust, and our own certificate where there is one.
        tls: default TlsFile = "{}";
        /// RTP and what is done with it.
        media: default MediaFile = "{}";
        /// How media finds its way through routers that translate addresses.
        nat: default NatFile = "{}";
        /// The daemon's control socket.
        control: default ControlFile = "{}";
        /// Emergency calls.
        emergency: default EmergencyFile = "{}";
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
        /// Transports that may be used. TLS listens only where `tls.certificate_file` is given; connections of ours
        /// need none.
        transports: default Vec<Located<TransportName>> = "[udp, tcp, tls]";
        /// Value of the User-Agent and Server headers; empty: none are sent. Default: the program's name and
        /// version.
        user_agent: optional HeaderText;
        /// Who may speak to us beside the accounts' servers and the peers of calls: addresses (192.0.2.7), networks
        /// (192.0.2.0/24, "2001:db8::/32"), or any. Everybody else gets no answer at all. `any` lets scanners ring
        /// the telephones.
        accept_from: optional Vec<Located<Source>>;
        /// Name servers to ask instead of those of /etc/resolv.conf: ADDRESS or ADDRESS:PORT.
        dns_servers: default Vec<Located<DnsServer>> = "[]";
    }
}

section! {
    /// TLS, for SIP: whom to trust, and our own certificate where there is one. Servers that are asked for by
    /// `sips:` or `;transport=tls` have to prove that they are the domain asked for.
    TlsFile {
        /// Path of further certificate authorities that are trusted beside the system's, PEM.
        ca_file: optional FilePath;
        /// Whether servers have to prove who they are; false: whoever sits on the way can read passwords and calls.
        verify: default bool = "true";
        /// Path of our own certificate, PEM, with those that lead to its authority. It is shown to servers that ask
        /// for one, and makes us listen for TLS.
        certificate_file: optional FilePath;
        /// Path of its private key, PEM.
        key_file: optional FilePath;
        /// Port of the TLS listener. Default: the port after that of `sip.bind`.
        port: optional Whole<1, 65535>;
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
        /// Shortest delay of the jitter buffer beside the turn of 10 ms that a packet just missed, ms.
        jitter_min_ms: default Whole<1, 500> = "5";
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

choice! {
    /// What a call does that is sent elsewhere.
    RedirectsName {
        /// It goes there.
        Follow = "follow",
        /// It fails.
        Refuse = "refuse",
    }
}

section! {
    /// How media finds its way through routers that translate addresses.
    NatFile {
        /// Whether ICE is spoken: never, with peers that offer it, or offered in every call.
        ice: default IceName = "answer";
        /// A STUN server, HOST[:PORT], port 3478 unless given: it tells the address that our sockets have outside, which
        /// is then told to peers. Not needed where all peers are in the same network, or send to where media comes from.
        stun_server: optional NatServer;
        /// A TURN server, HOST[:PORT], port 3478 unless given: with peers that do ICE, media goes through it where there
        /// is no other way.
        turn_server: optional NatServer;
        /// User name at the TURN server.
        turn_username: optional User;
        /// Password at the TURN server, in quotes. Not together with `turn_password_file`.
        turn_password: optional Secret;
        /// Path of a file whose first line is the password.
        turn_password_file: optional FilePath;
        /// Address outside of a router that passes `media.rtp_ports` on to this machine as they are. The STUN server is
        /// not asked then.
        external_address: optional IpAddress;
    }
}

choice! {
    /// Whether ICE is spoken.
    IceName {
        /// Never.
        Off = "off",
        /// With peers that offer it.
        Answer = "answer",
        /// It is offered in every call.
        Offer = "offer",
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
    /// Emergency calls: they go through the line's account, and where that fails through every other, registered or
    /// not.
    EmergencyFile {
        /// Whether their INVITE says Priority: emergency.
        priority: default bool = "true";
        /// Where the telephones are, as a URI for the Geolocation header (RFC 6442): a location server's (https:)
        /// or presence (sip:, pres:).
        geolocation: optional Uri;
        /// Whether that location may decide where the call is sent (Geolocation-Routing).
        geolocation_routing: default bool = "true";
        /// Whether urn:service:sos is called (RFC 5031) instead of the number that was dialled. The server must
        /// know it.
        service_urn: default bool = "false";
        /// Hanging up ends an emergency call only after so long, s; lifting the handset goes on with it. 0: at once.
        hold_line_s: default Whole<0, 3600> = "0";
    }
}

section! {
    /// An account at a SIP server.
    AccountFile {
        /// Registrar and proxy: sip:HOST[:PORT][;transport=udp|tcp|tls], or sips:HOST[:PORT] for TLS all the way.
        /// Without a port or transport they are found as RFC 3263 says.
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
        /// Whether ICE is spoken in calls through this account. Default: as `nat.ice` says.
        ice: optional IceName;
        /// Time between registrations to ask for, s. The server's answer decides.
        expires_s: default Whole<10, 86400> = "300";
        /// Addresses and networks that are heard as if they were the account's server: those a provider calls from
        /// without naming them in DNS.
        accept_from: optional Vec<Located<Source>>;
        /// Emergency numbers beside the country's, for the lines of this account.
        emergency_numbers: optional Vec<Located<Keys>>;
        /// Time after which a call has ended whose far end no longer answers, s (RFC 4028); at least 90. 0: only what
        /// the far end asks for.
        session_expires_s: default Whole<0, 86400> = "1800";
        /// What a call does that the server sends elsewhere (3xx): follow, up to five times and never with this
        /// account's password to a foreign server, or refuse.
        redirects: default RedirectsName = "follow";
        /// Whether calls over this account are encrypted (SRTP).
        srtp: default SrtpName = "off";
        /// Whether the server may ask for the password by MD5. It is used only where nothing stronger is offered;
        /// false refuses it then, too.
        digest_md5: default bool = "true";
        /// Whether the registrar is asked to keep our connection and call us over it (RFC 5626); registrars that
        /// don't know that ignore it.
        outbound: default bool = "true";
        /// How the way to the server is kept open and watched: by CRLF (answered on TCP and TLS; on UDP only behind a
        /// NAT, and unanswered), by OPTIONS requests, or not.
        keep_alive: default KeepAliveName = "crlf";
        /// Time between keep-alives, s. A server may ask for less.
        keep_alive_s: default Whole<5, 3600> = "29";
        /// Wait before registering again after the server has forbidden it (403), s.
        forbidden_wait_s: default Whole<60, 86400> = "1200";
        /// Messages waiting: true subscribes to those of the account, a sip: URI to those of that mailbox. false: no
        /// subscription; what the server tells of its own accord is heeded all the same.
        message_waiting: default MailboxText = "false";
        /// Whether to subscribe to the state of our own registration (RFC 3680): a binding that the server drops is made
        /// anew at once.
        registration_event: default bool = "false";
        /// Whether the server is told when somebody is on the telephone (PUBLISH, RFC 3903).
        publish_presence: default bool = "false";
        /// Where a report of the voice quality goes after each call (RFC 6035): a sip: URI. Default: nowhere.
        voice_quality_reports: optional SipUriText;
        /// Whether called parties aren't shown who calls. Emergency calls always say it.
        anonymous: default bool = "false";
        /// What is heard when the called party is not available (480).
        unavailable_tone: default RefusalToneName = "congestion";
        /// What is heard when the called party declines the call (603, 607, 608).
        rejected_tone: default RefusalToneName = "busy";
    }
}

choice! {
    /// A tone of the country's for a called party that cannot be had.
    RefusalToneName {
        /// As for an engaged line.
        Busy = "busy",
        /// As for a network that cannot connect.
        Congestion = "congestion",
        /// As for a number that does not exist.
        Unobtainable = "unobtainable",
        /// As for a service that is refused.
        Rejection = "rejection",
    }
}

choice! {
    /// Whether calls are encrypted.
    SrtpName {
        /// Never: offers of encrypted media only are refused.
        Off = "off",
        /// Where the other side can: plain RTP is offered with keys beside it.
        Optional = "optional",
        /// Always, with keys in SIP (SDES): a call that isn't encrypted is refused.
        Required = "required",
        /// Always, with keys that the media sockets agree on by themselves (DTLS-SRTP): whoever reads SIP can't hear the
        /// calls.
        Dtls = "dtls",
    }
}

choice! {
    /// How the way to a server is kept open and watched.
    KeepAliveName {
        /// Line ends, as RFC 5626 has it.
        Crlf = "crlf",
        /// OPTIONS requests.
        Options = "options",
        /// Not at all.
        Off = "off",
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
        /// and P n. Default: every number passes; on a line without an account the other lines' numbers are called
        /// without waiting for more digits. Emergency numbers always pass.
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
        /// Emergency numbers of this line beside the country's and the account's.
        emergency_numbers: optional Vec<Located<Keys>>;
        /// What the line offers beside plain calls.
        services: default ServicesFile = "{}";
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
