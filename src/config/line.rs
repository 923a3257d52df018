//! One line: as typed → checked.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::dial::{DialPlan, Hotline, Timers};
use crate::zone::{CallerIdMethod, CallerIdScheme, Law, Zone};

use super::file::{CallerIdFile, CodecName, DtmfName, LineFile};
use super::model::{Codec, DtmfRelay, Line};
use super::nearest::suggestion;
use super::problem::{Place, Problems};
use super::section::Located;
use super::{hook, interface, services};

/// Wait after a complete number where everything is one (Grandstream's default for plans without timers).
const SHORT_WITHOUT_PLAN_S: u32 = 4;

/// Wait after a complete number by a dial plan (SPA: interdigit short timer).
const SHORT_WITH_PLAN_S: u32 = 3;

/// What no two lines may share.
#[derive(Default)]
pub(super) struct Unique {
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
            let text = format!("{what} is used already (line {} of the file)", first.line);
            problems.error(place, text);
        }
    }
}

/// `None` after an error that leaves nothing to use; everything is looked at before.
pub(super) fn model(
    file: LineFile,
    zone: Option<Arc<Zone>>,
    accounts: &[String],
    numbers: &[String],
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
    let services = services::model(file.services.value, problems);
    let short_s = match (&file.interdigit_short_s, &file.dial_plan) {
        (Some(short), _) => short.value.0,
        (None, Some(_)) => SHORT_WITH_PLAN_S,
        (None, None) => SHORT_WITHOUT_PLAN_S,
    };
    let dial_plan = match file.dial_plan {
        Some(plan) => plan.value.plan,
        // Nothing but the other lines can be reached: their numbers need no waiting.
        None if file.account.is_none() => DialPlan::for_numbers(numbers),
        None => DialPlan::default(),
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
        dial_plan: Arc::new(dial_plan),
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
        emergency_numbers: super::emergency::numbers(file.emergency_numbers),
        services,
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
