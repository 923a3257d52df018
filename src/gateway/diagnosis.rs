//! What is wrong between us and the others, in sentences a person understands: what is the matter, the likely cause, and
//! what to do about it.

use std::net::SocketAddr;
use std::time::Instant;

use super::event::EventKind;
use super::machine::Gateway;
use crate::call::MediaFlow;
use crate::media::{FlowReport, OneWay};
use crate::sip::ua::{AccountName, Part, Rewritten, is_private};

impl Gateway {
    /// A router changes our messages.
    pub(super) fn tell_rewritten(&mut self, now: Instant, account: &AccountName, what: &Rewritten) {
        let text = rewritten_sentence(&account.0, what);
        if let Some(entry) = self.accounts.iter_mut().find(|entry| entry.name == *account) {
            entry.diagnosis.push(text.clone());
        }
        self.tell(
            now,
            EventKind::Diagnosis {
                line: None,
                call: None,
                account: Some(account.0.to_string()),
                problem: "rewritten",
                text,
            },
        );
    }

    /// Sound goes one way only, or both ways again.
    pub(super) fn tell_flow(&mut self, now: Instant, index: usize, flow: &MediaFlow) {
        let port = &self.ports[index];
        let account = port.config.account.as_ref();
        let rewriting = account.is_some_and(|account| {
            self.accounts
                .iter()
                .any(|entry| entry.name == *account && !entry.diagnosis.is_empty())
        });
        let (problem, text) = match flow.report {
            FlowReport::BothWays => ("both_ways", "Sound goes both ways again.".to_owned()),
            FlowReport::OneWay(one_way) => {
                let signalling = self.user_agent.peer_address(flow.call);
                let text = one_way_sentences(flow, one_way, signalling, rewriting);
                match one_way {
                    OneWay::NothingComes { .. } => ("nothing_received", text),
                    OneWay::NothingArrives => ("not_heard", text),
                }
            }
        };
        let line = port.name().to_string();
        if flow.report != FlowReport::BothWays {
            self.ports[index].calls.note(&flow.id, &text);
        }
        self.tell(
            now,
            EventKind::Diagnosis {
                line: Some(line),
                call: Some(flow.id.clone()),
                account: None,
                problem,
                text,
            },
        );
    }

    /// What is known to be wrong with the account that a line's calls go through.
    pub(super) fn account_diagnosis(&self, line: &str) -> Vec<String> {
        let port = self.ports.iter().find(|port| port.name().as_str() == line);
        let account = port.and_then(|port| port.config.account.as_ref());
        let mut entries = self.accounts.iter();
        let entry = entries.find(|entry| Some(&entry.name) == account);
        entry.map(|entry| entry.diagnosis.clone()).unwrap_or_default()
    }
}

fn rewritten_sentence(account: &str, what: &Rewritten) -> String {
    let Rewritten { part, sent, seen } = what;
    let sign = match part {
        Part::Via => format!("the Via of our message came back as {seen} where {sent} was sent"),
        Part::HiddenVia => format!(
            "the server says nothing of a NAT although we sent from {sent}, a private address: somebody put another \
             address in its place and took it out again"
        ),
        Part::Contact => format!("the server has {seen} for our Contact where {sent} was sent"),
        Part::From => format!("From came back as {seen} where {sent} was sent"),
        Part::To => format!("To came back as {seen} where {sent} was sent"),
        Part::CallId => format!("the Call-ID came back as {seen} where {sent} was sent"),
        Part::RequestUri => format!("the server calls {seen} where we registered {sent}"),
        Part::Body => format!("a message came with {seen} of body where it announces {sent}"),
    };
    format!(
        "A router between this machine and account {account} rewrites SIP messages: {sign}. Calls may fail or be silent. \
         Switch off \"SIP ALG\" (also called SIP helper, SIP fixup or SIP passthrough) in the router, or use transport=tls, \
         which no router can rewrite."
    )
}

fn one_way_sentences(
    flow: &MediaFlow,
    one_way: OneWay,
    signalling: Option<SocketAddr>,
    rewriting: bool,
) -> String {
    let what = match one_way {
        OneWay::NothingComes { before: false, .. } => {
            "The other side is not heard: for 3 s sound has been sent and none has come, though both sides agreed to it."
        }
        OneWay::NothingComes { before: true, .. } => {
            "The other side is no longer heard: for 3 s nothing has come, though both sides agreed to talk."
        }
        OneWay::NothingArrives => {
            "The other side does not hear us: it is heard, and its reports say that nothing of ours arrives there."
        }
    };
    format!("{what} {}", cause(flow, one_way, signalling, rewriting))
}

fn cause(flow: &MediaFlow, one_way: OneWay, signalling: Option<SocketAddr>, rewriting: bool) -> String {
    let public_peer = signalling.is_some_and(|peer| !is_private(peer.ip()));
    let private = |address: Option<SocketAddr>| address.filter(|address| is_private(address.ip()));
    if let OneWay::NothingComes {
        refused: Some(from), ..
    } = one_way
    {
        let agreed = flow
            .remote
            .map_or_else(|| "the address agreed on".to_owned(), |remote| remote.to_string());
        return format!(
            "Sound does come, from {from}, but not as a stream that could be {agreed}'s: a router or media server sends it \
             from elsewhere. Switch off the router's SIP ALG; ask the provider which addresses its sound comes from."
        );
    }
    if rewriting {
        return "Most likely the router that rewrites our SIP messages (see the account) has put a wrong address into this \
                call: switch off its SIP ALG."
            .to_owned();
    }
    if let (true, Some(remote)) = (public_peer, private(flow.remote)) {
        return format!(
            "It says to send sound to {remote}, a private address that leads nowhere from here: it is behind a NAT that \
             it doesn't know of. The other side's telephone or its server has to be set up for that."
        );
    }
    if let (true, Some(local)) = (public_peer, private(flow.local)) {
        return format!(
            "It was told to send sound to {local}, a private address that only a server which minds NAT can use. Let the \
             account's server handle NAT, set up STUN or ICE here, or forward the ports of media.rtp_ports (UDP) in the router."
        );
    }
    match (one_way, flow.local, flow.remote) {
        (OneWay::NothingComes { .. }, Some(local), _) => format!(
            "Most likely a firewall or router on the way drops UDP to {local}: let the ports of media.rtp_ports in."
        ),
        (OneWay::NothingArrives, _, Some(remote)) => format!(
            "Most likely a firewall or router on the way drops UDP to {remote}: let packets from media.rtp_ports out, and \
             in on the other side."
        ),
        _ => "Most likely a firewall or router on the way drops UDP.".to_owned(),
    }
}
