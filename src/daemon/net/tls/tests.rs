//! Connections between two of our own sides, by certificates made here.

use super::*;
use crate::daemon::inbound::Inbound;
use crate::daemon::net::{NetSetup, SipNet};
use crate::gateway::Input;
use crate::sip::ua::{Transport, UaInput};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, Receiver};

/// An authority and a certificate it gave, as files.
struct Files {
    directory: TempDir,
}

impl Files {
    /// For a server whose certificate has these names: `sip:` ones are URIs.
    fn new(names: &[&str]) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        // Authorities are told apart by their names.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        authority
            .distinguished_name
            .push(DnType::CommonName, format!("authority {number}"));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut server = CertificateParams::new(Vec::new()).unwrap();
        server.subject_alt_names = names
            .iter()
            .map(|name| match (name.strip_prefix("sip:"), name.parse()) {
                (Some(_), _) => SanType::URI((*name).try_into().unwrap()),
                (None, Ok(ip)) => SanType::IpAddress(ip),
                (None, Err(_)) => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        let key = KeyPair::generate().unwrap();
        let certificate = server.signed_by(&key, &authority).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, text: String| std::fs::write(directory.path().join(file), text).unwrap();
        write("ca.pem", authority.pem());
        write("server.pem", certificate.pem());
        write("server.key", key.serialize_pem());
        Self { directory }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    fn identity(&self) -> Identity {
        Identity {
            certificate_file: self.path("server.pem"),
            key_file: self.path("server.key"),
        }
    }
}

fn net(tls: TlsSetup) -> (SipNet, Receiver<Inbound>) {
    let (inbound, arrivals) = mpsc::channel(16);
    let setup = NetSetup {
        tls,
        ..NetSetup::default()
    };
    let any = "127.0.0.1:0".parse().unwrap();
    (
        SipNet::bind(any, &[Transport::Tcp, Transport::Tls], &setup, inbound).unwrap(),
        arrivals,
    )
}

/// Connects to a server with `files` as `domain`; what came of it.
async fn attempt(files: &Files, setup: TlsSetup, domain: &str) -> Result<String, String> {
    let (mut server, mut at_server) = net(TlsSetup {
        identity: Some(files.identity()),
        ..TlsSetup::default()
    });
    let remote = server.tls_bound().unwrap();
    let (mut client, mut at_client) = net(setup);
    client.connect_tls(remote, domain.into());
    client.transmit(Transport::Tls, remote, b"ping".to_vec());
    loop {
        tokio::select! {
            arrival = at_server.recv() => match arrival.unwrap() {
                Inbound::Accepted { stream, transport, remote } => server.accepted(stream, transport, remote),
                Inbound::Gateway(input) => {
                    let Input::Sip(UaInput::Stream { transport: Transport::Tls, bytes, remote, .. }) = *input else {
                        panic!("{input:?}");
                    };
                    // The way back is the same connection.
                    server.transmit(Transport::Tls, remote, bytes);
                }
                _ => {}
            },
            arrival = at_client.recv() => match arrival.unwrap() {
                Inbound::Closed { transport: Transport::Tls, reason, .. } => return Err(reason),
                Inbound::Gateway(input) => {
                    let Input::Sip(UaInput::Stream { bytes, .. }) = *input else { panic!("{input:?}") };
                    return Ok(String::from_utf8(bytes).unwrap());
                }
                other => panic!("{other:?}"),
            },
        }
    }
}

#[tokio::test]
async fn a_server_proves_the_domain_asked_for() {
    let files = Files::new(&["pbx.example.net", "127.0.0.1"]);
    let trusting = TlsSetup {
        ca_file: Some(files.path("ca.pem")),
        ..TlsSetup::default()
    };
    for domain in ["pbx.example.net", "PBX.example.net.", "127.0.0.1"] {
        assert_eq!(
            attempt(&files, trusting.clone(), domain).await.unwrap(),
            "ping",
            "{domain}"
        );
    }
    let reason = attempt(&files, trusting, "sip.example.net").await.unwrap_err();
    assert!(reason.contains("sip.example.net"), "{reason}");
}

#[tokio::test]
async fn a_certificate_may_name_the_domain_as_a_sip_uri() {
    let files = Files::new(&["sip:example.net", "host7.example.org"]);
    let trusting = TlsSetup {
        ca_file: Some(files.path("ca.pem")),
        ..TlsSetup::default()
    };
    assert!(attempt(&files, trusting.clone(), "example.net").await.is_ok());
    assert!(
        attempt(&files, trusting.clone(), "sub.example.net")
            .await
            .is_err()
    );
    assert!(attempt(&files, trusting, "example.org").await.is_err());
}

#[tokio::test]
async fn an_unknown_authority_is_refused_unless_a_person_says_otherwise() {
    let (files, others) = (Files::new(&["pbx.example.net"]), Files::new(&["pbx.example.net"]));
    let other = TlsSetup {
        ca_file: Some(others.path("ca.pem")),
        ..TlsSetup::default()
    };
    let reason = attempt(&files, other, "pbx.example.net").await.unwrap_err();
    assert!(reason.contains("no authority known here"), "{reason}");
    let anybody = TlsSetup {
        trust_anybody: true,
        ..TlsSetup::default()
    };
    assert_eq!(
        attempt(&files, anybody, "whatever.example.net").await.unwrap(),
        "ping"
    );
}

#[tokio::test]
async fn a_listener_without_certificate_is_none_and_a_broken_one_says_why() {
    let (plain, _arrivals) = net(TlsSetup::default());
    assert_eq!(plain.tls_bound(), None);
    let identity = Identity {
        certificate_file: "/nowhere.pem".into(),
        key_file: "/nowhere.key".into(),
    };
    let reason = acceptor(&TlsSetup {
        identity: Some(identity),
        ..TlsSetup::default()
    })
    .err()
    .unwrap();
    assert!(reason.contains("/nowhere.pem"), "{reason}");
    let missing = TlsSetup {
        ca_file: Some("/nowhere.pem".into()),
        ..TlsSetup::default()
    };
    assert!(connector(&missing).err().unwrap().contains("/nowhere.pem"));
}

#[tokio::test]
async fn our_certificate_is_shown_to_a_server_that_asks() {
    let files = Files::new(&["127.0.0.1"]);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(read_certificates(&files.path("ca.pem")).unwrap());
    let provider = Arc::new(ring::default_provider());
    let wants = tokio_rustls::rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        provider.clone(),
    );
    let (chain, key) = read_identity(&files.identity()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(wants.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for (shown, welcome) in [(Some(files.identity()), true), (None, false)] {
        let setup = TlsSetup {
            ca_file: Some(files.path("ca.pem")),
            identity: shown,
            ..TlsSetup::default()
        };
        let client = async {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let name = server_name("127.0.0.1").unwrap();
            connector(&setup).unwrap().connect(name, stream).await
        };
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await.is_ok()
        };
        let (_client, accepted) = tokio::join!(client, server);
        assert_eq!(accepted, welcome);
    }
}

/// Two accounts whose domains are at one address: each has the connection on which its own was proved.
#[tokio::test]
async fn domains_at_one_address_have_a_connection_each() {
    let files = Files::new(&["one.example.net", "two.example.net"]);
    let (mut server, mut at_server) = net(TlsSetup {
        identity: Some(files.identity()),
        ..TlsSetup::default()
    });
    let remote = server.tls_bound().unwrap();
    let (mut client, mut at_client) = net(TlsSetup {
        ca_file: Some(files.path("ca.pem")),
        ..TlsSetup::default()
    });
    for (domain, word) in [("one", "first"), ("two", "second"), ("one", "third")] {
        client.connect_tls(remote, format!("{domain}.example.net").into());
        client.transmit(Transport::Tls, remote, format!("{word}.").into_bytes());
    }
    let mut heard = std::collections::BTreeMap::<_, String>::new();
    let mut answers = std::collections::BTreeMap::<_, String>::new();
    while answers.values().map(String::len).sum::<usize>() < "first.second.third.".len() {
        tokio::select! {
            arrival = at_server.recv() => match arrival.unwrap() {
                Inbound::Accepted { stream, transport, remote } => server.accepted(stream, transport, remote),
                Inbound::Gateway(input) => {
                    let Input::Sip(UaInput::Stream { bytes, remote, domain: None, .. }) = *input else {
                        panic!("{input:?}");
                    };
                    *heard.entry(remote).or_default() += std::str::from_utf8(&bytes).unwrap();
                    server.transmit(Transport::Tls, remote, bytes);
                }
                other => panic!("{other:?}"),
            },
            arrival = at_client.recv() => {
                let Some(Inbound::Gateway(input)) = arrival else { panic!("{arrival:?}") };
                let Input::Sip(UaInput::Stream { bytes, domain: Some(domain), .. }) = *input else {
                    panic!("{input:?}");
                };
                *answers.entry(domain.to_string()).or_default() += std::str::from_utf8(&bytes).unwrap();
            }
        }
    }
    let mut said: Vec<_> = heard.into_values().collect();
    said.sort();
    assert_eq!(said, ["first.third.", "second."]);
    let of = |domain: &str| answers.get(domain).map(String::as_str);
    assert_eq!(
        (of("one.example.net"), of("two.example.net")),
        (Some("first.third."), Some("second."))
    );
}
