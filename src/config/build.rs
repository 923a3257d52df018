//! From the file as typed to the checked model: names looked up, countries read, conflicts found.

use std::collections::HashMap;
use std::sync::Arc;

use crate::zone::{self, Zone};

use super::accept_from;
use super::emergency;
use super::file::{
    AccountFile, Accounts, File, KeepAliveName, OnRtpTimeoutName, RedirectsName, SipFile, SrtpName, TlsFile,
    TransportName,
};
use super::line::{self, Unique};
use super::model::{
    Account, AccountEvents, Control, KeepAlive, Media, MessageWaiting, Model, OnRtpTimeout, Password, Sip,
    Srtp, Tls, TlsIdentity, Transport,
};
use super::nat;
use super::nearest::suggestion;
use super::problem::{Place, Problems};
use super::refusals;
use super::section::Located;

/// `None` after an error that leaves nothing to use.
pub(super) fn model(file: File, problems: &mut Problems) -> Option<Model> {
    let sip = sip(&file.sip.value, problems);
    let tls = tls(&file.tls, problems);
    let media = media(&file, problems);
    let accounts = accounts(file.accounts, &sip, problems);
    let mut countries = Countries::default();
    let country = file
        .country
        .and_then(|code| countries.zone(&code.value.0, code.place, problems));
    let line_files = file.lines.map_or(Vec::new(), |lines| lines.value);
    if line_files.is_empty() {
        problems.warning(Place::START, "there are no `lines`: no telephone can be used");
    }
    let numbers: Vec<String> = line_files
        .iter()
        .filter_map(|line| Some(line.value.number.as_ref()?.value.0.clone()))
        .collect();
    let mut unique = Unique::default();
    let mut lines = Vec::new();
    for line in line_files {
        let zone = match &line.value.country {
            Some(code) => countries.zone(&code.value.0, code.place, problems),
            None => country.clone(),
        };
        lines.extend(line::model(
            line.value,
            zone,
            &accounts.names,
            &numbers,
            &mut unique,
            problems,
        ));
    }
    let pairs = file.media.value.rtp_ports.value.pairs();
    if pairs < lines.len() {
        let text = format!(
            "too few ports for {} lines: each needs two, an even one and the odd one after it",
            lines.len()
        );
        problems.error(file.media.value.rtp_ports.place, text);
    } else if pairs < 2 * lines.len() {
        let text = "too few ports for two calls on every line: four a line are enough".to_owned();
        problems.warning(file.media.value.rtp_ports.place, text);
    }
    emergency::complete(&mut lines, &accounts.list);
    Some(Model {
        sip,
        tls,
        emergency: emergency::model(&file.emergency.value),
        media,
        nat: nat::nat(&file.nat, problems),
        control: Control {
            socket: file.control.value.socket.map(|socket| socket.value.0),
        },
        accounts: accounts.list,
        lines,
    })
}

fn sip(file: &SipFile, problems: &mut Problems) -> Sip {
    let mut transports = Vec::new();
    for name in &file.transports.value {
        let transport = match name.value {
            TransportName::Udp => Transport::Udp,
            TransportName::Tcp => Transport::Tcp,
            TransportName::Tls => Transport::Tls,
        };
        if transports.contains(&transport) {
            problems.error(name.place, "this transport is repeated");
        } else {
            transports.push(transport);
        }
    }
    if file.transports.value.is_empty() {
        problems.error(file.transports.place, "expected at least one transport");
    }
    Sip {
        bind: file.bind.value.0,
        transports,
        user_agent: match &file.user_agent {
            Some(user_agent) => user_agent.value.0.clone(),
            None => concat!("tipring/", env!("CARGO_PKG_VERSION")).to_owned(),
        },
        accept_from: accept_from::model(file.accept_from.as_ref()),
        dns_servers: file
            .dns_servers
            .value
            .iter()
            .map(|server| server.value.0)
            .collect(),
    }
}

fn tls(file: &Located<TlsFile>, problems: &mut Problems) -> Tls {
    let tls = &file.value;
    let identity = match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => Some(TlsIdentity {
            certificate_file: certificate.value.0.clone(),
            key_file: key.value.0.clone(),
        }),
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => {
            problems.error(one.place, "`certificate_file` and `key_file` go together");
            None
        }
    };
    if let (None, Some(port)) = (&identity, &tls.port) {
        problems.warning(
            port.place,
            "without `certificate_file` there is no TLS listener, and no port for it",
        );
    }
    if !tls.verify.value {
        let text = "servers don't have to prove who they are: passwords and calls can be read on the way";
        problems.warning(tls.verify.place, text);
    }
    Tls {
        ca_file: tls.ca_file.as_ref().map(|path| path.value.0.clone()),
        verify: tls.verify.value,
        identity,
        port: tls.port.as_ref().map(|port| narrow(port.value.0)),
    }
}

fn media(file: &File, problems: &mut Problems) -> Media {
    let media = &file.media.value;
    if !media.packet_time_ms.value.0.is_multiple_of(10) {
        problems.error(media.packet_time_ms.place, "expected 10, 20, 30, 40, 50 or 60");
    }
    let (min, max) = (&media.jitter_min_ms, &media.jitter_max_ms);
    if min.value.0 >= max.value.0 {
        let text = format!(
            "`jitter_min_ms` ({} ms) must be below `jitter_max_ms` ({} ms)",
            min.value.0, max.value.0
        );
        problems.error(min.place.max(max.place), text);
    }
    Media {
        rtp_port_first: media.rtp_ports.value.first,
        rtp_port_last: media.rtp_ports.value.last,
        packet_time_ms: narrow(media.packet_time_ms.value.0),
        jitter_min_ms: narrow(min.value.0),
        jitter_max_ms: narrow(max.value.0),
        rtp_timeout_s: media.rtp_timeout_s.value.0,
        on_rtp_timeout: match media.on_rtp_timeout.value {
            OnRtpTimeoutName::End => OnRtpTimeout::End,
            OnRtpTimeoutName::Flag => OnRtpTimeout::Flag,
        },
    }
}

/// A number that its key's range keeps far below the type's end.
pub(super) fn narrow<T: TryFrom<u32> + Default>(number: u32) -> T {
    T::try_from(number).unwrap_or_default()
}

struct CheckedAccounts {
    list: Vec<Account>,
    /// Of all that are written, those with errors too.
    names: Vec<String>,
}

fn accounts(file: Option<Located<Accounts>>, sip: &Sip, problems: &mut Problems) -> CheckedAccounts {
    let written = file.map_or(Vec::new(), |accounts| accounts.value.0);
    let names = written.iter().map(|(name, _)| name.value.0.clone()).collect();
    let list = written
        .into_iter()
        .filter_map(|(name, file)| account(name.value.0, file, sip, problems));
    CheckedAccounts {
        list: list.collect(),
        names,
    }
}

fn account(name: String, file: AccountFile, sip: &Sip, problems: &mut Problems) -> Option<Account> {
    let password = match (file.password, file.password_file) {
        (Some(password), Some(path)) => {
            let place = password.place.max(path.place);
            problems.error(
                place,
                "`password` and `password_file` are both given: one of them is enough",
            );
            Password::None
        }
        (Some(password), None) => Password::Given(password.value.0),
        (None, Some(path)) => Password::File(path.value.0),
        (None, None) => Password::None,
    };
    let server = file.server?;
    let asked = if server.value.0.secure {
        Some(Transport::Tls)
    } else {
        server.value.0.transport
    };
    if let Some(transport) = asked
        && !sip.transports.contains(&transport)
    {
        problems.error(server.place, "this transport is not among `sip.transports`");
    }
    let tls = Transport::Tls;
    let only_tls = asked == Some(tls) || (asked.is_none() && sip.transports == [tls]);
    if matches!(file.session_expires_s.value.0, 1..90) {
        // RFC 4028 section 4.
        problems.error(
            file.session_expires_s.place,
            "expected at least 90, or 0 for no session timer",
        );
    }
    Some(Account {
        name,
        server: server.value.0,
        username: file.username?.value.0,
        auth_username: file.auth_username.map(|name| name.value.0),
        domain: file.domain.map(|domain| domain.value.0),
        display_name: file.display_name.map(|name| name.value.0),
        password,
        register: file.register.value,
        ice: file.ice.map(|ice| nat::ice(ice.value)),
        expires_s: file.expires_s.value.0,
        accept_from: accept_from::account_model(file.accept_from.as_ref(), problems),
        emergency_numbers: emergency::numbers(file.emergency_numbers),
        session_expires_s: file.session_expires_s.value.0,
        follow_redirects: matches!(file.redirects.value, RedirectsName::Follow),
        srtp: srtp(&file.srtp, only_tls, problems),
        refusal_tones: refusals::tones(&file.unavailable_tone, &file.rejected_tone),
        digest_md5: file.digest_md5.value,
        outbound: file.outbound.value,
        keep_alive: match file.keep_alive.value {
            KeepAliveName::Crlf => KeepAlive::Crlf,
            KeepAliveName::Options => KeepAlive::Options,
            KeepAliveName::Off => KeepAlive::Off,
        },
        keep_alive_s: file.keep_alive_s.value.0,
        forbidden_wait_s: file.forbidden_wait_s.value.0,
        events: AccountEvents {
            message_waiting: match file.message_waiting.value.0.as_str() {
                "false" => MessageWaiting::Unasked,
                "true" => MessageWaiting::Own,
                mailbox => MessageWaiting::Mailbox(mailbox.to_owned()),
            },
            registration: file.registration_event.value,
            publish_presence: file.publish_presence.value,
            voice_quality_reports: file.voice_quality_reports.map(|uri| uri.value.0),
            anonymous: file.anonymous.value,
        },
    })
}

fn srtp(name: &Located<SrtpName>, only_tls: bool, problems: &mut Problems) -> Srtp {
    let srtp = match name.value {
        SrtpName::Off => return Srtp::Off,
        SrtpName::Optional => Srtp::Optional,
        SrtpName::Required => Srtp::Required,
        // Fingerprints are no secret.
        SrtpName::Dtls => return Srtp::Dtls,
    };
    if !only_tls {
        let text = "the keys of encrypted calls travel in SIP messages, which nothing but TLS encrypts on the way \
                    (`server: sips:…` or `;transport=tls`): who can read those can hear the calls";
        problems.warning(name.place, text);
    }
    srtp
}

/// Countries read so far.
#[derive(Default)]
struct Countries {
    read: HashMap<String, Arc<Zone>>,
}

impl Countries {
    fn zone(&mut self, code: &str, place: Place, problems: &mut Problems) -> Option<Arc<Zone>> {
        let code = code.to_ascii_lowercase();
        if let Some(zone) = self.read.get(&code) {
            return Some(zone.clone());
        }
        let Some(zone) = zone::zone(&code) else {
            let shown: String = code.chars().take(20).collect();
            let meant = suggestion(&code, zone::codes());
            let text = format!(
                "expected the ISO 3166-1 code of a country in the tables, found `{}`{meant}",
                shown.escape_debug()
            );
            problems.error(place, text);
            return None;
        };
        let zone = Arc::new(zone);
        self.read.insert(code, zone.clone());
        Some(zone)
    }
}
