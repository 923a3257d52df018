//! One pass over what is known: it ends with the spots to try, or with the questions that are still open.

use super::cache::{Cache, Known};
use super::order::{by_weight, families, service_name, services};
use super::{Question, Records, Srv, Transport, Usable, Wanted};
use rand::Rng;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Spots tried for one URI at most.
const MOST_SPOTS: usize = 16;

/// How far a survey came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Survey {
    Ask(Vec<Question>),
    Found(Vec<Spot>),
    Failed(String),
}

/// A transport address of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub transport: Transport,
    pub remote: SocketAddr,
    pub tier: u16,
}

/// A host to look up, with what SRV says about it.
struct Host {
    transport: Transport,
    tier: u16,
    srv: Srv,
}

/// Looks `wanted` up in what is known (RFC 3263 4.1 and 4.2). Chance is drawn only once everything is known.
pub(super) fn survey(
    now: Instant,
    cache: &Cache,
    usable: Usable,
    wanted: &Wanted,
    rng: &mut impl Rng,
) -> Survey {
    if let Some(transport) = wanted.transport.filter(|transport| !usable.has(*transport)) {
        return Survey::Failed(format!("sip.transports has no {}", transport.via_name()));
    }
    let plain = match plain_transport(usable, wanted) {
        Ok(plain) => plain,
        Err(reason) => return Survey::Failed(reason),
    };
    let port = wanted.port.unwrap_or(plain.default_port());
    if let Ok(ip) = wanted.host.parse::<IpAddr>() {
        let remote = SocketAddr::new(ip, port);
        return Survey::Found(vec![Spot {
            transport: plain,
            remote,
            tier: 0,
        }]);
    }
    let by_name = |port| Host {
        transport: plain,
        tier: 0,
        srv: Srv {
            priority: 0,
            weight: 0,
            port,
            target: wanted.host.clone(),
        },
    };
    let hosts = if wanted.port.is_some() {
        vec![by_name(port)]
    } else {
        match service_hosts(now, cache, usable, wanted) {
            Err(questions) => return Survey::Ask(questions),
            Ok(Some(hosts)) if hosts.is_empty() => {
                return Survey::Failed(format!("{} says that it offers no SIP service", wanted.host));
            }
            Ok(Some(hosts)) => hosts,
            Ok(None) => vec![by_name(port)],
        }
    };
    addresses(now, cache, hosts, rng)
}

/// The transport where DNS doesn't tell one (RFC 3263 4.1).
fn plain_transport(usable: Usable, wanted: &Wanted) -> Result<Transport, String> {
    match wanted.transport {
        Some(Transport::Tls) | None if wanted.secure => {
            if usable.tls {
                Ok(Transport::Tls)
            } else {
                Err("`sips:` needs tls among sip.transports".to_owned())
            }
        }
        Some(Transport::Udp) if wanted.secure => Err("`sips:` cannot go over UDP".to_owned()),
        // `sips:` over TCP means TLS over TCP (RFC 3261 26.2.2).
        Some(Transport::Tcp) if wanted.secure => Ok(Transport::Tls),
        Some(transport) => Ok(transport),
        None => [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|transport| usable.has(*transport))
            .ok_or_else(|| "sip.transports is empty".to_owned()),
    }
}

/// Hosts by NAPTR and SRV. `None`: there are no such records. An empty list: the domain says that it has no SIP.
fn service_hosts(
    now: Instant,
    cache: &Cache,
    usable: Usable,
    wanted: &Wanted,
) -> Result<Option<Vec<Host>>, Vec<Question>> {
    let names: Vec<(Transport, String)> = match wanted.transport {
        Some(transport) => {
            let transport = if wanted.secure { Transport::Tls } else { transport };
            vec![(transport, service_name(transport, &wanted.host))]
        }
        None => {
            let question = Question::Naptr(wanted.host.clone());
            let named = match cache.look(now, &question) {
                Known::Nothing => return Err(vec![question]),
                Known::Records(Records::Naptr(records)) => services(records, usable, wanted.secure),
                // Routers that answer for DNS often know nothing of NAPTR: on as if there were none.
                Known::Records(_) | Known::Failed(_) => Vec::new(),
            };
            if named.is_empty() {
                guessed_names(usable, wanted)
            } else {
                named
            }
        }
    };
    let mut open = Vec::new();
    let mut hosts = Vec::new();
    let mut refused = false;
    for (service, (transport, name)) in names.into_iter().enumerate() {
        let question = Question::Srv(name);
        match cache.look(now, &question) {
            Known::Nothing => open.push(question),
            Known::Records(Records::Srv(records)) => {
                let offered = records
                    .iter()
                    .filter(|record| !matches!(record.target.as_str(), "." | ""));
                refused |= records
                    .iter()
                    .any(|record| matches!(record.target.as_str(), "." | ""));
                hosts.extend(offered.map(|srv| Host {
                    transport,
                    tier: u16::try_from(service).unwrap_or(u16::MAX),
                    srv: srv.clone(),
                }));
            }
            Known::Records(_) | Known::Failed(_) => {}
        }
    }
    match (open.is_empty(), hosts.is_empty() && !refused) {
        (false, _) => Err(open),
        (true, true) => Ok(None),
        (true, false) => Ok(Some(hosts)),
    }
}

/// Without NAPTR, the SRV records of every transport we have are asked for (RFC 3263 4.1).
fn guessed_names(usable: Usable, wanted: &Wanted) -> Vec<(Transport, String)> {
    [Transport::Udp, Transport::Tcp, Transport::Tls]
        .into_iter()
        .filter(|transport| usable.has(*transport) && (!wanted.secure || *transport == Transport::Tls))
        .map(|transport| (transport, service_name(transport, &wanted.host)))
        .collect()
}

/// The hosts' addresses, in the order to try them.
fn addresses(now: Instant, cache: &Cache, hosts: Vec<Host>, rng: &mut impl Rng) -> Survey {
    let question = |host: &Host| Question::Addresses(host.srv.target.clone());
    let mut open: Vec<Question> = hosts
        .iter()
        .filter(|host| host.srv.target.parse::<IpAddr>().is_err())
        .map(question)
        .filter(|question| cache.look(now, question) == Known::Nothing)
        .collect();
    if !open.is_empty() {
        open.sort();
        open.dedup();
        return Survey::Ask(open);
    }
    let mut spots: Vec<Spot> = Vec::new();
    let mut failure = None;
    for (tier, host) in tiers(hosts, rng) {
        let question = question(&host);
        let found = match (host.srv.target.parse::<IpAddr>(), cache.look(now, &question)) {
            (Ok(ip), _) => vec![ip],
            (Err(_), Known::Records(Records::Addresses(addresses))) => families(addresses),
            (Err(_), Known::Failed(reason)) => {
                failure = Some(format!("cannot resolve {}: {reason}", host.srv.target));
                Vec::new()
            }
            (Err(_), Known::Records(_) | Known::Nothing) => Vec::new(),
        };
        if found.is_empty() && failure.is_none() {
            failure = Some(format!("cannot resolve {}: it has no address", host.srv.target));
        }
        for ip in found {
            let spot = Spot {
                transport: host.transport,
                remote: SocketAddr::new(ip, host.srv.port),
                tier,
            };
            let known = |other: &Spot| other.transport == spot.transport && other.remote == spot.remote;
            if spots.len() < MOST_SPOTS && !spots.iter().any(known) {
                spots.push(spot);
            }
        }
    }
    match failure {
        Some(failure) if spots.is_empty() => Survey::Failed(failure),
        _ => Survey::Found(spots),
    }
}

/// Hosts in order, each with its tier: one for every service and priority.
fn tiers(hosts: Vec<Host>, rng: &mut impl Rng) -> Vec<(u16, Host)> {
    let mut ordered = Vec::with_capacity(hosts.len());
    let mut tier = 0;
    let mut rest = hosts;
    while let Some(first) = rest.first() {
        let (service, transport) = (first.tier, first.transport);
        let (group, others): (Vec<Host>, Vec<Host>) = rest.into_iter().partition(|host| host.tier == service);
        rest = others;
        let mut priority = None;
        for srv in by_weight(group.into_iter().map(|host| host.srv).collect(), rng) {
            if priority.is_some_and(|before| before != srv.priority) {
                tier += 1;
            }
            priority = Some(srv.priority);
            ordered.push((tier, Host { transport, tier, srv }));
        }
        tier += 1;
    }
    ordered
}
