//! TLS for SIP (RFC 3261 26.3, RFC 5922): who is trusted, what a server's certificate has to say, and our own
//! certificate where there is one.
//!
//! Nothing is read before it is needed: a machine without TLS pays nothing for it, and one with it has dial tone
//! first.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What the configuration says about TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSetup {
    /// Certificates of authorities trusted beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether servers have to prove who they are.
    pub trust_anybody: bool,
    /// Our own certificate with those that lead to its authority, and its key, both PEM: shown to servers that ask,
    /// and what the listener needs.
    pub identity: Option<Identity>,
}

/// Files of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Certificate and intermediates.
    pub certificate_file: PathBuf,
    /// Private key.
    pub key_file: PathBuf,
}

/// Client connections: made of `setup` at the first use. Reads files; not for the loop itself.
pub fn connector(setup: &TlsSetup) -> Result<TlsConnector, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(setup, provider.clone())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &setup.identity {
        Some(identity) => {
            let (chain, key) = read_identity(identity)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| describe(&error))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config).into())
}

/// The listener's side; `None` without a certificate.
pub fn acceptor(setup: &TlsSetup) -> Result<Option<TlsAcceptor>, String> {
    let Some(identity) = &setup.identity else {
        return Ok(None);
    };
    let (chain, key) = read_identity(identity)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("{}: {}", identity.certificate_file.display(), describe(&error)))?;
    Ok(Some(Arc::new(config).into()))
}

/// The name a server has to prove: a domain or an address.
pub fn server_name(domain: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(domain.trim_end_matches('.').to_owned())
        .map_err(|_| format!("{domain} is no name that a certificate can have"))
}

/// An error of the handshake, in words that say what to do about it.
pub fn describe_failure(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => describe(error),
        None => error.to_string(),
    }
}

fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is of no authority known here (tls.ca_file names further ones)"
                .to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the server's certificate is not valid yet: is this machine's clock right?".to_owned(),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired, or this machine's clock is wrong".to_owned()
        }
        other => other.to_string(),
    }
}

fn read_identity(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = read_certificates(&identity.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&identity.key_file)
        .map_err(|error| format!("cannot read the key {}: {error}", identity.key_file.display()))?;
    Ok((chain, key))
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("cannot read the certificates of {}: {error}", file.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(unreadable)?.collect();
    let found = found.map_err(unreadable)?;
    if found.is_empty() {
        return Err(format!("{} has no certificate in it", file.display()));
    }
    Ok(found)
}

fn verifier(setup: &TlsSetup, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    if setup.trust_anybody {
        return Ok(Arc::new(Anybody(provider)));
    }
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(file) = &setup.ca_file {
        let (added, _) = roots.add_parsable_certificates(read_certificates(file)?);
        if added == 0 {
            return Err(format!(
                "{} has no certificate of an authority in it",
                file.display()
            ));
        }
    }
    if roots.is_empty() {
        return Err(
            "this machine knows no certificate authority: install ca-certificates or give tls.ca_file"
                .to_owned(),
        );
    }
    let names = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(SipVerifier(names)))
}

/// The web's rules, and beside them the names of RFC 5922 7.1: a certificate may say `sip:DOMAIN`.
#[derive(Debug)]
struct SipVerifier(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for SipVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The chain and the times are good by then: names are checked last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if names_domain(end_entity, server_name) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Whether a URI of the certificate is the domain's own: `sip:example.net`, nothing more (RFC 5922 7.1).
fn names_domain(certificate: &CertificateDer<'_>, wanted: &ServerName<'_>) -> bool {
    let ServerName::DnsName(wanted) = wanted else {
        return false;
    };
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else {
        return false;
    };
    parsed.valid_uri_names().any(|uri| {
        uri.split_once(':').is_some_and(|(scheme, domain)| {
            scheme.eq_ignore_ascii_case("sip") && domain.eq_ignore_ascii_case(wanted.as_ref())
        })
    })
}

/// Whoever has a certificate will do. Configured by a person, and warned about.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        ParsedCertificate::try_from(end_entity).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
