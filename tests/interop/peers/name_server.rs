//! A name server whose answers the test changes: NAPTR, SRV, AAAA and A records, each with the time to live that the test wants.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, OpCode};
use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};
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
        Self::start_at(Ipv4Addr::LOCALHOST, ttl_s)
    }

    /// Starts one at an address.
    pub fn start_at(address: Ipv4Addr, ttl_s: u32) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
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

    /// Sets the NAPTR records of a name, best first: the service (`SIP+D2T`) and the name of its SRV records.
    pub fn set_naptr(&self, name: &str, services: &[(&str, &str)]) {
        let data = (10..).zip(services).map(|(order, (service, replacement))| {
            let replacement = Name::from_ascii(format!("{replacement}.")).expect("a name");
            let [flags, service, regexp] = ["s", service, ""].map(|text| text.as_bytes().into());
            RData::NAPTR(NAPTR::new(order, 10, flags, service, regexp, replacement))
        });
        self.set(name, RecordType::NAPTR, data.collect());
    }

    /// Sets the address of a name, A or AAAA; it may have one of each.
    pub fn set_address(&self, name: &str, address: impl Into<IpAddr>) {
        let data = RData::from(address.into());
        self.set(name, data.record_type(), vec![data]);
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
