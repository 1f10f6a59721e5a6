//! The folder that rows call FOLDER: certificates and keys, good ones and others, tokens and a secret, made anew for
//! each. Also the settings of a coordinator that are named by rows, which refer to it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    string::Ia5String,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// What rows call it.
const WORD: &str = "FOLDER";
/// What the coordinator's certificate says.
pub(crate) const NAME: &str = "coordinator.test";
const SECRET: &str = "a secret of thirty-two bytes or more";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Three tokens, which are their names.
const TOKENS: &str = r#"
[[token]]
name = "client"
sha256 = "948fe603f61dc036b5c596dc09fe3ce3f3d30dc90f024c85f3c82db2ccab679d"
tenant = "a"
tools = ["tally"]
[[token]]
name = "operator"
sha256 = "06e55b633481f7bb072957eabcf110c972e86691c3cfedabe088024bffe42f23"
tenant = "a"
tools = ["tally"]
operator = true
[[token]]
name = "expired"
sha256 = "fa64ea1e82e1206f828ab2a02917c7e92accb98e3b95881a1b4ad52b914b66e3"
tenant = "a"
tools = ["tally"]
expires = "2020-01-01T00:00:00Z"
"#;

/// How a coordinator asks who comes in; rows name one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Setting {
    /// Clients have tokens.
    Tokens,
    /// Or tokens that an issuer signed.
    Jwt,
    /// One listener, with TLS: clients have tokens or certificates, workers certificates.
    Tls,
    /// Workers have certificates; clients need nothing.
    WorkerTls,
}

/// A folder.
pub(crate) struct Folder {
    folder: TempDir,
    ca: Issuer<'static, KeyPair>,
    ca_certificate: CertificateDer<'static>,
}

/// A token as an issuer would sign it, but for this.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Jwt {
    /// Over good ones; `null` takes one away.
    claims: Map<String, Value>,
    /// Another than is agreed.
    secret: Option<String>,
    /// `alg` is `none`, and nothing is signed.
    unsigned: bool,
}

// === impl Setting ===

impl Setting {
    /// In TOML, with [`WORD`] in it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Tokens => "[auth]\ntokens_file = \"FOLDER/tokens.toml\"\n",
            Self::Jwt => {
                "[auth]\ntokens_file = \"FOLDER/tokens.toml\"\n[auth.jwt]\naudience = \"toolwave\"\n\
                 keys = [{ algorithm = \"HS256\", secret_file = \"FOLDER/secret\" }]\n"
            }
            Self::Tls => {
                "[auth]\ntokens_file = \"FOLDER/tokens.toml\"\n\
                 client_certificates = [{ identity = \"spiffe://t/tenant/a\", tools = [\"tally\"] }]\n\
                 [[worker_identities]]\nidentity = \"spiffe://t/worker/worker\"\ntools = [\"*\"]\n\
                 [tls]\ncertificate = \"FOLDER/server.pem\"\nkey = \"FOLDER/server.key\"\n\
                 client_ca = \"FOLDER/ca.pem\"\nclient_certificate = \"optional\"\n"
            }
            Self::WorkerTls => {
                "worker_listen = \"127.0.0.1:0\"\n\
                 [worker_tls]\ncertificate = \"FOLDER/server.pem\"\nkey = \"FOLDER/server.key\"\n\
                 client_ca = \"FOLDER/ca.pem\"\n\
                 [[worker_identities]]\nidentity = \"spiffe://t/worker/w\"\ntools = [\"held\", \"gpu.*\"]\n\
                 [[worker_identities]]\nidentity = \"spiffe://t/worker/other\"\nnames = [\"w\"]\ntools = [\"*\"]\n\
                 [[worker_identities]]\nidentity = \"spiffe://t/worker/strict\"\nnames = [\"w\"]\n\
                 tools = [\"held\"]\nstrict = true\n\
                 [[worker_identities]]\nidentity = \"spiffe://t/worker/after\"\ntools = [\"*\"]\n"
            }
        }
    }
}

// === impl Folder ===

impl Folder {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = Self {
            folder: tempfile::tempdir().expect("a folder"),
            ca: Issuer::new(params, key),
            ca_certificate: certificate.der().clone(),
        };
        folder.write("ca.pem", &certificate.pem(), 0o644);
        let now = SystemTime::now();
        let (server, key) = folder.sign(ExtendedKeyUsagePurpose::ServerAuth, None, now - DAY);
        folder.write("server.pem", &server, 0o644);
        folder.write("server.key", &key, 0o600);
        folder.write("open.key", &key, 0o644);
        for (name, from) in [("expired", now - 3 * DAY), ("future", now + DAY)] {
            let (certificate, key) = folder.sign(ExtendedKeyUsagePurpose::ServerAuth, None, from);
            folder.write(&format!("{name}.pem"), &certificate, 0o644);
            folder.write(&format!("{name}.key"), &key, 0o600);
        }
        let (certificate, key) = folder.identity("worker/w");
        folder.write("worker.pem", &certificate, 0o644);
        folder.write("worker.key", &key, 0o600);
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        folder.write("encrypted.key", encrypted, 0o600);
        folder.write("empty.pem", "", 0o600);
        folder.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n", 0o600);
        folder.write("tokens.toml", TOKENS, 0o600);
        folder.write("secret", SECRET, 0o600);
        folder.write("open.secret", SECRET, 0o644);
        folder.write("short.secret", "short", 0o600);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path().join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path);
        file.expect("a file").write_all(text.as_bytes()).expect("written");
        // Whatever the umask is.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&path, permissions).expect("its own");
    }

    /// Puts its path in the place of the word.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace(WORD, &self.path().display().to_string())
    }

    /// The reverse.
    pub(crate) fn unfill(&self, text: &str) -> String {
        text.replace(&self.path().display().to_string(), WORD)
    }

    /// A certificate of two days, and its key.
    fn sign(&self, usage: ExtendedKeyUsagePurpose, uri: Option<&str>, from: SystemTime) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([NAME.to_owned()]).expect("a name");
        params.extended_key_usages = vec![usage];
        params.not_before = from.into();
        params.not_after = (from + 2 * DAY).into();
        params
            .subject_alt_names
            .extend(uri.map(|uri| SanType::URI(Ia5String::try_from(uri).expect("a URI"))));
        let certificate = params.signed_by(&key, &self.ca).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// What one needs who is `worker/w` or `tenant/a`.
    pub(crate) fn identity(&self, name: &str) -> (String, String) {
        let uri = format!("spiffe://t/{name}");
        let from = SystemTime::now() - DAY;
        self.sign(ExtendedKeyUsagePurpose::ClientAuth, Some(&uri), from)
    }

    /// For connections of one who has this name, or none.
    pub(crate) fn client(&self, name: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca_certificate.clone()).expect("a CA");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that ring has")
            .with_root_certificates(roots);
        let mut config = match name {
            Some(name) => {
                let (certificate, key) = self.identity(name);
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                config
                    .with_client_auth_cert(vec![certificate], key)
                    .expect("key and certificate")
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

// === impl Jwt ===

impl Jwt {
    pub(crate) fn token(&self) -> String {
        let mut claims = json!({
            "aud": "toolwave", "exp": 4_102_444_800_u64, "sub": "row", "tenant": "a", "tools": ["tally"],
        });
        let all = claims.as_object_mut().expect("an object");
        all.extend(self.claims.clone());
        all.retain(|_, value| !value.is_null());
        if self.unsigned {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            return format!(
                "{}.{}.",
                part(&json!({"alg": "none", "typ": "JWT"})),
                part(&claims)
            );
        }
        let secret = self.secret.as_deref().unwrap_or(SECRET);
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::default(), &claims, &key).expect("a token")
    }
}
