//! A range of IP addresses, as `accept_from` lists them.

use std::net::IpAddr;

/// Addresses that share their first bits (CIDR, RFC 4632; RFC 4291 2.3). IPv4 addresses mapped into IPv6 count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// The addresses that agree with `address` in their first `prefix_bits`; `None`: no address has that many.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Option<Self> {
        (prefix_bits <= bits(address)).then_some(Self { address, prefix_bits })
    }

    /// One address alone.
    pub fn host(address: IpAddr) -> Self {
        Self {
            address,
            prefix_bits: bits(address),
        }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        differing >= u32::from(self.prefix_bits)
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_and_outside_of_ranges() {
        let network = |address: &str, bits| Network::new(address.parse().unwrap(), bits).unwrap();
        for (network, inside, outside) in [
            (network("192.0.2.0", 24), "192.0.2.255", "192.0.3.0"),
            (network("192.0.2.77", 24), "192.0.2.1", "192.0.1.77"),
            (network("10.0.0.0", 8), "::ffff:10.9.8.7", "11.0.0.0"),
            (network("2001:db8::", 32), "2001:db8:ffff::1", "2001:db9::1"),
            (
                Network::host("192.0.2.1".parse().unwrap()),
                "192.0.2.1",
                "192.0.2.0",
            ),
            (network("0.0.0.0", 0), "255.255.255.255", "::1"),
            (network("::", 0), "::1", "192.0.2.1"),
        ] {
            assert!(network.contains(inside.parse().unwrap()), "{network:?} {inside}");
            assert!(
                !network.contains(outside.parse().unwrap()),
                "{network:?} {outside}"
            );
        }
        assert_eq!(Network::new("192.0.2.0".parse().unwrap(), 33), None);
        assert_eq!(Network::new("::".parse().unwrap(), 129), None);
    }
}
