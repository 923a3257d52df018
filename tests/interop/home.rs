//! A home behind a router that translates addresses, made of network namespaces: the world is this one, the router and
//! the home have each their own, which end with the test.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::lab::{Process, find_program, skip};

/// The home's own address, and its router's there.
pub const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);

/// How the router translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// Keeps ports, and lets everybody in to those of RTP.
    FullCone,
    /// Another port for everyone who is talked to, and only they are let in.
    Symmetric,
    /// The same, and no UDP goes out but to SIP, STUN and TURN servers.
    Strict,
}

/// Home, router and a piece of the world.
pub struct Home {
    _router: Process,
    home: Process,
    home_id: u32,
    world: [Ipv4Addr; 3],
}

impl Home {
    /// Builds one; `None` where there is no network of the tests' own to build it in.
    pub fn behind(router: Router) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        // Never in the machine's own network: tests/lab/interop.sh makes one, and says that nothing may be missing.
        if std::env::var_os("TIPRING_REQUIRE_PEERS").is_none() {
            return skip("no network of the tests' own: run tests/lab/interop.sh");
        }
        for program in ["unshare", "nsenter", "ip", "nft"] {
            if find_program(program).is_none() && !std::path::Path::new("/sbin").join(program).exists() {
                return skip(&format!("no {program}"));
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (router_process, router_id) = namespace();
        let (home, home_id) = namespace();
        let network = format!("198.18.{number}");
        let link = format!("world{number}");
        shell(&format!(
            "ip link add {link} type veth peer name outer netns {router_id} && \
             ip addr add {network}.1/24 dev {link} && ip addr add {network}.2/24 dev {link} && \
             ip addr add {network}.3/24 dev {link} && ip link set {link} up"
        ));
        inside(
            router_id,
            &format!(
                "ip link set lo up && ip addr add {network}.9/24 dev outer && ip link set outer up && \
                 ip link add inner type veth peer name eth0 netns {home_id} && \
                 ip addr add 192.168.77.1/24 dev inner && ip link set inner up && \
                 echo 1 > /proc/sys/net/ipv4/ip_forward && {}",
                rules(router)
            ),
        );
        inside(
            home_id,
            "ip link set lo up && ip addr add 192.168.77.2/24 dev eth0 && ip link set eth0 up && \
             ip route add default via 192.168.77.1",
        );
        Some(Self {
            _router: router_process,
            home,
            home_id,
            world: [1, 2, 3].map(|end| Ipv4Addr::new(198, 18, number, end)),
        })
    }

    /// Addresses in the world for three peers.
    pub fn world(&self) -> [Ipv4Addr; 3] {
        self.world
    }

    /// A program to be run at home.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.home_id))
            .arg(program);
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The namespaces and every link in them go with their processes.
        self.home.kill();
    }
}

fn rules(router: Router) -> String {
    let masquerade = match router {
        Router::FullCone => "masquerade persistent",
        Router::Symmetric | Router::Strict => "masquerade fully-random",
    };
    let mut rules = format!(
        "nft add table ip nat && \
         nft 'add chain ip nat out {{ type nat hook postrouting priority 100; }}' && \
         nft 'add rule ip nat out oifname outer {masquerade}' && "
    );
    if router == Router::FullCone {
        rules += "nft 'add chain ip nat in { type nat hook prerouting priority -100; }' && \
                  nft 'add rule ip nat in iifname outer udp dport 16384-16482 dnat to 192.168.77.2' && ";
    }
    if router == Router::Strict {
        rules += "nft add table ip guard && \
                  nft 'add chain ip guard through { type filter hook forward priority 0; }' && \
                  nft 'add rule ip guard through iifname inner udp dport != { 5060, 3478 } drop' && ";
    }
    rules + "true"
}

/// A network of its own, alive as long as its process.
fn namespace() -> (Process, u32) {
    let mut process = Process::start(
        Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready; exec sleep 100000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let (_, mut output) = process.pipes();
    let mut word = [0; 5];
    std::io::Read::read_exact(&mut output, &mut word).expect("a network namespace can be made");
    let id = process.id();
    (process, id)
}

fn inside(id: u32, script: &str) {
    let net = format!("--net=/proc/{id}/ns/net");
    let status = Command::new("nsenter").args([&net, "sh", "-c", script]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "in the namespace: {script}"
    );
}

fn shell(script: &str) {
    let status = Command::new("sh").args(["-c", script]).status();
    assert!(status.is_ok_and(|status| status.success()), "{script}");
}
