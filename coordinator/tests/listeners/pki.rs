//! Certificates of a test: a CA, what it signs, and the files that a listener reads.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};
use toolwave_coordinator::config::{ClientCertificate, Tls};

/// What servers of these tests are called.
pub(crate) const NAME: &str = "coordinator.test";

/// A CA.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: Certificate,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// For a server of [`NAME`].
    pub(crate) fn server(&self) -> Identity {
        self.sign(NAME, ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// The same, but valid from then only.
    pub(crate) fn server_from(&self, start: SystemTime) -> Identity {
        self.sign(NAME, ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.not_before = start.into();
        })
    }

    pub(crate) fn client(&self) -> Identity {
        self.sign("client.test", ExtendedKeyUsagePurpose::ClientAuth, |_| {})
    }

    /// One that ended an hour ago.
    pub(crate) fn expired(&self, usage: ExtendedKeyUsagePurpose) -> Identity {
        self.until(usage, SystemTime::now() - Duration::from_secs(3600))
    }

    /// One that ends then.
    pub(crate) fn until(&self, usage: ExtendedKeyUsagePurpose, end: SystemTime) -> Identity {
        self.sign(NAME, usage, |params| {
            params.not_before = (end - Duration::from_secs(24 * 3600)).into();
            params.not_after = end.into();
        })
    }

    pub(crate) fn sign(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        change: impl Fn(&mut CertificateParams),
    ) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Identity {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        let found = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        found.collect::<Result<_, _>>().expect("PEM")
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM")
    }
}

/// A listener's files, in a folder of their own.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new(server: &Identity) -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        files.serve(server);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn serve(&self, server: &Identity) {
        replace(&self.path("server.pem"), &server.certificate, 0o644);
        replace(&self.path("server.key"), &server.key, 0o600);
    }

    pub(crate) fn trust(&self, ca: &Ca) {
        replace(&self.path("ca.pem"), &ca.certificate.pem(), 0o644);
    }

    /// The section without a CA.
    pub(crate) fn tls(&self) -> Tls {
        Tls {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: None,
            client_certificate: ClientCertificate::Required,
            reload_interval: Duration::from_secs(10),
        }
    }

    /// The section with one.
    pub(crate) fn mutual(&self, ca: &Ca, client_certificate: ClientCertificate) -> Tls {
        self.trust(ca);
        Tls {
            client_ca: Some(self.path("ca.pem")),
            client_certificate,
            ..self.tls()
        }
    }
}

/// Puts a whole file in the place of another, as tools that renew certificates do.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) {
    let fresh = path.with_extension("fresh");
    let _ = fs::remove_file(&fresh);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh);
    file.expect("a file").write_all(text.as_bytes()).expect("written");
    fs::rename(&fresh, path).expect("renamed");
}

/// A client that trusts a CA, with a certificate or without.
pub(crate) struct Dialler {
    trusts: CertificateDer<'static>,
    identity: Option<Identity>,
    pub(crate) name: &'static str,
    pub(crate) versions: &'static [&'static rustls::SupportedProtocolVersion],
    pub(crate) protocols: Vec<Vec<u8>>,
}

impl Dialler {
    pub(crate) fn new(trusts: &Ca, identity: Option<Identity>) -> Self {
        Self {
            trusts: trusts.certificate.der().clone(),
            identity,
            name: NAME,
            versions: rustls::ALL_VERSIONS,
            protocols: vec![b"h2".to_vec()],
        }
    }

    /// The handshake, as far as the client sees it: a server that refuses the client's certificate says so later.
    pub(crate) async fn dial<IO>(&self, stream: IO) -> std::io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusts.clone()).expect("a CA");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)
            .expect("versions that ring has")
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(identity) => config
                .with_client_auth_cert(identity.chain(), identity.private_key())
                .expect("key and certificate"),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.protocols);
        let name = ServerName::try_from(self.name).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
