//! The Domain Name System for the user agent's questions. What is asked, kept and made of the answers is its business;
//! here a question becomes packets, by the system's resolv.conf and hosts file or the servers configured.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::sync::mpsc;

use super::canonical;
use crate::daemon::inbound::Inbound;
use crate::sip::ua::{Answer, Naptr, Question, Records, Srv};

/// A server that doesn't answer is asked again after so long.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Questions to each server.
const ATTEMPTS: usize = 2;
/// Where a negative answer names no time to live, and for names that the system knows other than by DNS.
const PLAIN_TTL: Duration = Duration::from_secs(60);
/// What the resolver is built from.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Answers the user agent's questions about names.
#[derive(Debug)]
pub struct Dns {
    /// Asked instead of the system's, if there are any.
    servers: Vec<SocketAddr>,
    /// Addresses of the other family are of no use.
    ipv4_only: bool,
    built: Option<Built>,
}

struct Built {
    resolver: TokioResolver,
    files: [Option<SystemTime>; 2],
}

impl std::fmt::Debug for Built {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Built")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Dns {
    /// Asks `servers`, or the system's where that is empty. Nothing is read before the first question.
    pub fn new(servers: Vec<SocketAddr>, ipv4_only: bool) -> Self {
        Self {
            servers,
            ipv4_only,
            built: None,
        }
    }

    /// Answers `question` by [`Inbound::Resolved`]. Must be called inside a runtime.
    pub fn ask(&mut self, query: u64, question: Question, inbound: mpsc::Sender<Inbound>) {
        let by_system = self.servers.is_empty();
        let resolver = self.resolver();
        let ipv4_only = self.ipv4_only;
        tokio::spawn(async move {
            let result = match (&question, resolver) {
                (Question::Addresses(host), _) if by_system && is_local_name(host) => {
                    by_system_resolver(host, ipv4_only).await
                }
                (_, Ok(resolver)) => look_up(&resolver, &question, ipv4_only).await,
                (_, Err(reason)) => Err(reason),
            };
            let _ = inbound.send(Inbound::Resolved { query, result }).await;
        });
    }

    /// The resolver, made anew when its files have changed: DHCP brings another name server.
    fn resolver(&mut self) -> Result<TokioResolver, String> {
        let files = FILES.map(changed_at);
        if let Some(built) = self.built.as_ref().filter(|built| built.files == files) {
            return Ok(built.resolver.clone());
        }
        let resolver = build(&self.servers).map_err(|error| format!("no resolver: {error}"))?;
        self.built = Some(Built {
            resolver: resolver.clone(),
            files,
        });
        Ok(resolver)
    }
}

fn changed_at(file: &str) -> Option<SystemTime> {
    std::fs::metadata(Path::new(file))
        .and_then(|metadata| metadata.modified())
        .ok()
}

fn build(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = server.port();
            }
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = ResolverOpts::default();
        builder
    };
    let options = builder.options_mut();
    options.timeout = options.timeout.min(TIMEOUT);
    options.attempts = options.attempts.min(ATTEMPTS);
    // The user agent keeps records by their time to live, and longer where DNS fails.
    options.cache_size = 0;
    builder.build()
}

/// Names that are not looked up in DNS, or not only: the system knows how (mDNS, its search list, other services).
fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    !host.contains('.') || host.to_ascii_lowercase().ends_with(".local")
}

async fn by_system_resolver(host: &str, ipv4_only: bool) -> Result<Answer, String> {
    let found = tokio::net::lookup_host((host, 0))
        .await
        .map_err(|error| error.to_string())?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for ip in found.map(|address| canonical(address).ip()) {
        if (!ipv4_only || ip.is_ipv4()) && !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    Ok(Answer {
        records: Records::Addresses(addresses),
        ttl: PLAIN_TTL,
    })
}

async fn look_up(resolver: &TokioResolver, question: &Question, ipv4_only: bool) -> Result<Answer, String> {
    match question {
        Question::Naptr(domain) => {
            let (records, ttl) = records(resolver, &absolute(domain, domain), RecordType::NAPTR).await?;
            let found = records.iter().filter_map(|record| match &record.data {
                RData::NAPTR(naptr) => Some(Naptr {
                    order: naptr.order,
                    preference: naptr.preference,
                    flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                    service: String::from_utf8_lossy(&naptr.services).into_owned(),
                    replacement: bare(&naptr.replacement.to_ascii()),
                }),
                _ => None,
            });
            Ok(Answer {
                records: Records::Naptr(found.collect()),
                ttl,
            })
        }
        Question::Srv(name) => {
            let domain = name.splitn(3, '.').nth(2).unwrap_or(name);
            let (records, ttl) = records(resolver, &absolute(name, domain), RecordType::SRV).await?;
            let found = records.iter().filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(Srv {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: bare(&srv.target.to_ascii()),
                }),
                _ => None,
            });
            Ok(Answer {
                records: Records::Srv(found.collect()),
                ttl,
            })
        }
        Question::Addresses(host) => addresses(resolver, host, ipv4_only).await,
        Question::Routes(_) => Err("routes are not a matter of DNS".to_owned()),
    }
}

async fn addresses(resolver: &TokioResolver, host: &str, ipv4_only: bool) -> Result<Answer, String> {
    let four = records(resolver, host, RecordType::A);
    let answers = if ipv4_only {
        vec![four.await]
    } else {
        let (four, six) = tokio::join!(four, records(resolver, host, RecordType::AAAA));
        vec![four, six]
    };
    let mut found: Vec<IpAddr> = Vec::new();
    let mut ttl: Option<Duration> = None;
    let mut failure = None;
    for answer in answers {
        match answer {
            Ok((records, family_ttl)) => {
                found.extend(records.iter().filter_map(|record| record.data.ip_addr()));
                ttl = Some(ttl.map_or(family_ttl, |ttl| ttl.min(family_ttl)));
            }
            Err(reason) => failure = Some(reason),
        }
    }
    match failure {
        // One family is enough; nothing in one and a failure of the other is no answer.
        Some(reason) if found.is_empty() => Err(reason),
        _ => Ok(Answer {
            records: Records::Addresses(found),
            ttl: ttl.unwrap_or(PLAIN_TTL),
        }),
    }
}

/// The records of one type and their time to live; none is an answer, too.
async fn records(
    resolver: &TokioResolver,
    name: &str,
    record_type: RecordType,
) -> Result<(Vec<Record>, Duration), String> {
    match resolver.lookup(name, record_type).await {
        Ok(lookup) => {
            let records = lookup.answers().to_vec();
            let ttl = records.iter().map(|record| record.ttl).min();
            Ok((
                records,
                ttl.map_or(PLAIN_TTL, |seconds| Duration::from_secs(seconds.into())),
            ))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none
                .negative_ttl
                .map_or(PLAIN_TTL, |seconds| Duration::from_secs(seconds.into()));
            Ok((Vec::new(), ttl))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Service records are looked up where a domain says they are, not in the search list too.
fn absolute(name: &str, domain: &str) -> String {
    if domain.trim_end_matches('.').contains('.') && !name.ends_with('.') {
        format!("{name}.")
    } else {
        name.to_owned()
    }
}

/// Without the dot at its end; the root stays.
fn bare(name: &str) -> String {
    match name.strip_suffix('.') {
        Some("") | None => name.to_owned(),
        Some(bare) => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests;
