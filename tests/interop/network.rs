//! Another host for a test: a network namespace behind a pair of virtual Ethernet devices.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::lab::skip;

/// A namespace, reached over a link that the test takes down and up, from an address that it changes.
pub struct OtherHost {
    name: String,
    number: u8,
    moved: AtomicU8,
}

impl OtherHost {
    /// Makes one; `None` where namespaces can't be made.
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tipring{}x{number}", std::process::id());
        if !ip(&format!("netns add {name}")) {
            return skip("no network namespaces");
        }
        let host = Self {
            name,
            number,
            moved: AtomicU8::new(1),
        };
        for command in [
            format!(
                "link add {} type veth peer name there netns {}",
                host.device(),
                host.name
            ),
            format!("addr add {}/24 dev {}", host.here(1), host.device()),
            format!("link set {} up", host.device()),
            format!("-n {} addr add {}/24 dev there", host.name, host.there()),
            format!("-n {} link set there up", host.name),
            format!("-n {} link set lo up", host.name),
        ] {
            assert!(ip(&command), "ip {command}");
        }
        Some(host)
    }

    pub fn namespace(&self) -> &str {
        &self.name
    }

    /// The other host's address.
    pub fn there(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, self.number, 254)
    }

    /// Gives this end another address, as a new lease does.
    pub fn move_here(&self) {
        let old = self.moved.fetch_add(1, Ordering::Relaxed);
        let (old, new) = (self.here(old), self.here(old + 1));
        assert!(ip(&format!("addr del {old}/24 dev {}", self.device())));
        assert!(ip(&format!("addr add {new}/24 dev {}", self.device())));
    }

    /// Takes this end's link `up` or `down` by the other end, as a pulled plug does.
    pub fn link(&self, state: &str) {
        assert!(ip(&format!("-n {} link set there {state}", self.name)));
    }

    fn here(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, self.number, host)
    }

    fn device(&self) -> String {
        format!("tipring{}", self.number)
    }
}

impl Drop for OtherHost {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.device()));
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(words: &str) -> bool {
    let status = Command::new("ip").args(words.split(' ')).status();
    status.is_ok_and(|status| status.success())
}
