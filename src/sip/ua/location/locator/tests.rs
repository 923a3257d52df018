//! Searches against a model of the Domain Name System.

use super::super::{Naptr, Srv, Transport};
use super::*;
use crate::sip::ua::Route;
use crate::testing::epoch;
use rand::{SeedableRng, rngs::StdRng};
use std::net::SocketAddr;

const ALL: Usable = Usable {
    udp: true,
    tcp: true,
    tls: true,
};

/// A name server, and what it was asked.
struct Dns {
    now: Instant,
    rng: StdRng,
    locator: Locator<u8>,
    zone: BTreeMap<Question, Records>,
    ttl_s: u64,
    /// Every question about a name fails.
    down: bool,
    /// Nothing leads to these.
    unreachable: Vec<IpAddr>,
    asked: Vec<Question>,
}

impl Dns {
    fn new(usable: Usable) -> Self {
        Self {
            now: epoch(),
            rng: StdRng::seed_from_u64(1),
            locator: Locator::new(usable),
            zone: BTreeMap::new(),
            ttl_s: 300,
            down: false,
            unreachable: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn naptr(&mut self, domain: &str, records: &[(u16, u16, &str, &str)]) {
        let records = records
            .iter()
            .map(|(order, preference, service, replacement)| Naptr {
                order: *order,
                preference: *preference,
                flags: "s".into(),
                service: (*service).into(),
                replacement: (*replacement).into(),
            });
        self.zone
            .insert(Question::Naptr(domain.into()), Records::Naptr(records.collect()));
    }

    fn srv(&mut self, name: &str, records: &[(u16, u16, u16, &str)]) {
        let records = records.iter().map(|(priority, weight, port, target)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).into(),
        });
        self.zone
            .insert(Question::Srv(name.into()), Records::Srv(records.collect()));
    }

    fn host(&mut self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.zone
            .insert(Question::Addresses(name.into()), Records::Addresses(addresses));
    }

    fn find(&mut self, uri: &str) -> Result<Vec<Target>, String> {
        let parsed: crate::sip::message::Uri = uri.parse().unwrap();
        let uri = parsed.as_sip().unwrap();
        let wanted = Wanted {
            host: uri.host.to_unbracketed(),
            port: uri.port,
            transport: uri.transport().map(|name| match &*name.to_ascii_lowercase() {
                "udp" => Transport::Udp,
                "tcp" => Transport::Tcp,
                _ => Transport::Tls,
            }),
            secure: uri.secure,
        };
        self.locator.find(self.now, wanted, 7, &mut self.rng);
        self.settle();
        let (waiter, result) = self.locator.poll_done().expect("every search ends");
        assert_eq!((waiter, self.locator.poll_done()), (7, None));
        assert_eq!((self.locator.pending(), self.locator.poll_timeout()), (0, None));
        result
    }

    fn settle(&mut self) {
        while let Some((query, question)) = self.locator.poll_question() {
            self.asked.push(question.clone());
            let result = self.answer(&question);
            self.locator.answer(self.now, query, result, &mut self.rng);
        }
    }

    fn answer(&self, question: &Question) -> Result<Answer, String> {
        let records = match question {
            Question::Routes(remotes) => {
                let reached = remotes
                    .iter()
                    .filter(|remote| !self.unreachable.contains(&remote.ip()));
                Records::Routes(
                    reached
                        .map(|remote| Route {
                            remote: *remote,
                            local_ip: local(remote),
                        })
                        .collect(),
                )
            }
            _ if self.down => return Err("no name server answers".into()),
            Question::Naptr(_) => self.zone.get(question).cloned().unwrap_or(Records::Naptr(vec![])),
            Question::Srv(_) => self.zone.get(question).cloned().unwrap_or(Records::Srv(vec![])),
            Question::Addresses(_) => self
                .zone
                .get(question)
                .cloned()
                .unwrap_or(Records::Addresses(vec![])),
        };
        Ok(Answer {
            records,
            ttl: Duration::from_secs(self.ttl_s),
        })
    }

    /// As `tier transport address`.
    fn found(&mut self, uri: &str) -> Vec<String> {
        let targets = self.find(uri).unwrap();
        targets
            .iter()
            .map(|target| {
                format!(
                    "{} {} {}",
                    target.tier,
                    target.transport.via_name(),
                    target.route.remote
                )
            })
            .collect()
    }
}

fn local(remote: &SocketAddr) -> IpAddr {
    if remote.is_ipv4() {
        "192.0.2.9".parse().unwrap()
    } else {
        "2001:db8::9".parse().unwrap()
    }
}

#[test]
fn literals_and_ports_need_no_records() {
    let mut dns = Dns::new(ALL);
    for (uri, expected) in [
        ("sip:192.0.2.1", "0 UDP 192.0.2.1:5060"),
        ("sip:192.0.2.1;transport=tcp", "0 TCP 192.0.2.1:5060"),
        ("sip:192.0.2.1;transport=tls", "0 TLS 192.0.2.1:5061"),
        ("sip:[2001:db8::1]:5070", "0 UDP [2001:db8::1]:5070"),
        ("sips:192.0.2.1", "0 TLS 192.0.2.1:5061"),
        ("sips:192.0.2.1:5070;transport=tcp", "0 TLS 192.0.2.1:5070"),
    ] {
        assert_eq!(dns.found(uri), [expected], "{uri}");
    }
    assert!(
        dns.asked
            .iter()
            .all(|question| matches!(question, Question::Routes(_)))
    );
    dns.host("pbx.example.net", &["192.0.2.7"]);
    dns.asked.clear();
    assert_eq!(dns.found("sip:pbx.example.net:5080"), ["0 UDP 192.0.2.7:5080"]);
    let names: Vec<&Question> = dns
        .asked
        .iter()
        .filter(|q| !matches!(q, Question::Routes(_)))
        .collect();
    assert_eq!(
        names,
        [&Question::Addresses("pbx.example.net".into())],
        "a port: no SRV (RFC 3263 4.2)"
    );
}

#[test]
fn naptr_then_srv_then_addresses() {
    let mut dns = Dns::new(ALL);
    dns.naptr(
        "example.net",
        &[
            (100, 10, "SIP+D2U", "_sip._udp.example.net"),
            (50, 20, "SIP+D2T", "_sip._tcp.example.net"),
            (50, 10, "SIPS+D2T", "_sips._tcp.example.net"),
        ],
    );
    dns.srv("_sips._tcp.example.net", &[(0, 1, 5061, "a.example.net")]);
    dns.srv(
        "_sip._tcp.example.net",
        &[(20, 1, 5062, "b.example.net"), (10, 1, 5060, "a.example.net")],
    );
    dns.srv("_sip._udp.example.net", &[(10, 1, 5060, "a.example.net")]);
    dns.host("a.example.net", &["192.0.2.1", "2001:db8::1"]);
    dns.host("b.example.net", &["192.0.2.2"]);
    assert_eq!(
        dns.found("sip:example.net"),
        [
            "0 TLS [2001:db8::1]:5061",
            "0 TLS 192.0.2.1:5061",
            "1 TCP [2001:db8::1]:5060",
            "1 TCP 192.0.2.1:5060",
            "2 TCP 192.0.2.2:5062",
            "3 UDP [2001:db8::1]:5060",
            "3 UDP 192.0.2.1:5060",
        ]
    );
    assert!(
        dns.find("sip:example.net")
            .unwrap()
            .iter()
            .all(|target| &*target.domain == "example.net")
    );
    assert_eq!(dns.found("sips:example.net").len(), 2);
    assert_eq!(
        dns.found("sip:example.net;transport=udp"),
        ["0 UDP [2001:db8::1]:5060", "0 UDP 192.0.2.1:5060"]
    );
    dns.unreachable.push("2001:db8::1".parse().unwrap());
    assert_eq!(
        dns.found("sip:example.net;transport=udp"),
        ["0 UDP 192.0.2.1:5060"],
        "no IPv6 here"
    );
}

#[test]
fn without_naptr_every_transport_s_srv_is_asked() {
    let mut dns = Dns::new(Usable { tls: false, ..ALL });
    dns.srv("_sip._tcp.example.net", &[(0, 0, 5060, "a.example.net")]);
    dns.srv("_sips._tcp.example.net", &[(0, 0, 5061, "a.example.net")]);
    dns.host("a.example.net", &["192.0.2.1"]);
    assert_eq!(dns.found("sip:example.net"), ["0 TCP 192.0.2.1:5060"]);
    assert_eq!(
        dns.find("sips:example.net").unwrap_err(),
        "`sips:` needs tls among sip.transports"
    );
    assert_eq!(
        dns.find("sip:example.net;transport=tls").unwrap_err(),
        "sip.transports has no TLS"
    );
}

#[test]
fn without_srv_the_host_itself() {
    let mut dns = Dns::new(ALL);
    dns.host("pbx", &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(
        dns.found("sip:pbx"),
        ["0 UDP 192.0.2.1:5060", "0 UDP 192.0.2.2:5060"]
    );
    assert_eq!(dns.found("sip:pbx;transport=tls")[0], "0 TLS 192.0.2.1:5061");
    let error = dns.find("sip:nobody").unwrap_err();
    assert_eq!(error, "cannot resolve nobody: it has no address");
}

#[test]
fn a_domain_may_say_that_it_has_no_sip() {
    let mut dns = Dns::new(ALL);
    for service in ["_sip._udp", "_sip._tcp", "_sips._tcp"] {
        dns.srv(&format!("{service}.example.net"), &[(0, 0, 0, ".")]);
    }
    dns.host("example.net", &["192.0.2.1"]);
    assert_eq!(
        dns.find("sip:example.net").unwrap_err(),
        "example.net says that it offers no SIP service"
    );
}

#[test]
fn answers_are_kept_by_their_time_to_live_and_on_when_dns_fails() {
    let mut dns = Dns::new(ALL);
    dns.srv("_sip._udp.example.net", &[(0, 0, 5060, "a.example.net")]);
    dns.host("a.example.net", &["192.0.2.1"]);
    dns.ttl_s = 60;
    dns.found("sip:example.net");
    let names = |dns: &Dns| {
        dns.asked
            .iter()
            .filter(|q| !matches!(q, Question::Routes(_)))
            .count()
    };
    let first = names(&dns);
    dns.now += Duration::from_secs(59);
    dns.found("sip:example.net");
    assert_eq!(names(&dns), first, "nothing asked again before its time");
    dns.now += Duration::from_secs(1);
    dns.down = true;
    assert_eq!(
        dns.found("sip:example.net"),
        ["0 UDP 192.0.2.1:5060"],
        "the last good answer"
    );
    assert!(names(&dns) > first, "but it was asked");
    dns.now += Duration::from_secs(86_400);
    assert_eq!(dns.found("sip:example.net"), ["0 UDP 192.0.2.1:5060"]);
    dns.now += Duration::from_secs(60);
    dns.down = false;
    dns.host("a.example.net", &["192.0.2.2"]);
    assert_eq!(dns.found("sip:example.net"), ["0 UDP 192.0.2.2:5060"]);
    assert!(
        Dns {
            down: true,
            ..Dns::new(ALL)
        }
        .find("sip:example.net")
        .unwrap_err()
        .contains("no name server answers")
    );
}

#[test]
fn a_name_server_that_knows_only_addresses_is_enough() {
    let mut dns = Dns::new(ALL);
    dns.host("pbx", &["192.0.2.1"]);
    dns.locator.find(
        dns.now,
        Wanted {
            host: "pbx".into(),
            port: None,
            transport: None,
            secure: false,
        },
        1,
        &mut dns.rng,
    );
    while let Some((query, question)) = dns.locator.poll_question() {
        let result = match question {
            Question::Naptr(_) | Question::Srv(_) => Err("not implemented".to_owned()),
            _ => dns.answer(&question),
        };
        dns.locator.answer(dns.now, query, result, &mut dns.rng);
    }
    assert!(dns.locator.poll_done().unwrap().1.is_ok());
}

#[test]
fn questions_never_answered_end_and_searches_share_them() {
    let mut dns = Dns::new(ALL);
    let wanted = Wanted {
        host: "pbx".into(),
        port: Some(5060),
        transport: None,
        secure: false,
    };
    dns.locator.find(dns.now, wanted.clone(), 1, &mut dns.rng);
    dns.locator.find(dns.now, wanted.clone(), 2, &mut dns.rng);
    dns.locator.find(dns.now, wanted, 3, &mut dns.rng);
    dns.locator.withdraw(|waiter| *waiter != 3);
    assert!(dns.locator.poll_question().is_some());
    assert_eq!(dns.locator.poll_question(), None, "one question for all");
    dns.now = dns.locator.poll_timeout().unwrap();
    dns.locator.handle_timeout(dns.now, &mut dns.rng);
    for _ in 0..2 {
        let (_, result) = dns.locator.poll_done().unwrap();
        assert_eq!(
            result.unwrap_err(),
            "cannot resolve pbx: the resolver does not answer"
        );
    }
    assert_eq!((dns.locator.poll_done(), dns.locator.pending()), (None, 0));
}

#[test]
fn a_name_server_that_answers_something_else_does_no_harm() {
    let mut dns = Dns::new(ALL);
    let wanted = Wanted {
        host: "pbx".into(),
        port: None,
        transport: None,
        secure: false,
    };
    dns.locator.find(dns.now, wanted, 1, &mut dns.rng);
    for _ in 0..100 {
        let Some((query, _)) = dns.locator.poll_question() else {
            break;
        };
        let answer = Answer {
            records: Records::Routes(vec![]),
            ttl: Duration::ZERO,
        };
        dns.locator
            .answer(dns.now, query, Ok(answer.clone()), &mut dns.rng);
        dns.locator.answer(dns.now, query, Ok(answer), &mut dns.rng);
    }
    assert!(dns.locator.poll_done().unwrap().1.is_err());
}
