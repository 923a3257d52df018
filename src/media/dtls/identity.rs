//! Our certificate: self-signed, P-256, valid for ever. Its fingerprint in SIP is what vouches for it, and small machines
//! have no clock when they start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dimpl::DtlsCertificate;
use dimpl::crypto::rust_crypto;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::EncodePrivateKey;
use rand::Rng;
use rand::rngs::StdRng;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::Encode;
use x509_cert::der::asn1::UtcTime;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::handshake::{FIRST_RETRY_AFTER, RETRIES_MAX, WITHIN};
use super::{DtlsError, Fingerprint};

/// Random bytes of the serial number; RFC 5280 section 4.1.2.2 allows 20.
const SERIAL_BYTES: usize = 16;

/// Our certificate and its key, for every handshake of this program's life.
pub struct Identity {
    pub(super) certificate: DtlsCertificate,
    pub(super) config: Arc<dimpl::Config>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Makes one. The generator has to be fit for keys.
    pub fn new(random: &mut StdRng) -> Result<Self, DtlsError> {
        Self::made(random, |config| config)
    }

    /// One whose handshakes take the same time whenever they meet the same network, for tests.
    #[cfg(test)]
    pub(super) fn repeatable(seed: u64) -> Self {
        let mut random = rand::SeedableRng::seed_from_u64(seed);
        Self::made(&mut random, |config| config.dangerously_set_rng_seed(seed)).expect("a certificate")
    }

    fn made(
        random: &mut StdRng,
        adapt: impl FnOnce(dimpl::ConfigBuilder) -> dimpl::ConfigBuilder,
    ) -> Result<Self, DtlsError> {
        let failed = |error: &dyn fmt::Display| DtlsError::Identity(error.to_string());
        let key = SigningKey::generate_from_rng(random);
        let mut serial = [0; SERIAL_BYTES];
        random.fill_bytes(&mut serial);
        let certificate = certificate(&key, &serial).map_err(|error| failed(&error))?;
        let private_key = key.to_pkcs8_der().map_err(|error| failed(&error))?;
        let config = dimpl::Config::builder()
            .with_crypto_provider(rust_crypto::default_provider())
            .flight_start_rto(FIRST_RETRY_AFTER)
            .flight_retries(RETRIES_MAX)
            .handshake_timeout(WITHIN);
        let config = adapt(config).build().map_err(|error| failed(&error))?;
        Ok(Self {
            fingerprint: Fingerprint::of(&certificate),
            certificate: DtlsCertificate {
                certificate,
                private_key: private_key.as_bytes().to_vec(),
            },
            config: Arc::new(config),
        })
    }

    /// What session descriptions say of it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Identity")
            .field(&self.fingerprint)
            .finish()
    }
}

/// The certificate in DER.
fn certificate(key: &SigningKey, serial: &[u8]) -> builder::Result<Vec<u8>> {
    let validity = Validity::new(
        Time::UtcTime(UtcTime::from_unix_duration(Duration::ZERO)?),
        Time::INFINITY,
    );
    let certificate = CertificateBuilder::new(
        Nameless,
        SerialNumber::new(serial)?,
        validity,
        SubjectPublicKeyInfo::from_key(key.verifying_key())?,
    )?
    .build::<_, DerSignature>(key)?;
    Ok(certificate.to_der()?)
}

/// A certificate that says nothing of who we are: everybody we call is shown it.
struct Nameless;

impl BuilderProfile for Nameless {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        "CN=DTLS-SRTP".parse().unwrap_or_default()
    }

    fn build_extensions(
        &self,
        _subject_key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        _certificate: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(Vec::new())
    }
}
