//! From the file as typed to the checked model: names looked up, countries read, conflicts found.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::dial::{DialPlan, Hotline, Timers};
use crate::zone::{self, CallerIdMethod, CallerIdScheme, Law, Zone};

use super::file::{
    AccountFile, Accounts, CallerIdFile, CodecName, DtmfName, File, LineFile, OnRtpTimeoutName, SipFile,
    TransportName,
};
use super::model::{
    Account, Codec, Control, DtmfRelay, Line, Media, Model, OnRtpTimeout, Password, Sip, Transport,
};
use super::nearest::suggestion;
use super::problem::{Place, Problems};
use super::section::Located;
use super::{hook, interface};

/// Wait after a complete number where everything is one (Grandstream's default for plans without timers).
const SHORT_WITHOUT_PLAN_S: u32 = 4;

/// Wait after a complete number by a dial plan (SPA: interdigit short timer).
const SHORT_WITH_PLAN_S: u32 = 3;

/// `None` after an error that leaves nothing to use.
pub(super) fn model(file: File, problems: &mut Problems) -> Option<Model> {
    let sip = sip(&file.sip.value, problems);
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
    let mut unique = Unique::default();
    let mut lines = Vec::new();
    for line in line_files {
        let zone = match &line.value.country {
            Some(code) => countries.zone(&code.value.0, code.place, problems),
            None => country.clone(),
        };
        lines.extend(self::line(
            line.value,
            zone,
            &accounts.names,
            &mut unique,
            problems,
        ));
    }
    let pairs = file.media.value.rtp_ports.value.pairs();
    if pairs < lines.len() {
        let text = format!("{pairs} pairs of ports are too few for {} lines", lines.len());
        problems.error(file.media.value.rtp_ports.place, text);
    } else if pairs < 2 * lines.len() {
        let text = format!(
            "{pairs} pairs of ports are too few for two calls on each of {} lines",
            lines.len()
        );
        problems.warning(file.media.value.rtp_ports.place, text);
    }
    Some(Model {
        sip,
        media,
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
            TransportName::Tls => {
                problems.error(name.place, "TLS is not available yet");
                continue;
            }
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
    }
}

fn media(file: &File, problems: &mut Problems) -> Media {
    let media = &file.media.value;
    if media.packet_time_ms.value.0 % 10 != 0 {
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
    if let Some(transport) = server.value.0.transport
        && !sip.transports.contains(&transport)
    {
        problems.error(server.place, "this transport is not among `sip.transports`");
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
        expires_s: file.expires_s.value.0,
    })
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

/// What no two lines may share.
#[derive(Default)]
struct Unique {
    names: HashMap<String, Place>,
    numbers: HashMap<String, Place>,
    hardware: HashMap<String, Place>,
}

/// Complains where `what` was there before.
fn only_once<K: Eq + Hash>(
    seen: &mut HashMap<K, Place>,
    key: K,
    place: Place,
    what: &str,
    problems: &mut Problems,
) {
    match seen.get(&key) {
        None => {
            seen.insert(key, place);
        }
        Some(first) => {
            let text = format!(
                "{what} is used by another line already (line {} of the file)",
                first.line
            );
            problems.error(place, text);
        }
    }
}

/// `None` after an error that leaves nothing to use; everything is looked at before.
fn line(
    file: LineFile,
    zone: Option<Arc<Zone>>,
    accounts: &[String],
    unique: &mut Unique,
    problems: &mut Problems,
) -> Option<Line> {
    if let Some(name) = &file.name {
        let what = format!("the name `{}`", name.value.0);
        only_once(
            &mut unique.names,
            name.value.0.clone(),
            name.place,
            &what,
            problems,
        );
    }
    if let Some(account) = &file.account
        && !accounts.contains(&account.value.0)
    {
        let meant = suggestion(&account.value.0, accounts.iter().map(String::as_str));
        problems.error(
            account.place,
            format!("there is no account `{}`{meant}", account.value.0),
        );
    }
    if let Some(number) = &file.number {
        let what = format!("the number `{}`", number.value.0);
        only_once(
            &mut unique.numbers,
            number.value.0.clone(),
            number.place,
            &what,
            problems,
        );
        if let Some(zone) = &zone
            && zone.emergency_numbers.contains(&number.value.0)
        {
            let text = format!("`{}` is an emergency number of {}", number.value.0, zone.name);
            problems.error(number.place, text);
        }
    }
    let interface = file.interface.map(|interface| {
        for (place, used) in interface::uses(&interface) {
            only_once(&mut unique.hardware, used.clone(), place, &used, problems);
        }
        interface::model(interface.value, problems)
    });
    let codecs = codecs(file.codecs.as_ref(), zone.as_deref(), problems);
    let zone = zone?;
    let caller_id = caller_id(file.caller_id.as_ref(), &zone, problems);
    let hook = hook::windows(&file.hook.value, &zone.hook, file.pulse_dialing.value, problems);
    let short_s = match (&file.interdigit_short_s, &file.dial_plan) {
        (Some(short), _) => short.value.0,
        (None, Some(_)) => SHORT_WITH_PLAN_S,
        (None, None) => SHORT_WITHOUT_PLAN_S,
    };
    Some(Line {
        name: file.name?.value.0,
        account: file.account.map(|account| account.value.0),
        number: file.number.map(|number| number.value.0),
        interface: interface.flatten()?,
        hook,
        pulse_dialing: file.pulse_dialing.value,
        caller_id,
        zone,
        dial_plan: Arc::new(
            file.dial_plan
                .map_or_else(DialPlan::default, |plan| plan.value.plan),
        ),
        timers: Timers {
            first_digit: seconds(file.first_digit_s.value.0),
            long: seconds(file.interdigit_long_s.value.0),
            short: seconds(short_s),
        },
        hotline: file.hotline.and_then(|hotline| {
            Some(Hotline {
                number: hotline.value.number?.value.0,
                delay: seconds(hotline.value.delay_s.value.0),
            })
        }),
        codecs,
        dtmf: match file.dtmf.value {
            DtmfName::Rfc4733 => DtmfRelay::Rfc4733,
            DtmfName::Info => DtmfRelay::Info,
            DtmfName::Inband => DtmfRelay::Inband,
        },
        echo_canceller: file.echo_canceller.value,
        gain_tx_db: file.gain_tx_db.value.0,
        gain_rx_db: file.gain_rx_db.value.0,
        ring_timeout_s: file.ring_timeout_s.value.0,
        disconnect_open_ms: file.disconnect_open_ms.value.0,
        answer_reversal: file.answer_reversal.value,
    })
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn codecs(
    file: Option<&Located<Vec<Located<CodecName>>>>,
    zone: Option<&Zone>,
    problems: &mut Problems,
) -> Vec<Codec> {
    let Some(list) = file else {
        return match zone.map(|zone| zone.law) {
            Some(Law::Mu) => vec![Codec::Pcmu, Codec::Pcma],
            Some(Law::A) | None => vec![Codec::Pcma, Codec::Pcmu],
        };
    };
    let mut codecs = Vec::new();
    for name in &list.value {
        let codec = match name.value {
            CodecName::Pcma => Codec::Pcma,
            CodecName::Pcmu => Codec::Pcmu,
            CodecName::G722 => {
                problems.warning(name.place, "G722 is not offered yet");
                continue;
            }
        };
        if codecs.contains(&codec) {
            problems.error(name.place, "this codec is repeated");
        } else {
            codecs.push(codec);
        }
    }
    if codecs.is_empty() {
        problems.error(list.place, "expected PCMA or PCMU among the codecs");
    }
    codecs
}

fn caller_id(file: Option<&Located<CallerIdFile>>, zone: &Zone, problems: &mut Problems) -> CallerIdScheme {
    let Some(file) = file else { return zone.caller_id };
    let Some(name) = &file.value.method else {
        return zone.caller_id;
    };
    let Some(method) = CallerIdMethod::from_name(&name.value.0) else {
        let names = CallerIdMethod::ALL.map(CallerIdMethod::name);
        let meant = suggestion(&name.value.0, names);
        problems.error(name.place, format!("expected one of {}{meant}", names.join(", ")));
        return zone.caller_id;
    };
    let delimiters = [&file.value.start, &file.value.stop];
    if let Some(place) = delimiters.into_iter().flatten().map(|key| key.place).min()
        && !method.is_dtmf()
    {
        let text = format!(
            "`start` and `stop` are for caller ID by DTMF, not for {}",
            method.name()
        );
        problems.error(place, text);
    }
    let [start, stop] = delimiters.map(|key| key.as_ref().and_then(|key| key.value.0.chars().next()));
    if method.is_dtmf() {
        CallerIdScheme {
            method,
            start: start.or(zone.caller_id.start).or(Some('A')),
            stop: stop.or(zone.caller_id.stop).or(Some('C')),
        }
    } else {
        CallerIdScheme {
            method,
            start: None,
            stop: None,
        }
    }
}
