//! The order in which what DNS names is tried.

use super::{Naptr, Srv, Transport, Usable};
use rand::{Rng, RngExt};
use std::net::IpAddr;

/// The NAPTR records that name a service of ours, best first (RFC 3263 4.1, RFC 3403 4.1).
pub(super) fn services(records: &[Naptr], usable: Usable, secure: bool) -> Vec<(Transport, String)> {
    let mut ours: Vec<(u16, u16, Transport, &str)> = records
        .iter()
        .filter(|record| record.flags.eq_ignore_ascii_case("s"))
        .filter_map(|record| {
            let transport = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => return None,
            };
            let fits = usable.has(transport) && (!secure || transport == Transport::Tls);
            fits.then_some((
                record.order,
                record.preference,
                transport,
                record.replacement.as_str(),
            ))
        })
        .collect();
    ours.sort_by_key(|(order, preference, ..)| (*order, *preference));
    ours.into_iter()
        .map(|(_, _, transport, name)| (transport, name.to_owned()))
        .collect()
}

/// The name of a transport's SRV records (RFC 3263 4.1; TLS has the service `_sips`).
pub(super) fn service_name(transport: Transport, domain: &str) -> String {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    };
    format!("{service}.{domain}")
}

/// SRV records by priority, and among equal ones drawn by weight (RFC 2782, page 4).
pub(super) fn by_weight(mut records: Vec<Srv>, rng: &mut impl Rng) -> Vec<Srv> {
    records.sort_by_key(|record| record.priority);
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equal = records
            .iter()
            .take_while(|record| record.priority == priority)
            .count();
        let mut group: Vec<Srv> = records.drain(..equal).collect();
        // Those of weight 0 come first in the running sum, which gives them their small chance.
        group.sort_by_key(|record| record.weight != 0);
        while !group.is_empty() {
            let total: u32 = group.iter().map(|record| u32::from(record.weight)).sum();
            let drawn = rng.random_range(0..=total);
            let mut sum = 0;
            let chosen = group.iter().position(|record| {
                sum += u32::from(record.weight);
                sum >= drawn
            });
            ordered.push(group.remove(chosen.unwrap_or(0)));
        }
    }
    ordered
}

/// A host's addresses with the families taking turns, IPv6 first (RFC 7984 4.2, RFC 8305 4): if one family doesn't
/// work, the second attempt is one of the other.
pub(super) fn families(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut six = addresses.iter().filter(|address| address.is_ipv6());
    let mut four = addresses.iter().filter(|address| address.is_ipv4());
    let mut mixed = Vec::with_capacity(addresses.len());
    loop {
        let before = mixed.len();
        mixed.extend(six.next());
        mixed.extend(four.next());
        if mixed.len() == before {
            return mixed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};
    use std::collections::BTreeMap;

    const ALL: Usable = Usable {
        udp: true,
        tcp: true,
        tls: true,
    };

    fn naptr(order: u16, preference: u16, flags: &str, service: &str) -> Naptr {
        Naptr {
            order,
            preference,
            flags: flags.into(),
            service: service.into(),
            replacement: format!("{service}.example.net"),
        }
    }

    #[test]
    fn services_by_order_and_preference() {
        let records = [
            naptr(20, 5, "s", "SIP+D2U"),
            naptr(10, 50, "S", "sip+d2t"),
            naptr(10, 10, "s", "SIPS+D2T"),
            naptr(1, 1, "u", "SIP+D2U"),
            naptr(1, 1, "s", "SIP+D2S"),
            naptr(1, 1, "s", "E2U+sip"),
        ];
        let transports = |usable, secure| -> Vec<Transport> {
            services(&records, usable, secure)
                .into_iter()
                .map(|(transport, _)| transport)
                .collect()
        };
        assert_eq!(
            transports(ALL, false),
            [Transport::Tls, Transport::Tcp, Transport::Udp]
        );
        assert_eq!(transports(ALL, true), [Transport::Tls]);
        assert_eq!(
            transports(Usable { tls: false, ..ALL }, false),
            [Transport::Tcp, Transport::Udp]
        );
        assert_eq!(transports(Usable { tls: false, ..ALL }, true), []);
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv {
            priority,
            weight,
            port: 5060,
            target: target.into(),
        }
    }

    /// How often each comes first, in 10 000 draws.
    fn firsts(records: &[Srv]) -> BTreeMap<String, u32> {
        let mut rng = StdRng::seed_from_u64(3263);
        let mut firsts = BTreeMap::new();
        for _ in 0..10_000 {
            let ordered = by_weight(records.to_vec(), &mut rng);
            assert_eq!(ordered.len(), records.len());
            assert!(ordered.is_sorted_by_key(|record| record.priority));
            *firsts.entry(ordered[0].target.clone()).or_default() += 1;
        }
        firsts
    }

    #[test]
    fn priorities_first_then_shares_by_weight() {
        let found = firsts(&[
            srv(20, 100, "spare"),
            srv(10, 60, "a"),
            srv(10, 30, "b"),
            srv(10, 10, "c"),
        ]);
        assert_eq!(found.len(), 3, "the spare one is never first: {found:?}");
        for (target, share) in [("a", 0.6), ("b", 0.3), ("c", 0.1)] {
            let measured = f64::from(found[target]) / 10_000.0;
            assert!((measured - share).abs() < 0.03, "{target}: {measured}");
        }
    }

    #[test]
    fn a_weight_of_zero_has_a_small_chance() {
        let found = firsts(&[srv(10, 100, "a"), srv(10, 0, "b")]);
        let rare = f64::from(found["b"]) / 10_000.0;
        assert!((0.002..0.03).contains(&rare), "{rare}");
    }

    #[test]
    fn all_of_weight_zero_are_all_there() {
        let records: Vec<Srv> = ["a", "b", "c"].map(|target| srv(0, 0, target)).to_vec();
        assert_eq!(by_weight(records, &mut StdRng::seed_from_u64(1)).len(), 3);
    }

    #[test]
    fn families_take_turns() {
        let addresses: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3"]
            .map(|address| address.parse().unwrap())
            .to_vec();
        let mixed: Vec<String> = families(&addresses).iter().map(IpAddr::to_string).collect();
        assert_eq!(mixed, ["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    }
}
