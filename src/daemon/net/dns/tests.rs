//! The resolver against a name server of the tests' own.

use super::*;
use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, Record};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// Answers for example.net; nothing for other names, and failure for `broken.net`.
async fn name_server() -> SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let request = Message::from_vec(&buffer[..length]).unwrap();
            let query = request.queries[0].clone();
            let asked = query.name().to_ascii().to_ascii_lowercase();
            let data = match (asked.trim_end_matches('.'), query.query_type()) {
                ("example.net", RecordType::NAPTR) => vec![RData::NAPTR(NAPTR::new(
                    10,
                    20,
                    b"s".to_vec().into_boxed_slice(),
                    b"SIP+D2U".to_vec().into_boxed_slice(),
                    Box::default(),
                    name("_sip._udp.example.net."),
                ))],
                ("_sip._udp.example.net", RecordType::SRV) => vec![
                    RData::SRV(SRV::new(10, 60, 5070, name("a.example.net."))),
                    RData::SRV(SRV::new(0, 0, 0, Name::root())),
                ],
                ("a.example.net", RecordType::A) => vec![RData::A(A::new(192, 0, 2, 1))],
                ("a.example.net", RecordType::AAAA) => {
                    vec![RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))]
                }
                _ => Vec::new(),
            };
            let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
            response.add_query(query.clone());
            if asked.starts_with("broken.net") {
                response.metadata.response_code = ResponseCode::ServFail;
            }
            for data in data {
                response.add_answer(Record::from_rdata(query.name().clone(), 77, data));
            }
            socket.send_to(&response.to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

async fn ask(server: SocketAddr, question: Question) -> Result<Answer, String> {
    let (inbound, mut arrivals) = mpsc::channel(1);
    Dns::new(vec![server], false).ask(9, question, inbound);
    match arrivals.recv().await {
        Some(Inbound::Resolved { query: 9, result }) => result,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn records_of_every_kind_with_their_time_to_live() {
    let server = name_server().await;
    let ttl = Duration::from_secs(77);
    let found = ask(server, Question::Naptr("example.net".into())).await.unwrap();
    let naptr = Naptr {
        order: 10,
        preference: 20,
        flags: "s".into(),
        service: "SIP+D2U".into(),
        replacement: "_sip._udp.example.net".into(),
    };
    assert_eq!(
        found,
        Answer {
            records: Records::Naptr(vec![naptr]),
            ttl
        }
    );
    let found = ask(server, Question::Srv("_sip._udp.example.net".into()))
        .await
        .unwrap();
    let srv = Srv {
        priority: 10,
        weight: 60,
        port: 5070,
        target: "a.example.net".into(),
    };
    let none = Srv {
        priority: 0,
        weight: 0,
        port: 0,
        target: ".".into(),
    };
    let Records::Srv(mut records) = found.records else {
        panic!()
    };
    records.sort_by_key(|record| record.port);
    assert_eq!(records, [none, srv]);
    let found = ask(server, Question::Addresses("a.example.net".into()))
        .await
        .unwrap();
    let addresses = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap());
    assert_eq!(
        found,
        Answer {
            records: Records::Addresses(addresses.to_vec()),
            ttl
        }
    );
}

#[tokio::test]
async fn nothing_is_an_answer_and_failure_is_none() {
    let server = name_server().await;
    let found = ask(server, Question::Srv("_sip._tcp.example.net".into()))
        .await
        .unwrap();
    assert_eq!(found.records, Records::Srv(vec![]));
    assert!(
        ask(server, Question::Addresses("broken.net".into()))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_system_knows_its_own_names() {
    let (inbound, mut arrivals) = mpsc::channel(1);
    Dns::new(Vec::new(), true).ask(1, Question::Addresses("localhost".into()), inbound);
    let Some(Inbound::Resolved { result, .. }) = arrivals.recv().await else {
        panic!();
    };
    assert_eq!(
        result.unwrap().records,
        Records::Addresses(vec!["127.0.0.1".parse().unwrap()])
    );
}

#[test]
fn service_names_are_looked_up_where_the_domain_says() {
    assert_eq!(
        absolute("_sip._udp.example.net", "example.net"),
        "_sip._udp.example.net."
    );
    assert_eq!(
        absolute("_sip._udp.pbx", "pbx"),
        "_sip._udp.pbx",
        "by the search list"
    );
    assert_eq!(
        (bare("a.b."), bare("."), bare("a")),
        ("a.b".into(), ".".into(), "a".into())
    );
}
