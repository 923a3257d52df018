//! A name server whose answers the test changes: SRV and A records, each with the time to live that the test wants.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, OpCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// What it answers, by name and type.
type Zone = BTreeMap<(String, RecordType), Vec<RData>>;

/// A running name server.
pub struct NameServer {
    zone: Arc<Mutex<Option<Zone>>>,
    address: SocketAddr,
}

impl NameServer {
    /// Starts one; its records live for `ttl_s`.
    pub fn start(ttl_s: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("its address");
        let zone = Arc::new(Mutex::new(Some(Zone::new())));
        let answers = Arc::downgrade(&zone);
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("set");
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            // It ends with the test, which holds the zone.
            while let Some(zone) = answers.upgrade() {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                if let Some(response) = answer(&buffer[..length], &zone, ttl_s) {
                    let _ = socket.send_to(&response, from);
                }
            }
        });
        Self { zone, address }
    }

    /// `ADDRESS:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the SRV records of a name: priority and host, all on SIP's port.
    pub fn set_srv(&self, name: &str, records: &[(u16, &str)]) {
        let data = records.iter().map(|(priority, host)| {
            let host = Name::from_ascii(format!("{host}.")).expect("a name");
            RData::SRV(SRV::new(*priority, 1, crate::lab::SIP_PORT, host))
        });
        self.set(name, RecordType::SRV, data.collect());
    }

    pub fn set_address(&self, name: &str, address: Ipv4Addr) {
        self.set(name, RecordType::A, vec![RData::A(A::from(address))]);
    }

    /// From now on nothing is answered.
    pub fn fall_silent(&self) {
        *self.zone.lock().expect("whole") = None;
    }

    fn set(&self, name: &str, record_type: RecordType, data: Vec<RData>) {
        if let Some(zone) = self.zone.lock().expect("whole").as_mut() {
            zone.insert((name.to_owned(), record_type), data);
        }
    }
}

fn answer(request: &[u8], zone: &Mutex<Option<Zone>>, ttl_s: u32) -> Option<Vec<u8>> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?.clone();
    let name = query.name().to_ascii().to_ascii_lowercase();
    let key = (name.trim_end_matches('.').to_owned(), query.query_type());
    let data = zone
        .lock()
        .expect("whole")
        .as_ref()?
        .get(&key)
        .cloned()
        .unwrap_or_default();
    let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
    response.add_query(query.clone());
    for data in data {
        response.add_answer(Record::from_rdata(query.name().clone(), ttl_s, data));
    }
    response.to_vec().ok()
}
