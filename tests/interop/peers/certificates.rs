//! A certificate authority of the test's own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// An authority, and a server's certificate that it gave.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// For a server at an address, under a name too.
    pub fn new(address: Ipv4Addr, name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
            .expect("an authority");
        let server = CertificateParams::new(vec![address.to_string(), name.to_owned()]).expect("parameters");
        let key = KeyPair::generate().expect("a key");
        let certificate = server.signed_by(&key, &authority).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (file, text) in [
            ("ca.pem", authority.pem()),
            ("server.pem", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            std::fs::write(folder.path().join(file), text).expect("written");
        }
        Self { folder }
    }

    /// The authority's own certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// `server.pem` and `server.key`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
