//! The machine whose lives are lived.

use std::sync::Arc;
use std::time::Duration;

use super::own;
use crate::call::CallConfig;
use crate::dial::{DialPlan, Timers};
use crate::gateway::{GatewayConfig, LineName, PortConfig};
use crate::line::LineConfig;
use crate::media::{Codec, DtmfRelay};
use crate::sip::account::Account;
use crate::sip::ua::AccountName;
use crate::zone::Zone;

pub(super) fn config(zone: &Arc<Zone>) -> GatewayConfig {
    let office = AccountName("office".into());
    let line = |name: &str, number: &str| PortConfig {
        name: LineName(name.into()),
        account: Some(office.clone()),
        number: Some(number.to_owned()),
        line: LineConfig::for_zone(zone.clone()),
        call: CallConfig {
            dial_plan: Arc::new(DialPlan::default()),
            emergency_numbers: zone.emergency_numbers.as_slice().into(),
            hotline: (number == "12").then(|| crate::dial::Hotline {
                number: "112".to_owned(),
                delay: Duration::ZERO,
            }),
            timers: Timers::default(),
            codecs: vec![Codec::Pcma],
            dtmf: DtmfRelay::Rfc4733,
            packet_time_ms: 20,
            ring_timeout_s: 60,
            rtp_timeout_s: 30,
            rtp_timeout_ends_call: true,
            disconnect_open_ms: 500,
            answer_reversal: true,
            emergency_hold_s: 10,
            nat: crate::call::Nat::default(),
            srtp: crate::sip::sdp::SrtpPolicy::Off,
            services: crate::call::services::Services::default(),
            refusal_tones: crate::call::RefusalTones::default(),
        },
    };
    GatewayConfig {
        user_agent: "fuzz".to_owned(),
        sip_udp: Some(own()),
        sip_tcp: Some(own()),
        sip_tls: None,
        tls: false,
        instance: None,
        accounts: vec![Account {
            name: office.clone(),
            server_host: "pbx.example.net".to_owned(),
            server_port: None,
            transport: None,
            username: "6001".to_owned(),
            auth_username: None,
            domain: None,
            display_name: None,
            password: "secret".into(),
            register: true,
            expires_s: 300,
            session_expires_s: 1800,
            follow_redirects: true,
            digest_md5: true,
            secure: false,
            outbound: false,
            keep_alive: crate::sip::account::KeepAliveMethod::Crlf,
            keep_alive_s: 29,
            forbidden_wait_s: 1200,
            events: crate::sip::account::AccountEvents::default(),
        }],
        lines: vec![line("kitchen", "11"), line("hall", "12")],
        admission: crate::sip::ua::Admission::default(),
        emergency: Arc::default(),
    }
}
