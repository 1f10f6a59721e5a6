//! One PEM file or text: read within bounds, and turned into certificates or a key. Says what is wrong, never what
//! stands in it.

use std::{
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// A system's whole list of CAs has a quarter of it.
const MAX_BYTES: u64 = 1 << 20;

/// Where PEM comes from.
#[derive(Clone)]
pub(crate) enum Pem {
    /// Read again for each connection.
    File(PathBuf),
    Text(Arc<[u8]>),
}

/// What is wrong, and what would be right.
pub(crate) type Wrong = (String, &'static str);

const READABLE: &str = "a readable PEM file";
const A_CERTIFICATE: &str = "a PEM file with `-----BEGIN CERTIFICATE-----`";
const A_KEY: &str = "a PEM file with one private key (PKCS #8, PKCS #1 or SEC 1)";

impl Pem {
    /// All certificates, in order; at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Wrong> {
        let text = self.read()?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| (format!("{self} is no PEM: {error}"), A_CERTIFICATE))?;
        if certificates.is_empty() {
            return Err((format!("{self} holds no certificate"), A_CERTIFICATE));
        }
        Ok(certificates)
    }

    /// The first private key, of a file that is its owner's alone.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Wrong> {
        let text = self.read()?;
        self.check_mode()?;
        if contains(&text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || contains(&text, b"Proc-Type: 4,ENCRYPTED")
        {
            return Err((
                format!("{self} is encrypted"),
                "a key without a passphrase, protected by its file's mode",
            ));
        }
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => (format!("{self} holds no private key"), A_KEY),
            // What stands in the file is a secret, so only that it is wrong is said.
            _ => (format!("{self} is no PEM"), A_KEY),
        })
    }

    fn read(&self) -> Result<Vec<u8>, Wrong> {
        match self {
            Self::File(path) => read(path),
            Self::Text(text) => Ok(text.to_vec()),
        }
    }

    #[cfg(unix)]
    fn check_mode(&self) -> Result<(), Wrong> {
        use std::os::unix::fs::MetadataExt as _;
        let Self::File(path) = self else {
            return Ok(());
        };
        let (mode, owner) = fs::metadata(path).map_or((0, 0), |metadata| (metadata.mode(), metadata.uid()));
        // A container is handed its secrets as root's, with its own group.
        let closed = if owner == 0 { 0o037 } else { 0o077 };
        if mode & closed != 0 {
            return Err((
                format!("{self} can be read by others (mode {:04o})", mode & 0o7777),
                "mode 0600 (0640 where root owns it)",
            ));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self, reason = "the same on every system")]
    fn check_mode(&self) -> Result<(), Wrong> {
        Ok(())
    }
}

/// Never more than the bound, whatever the path leads to.
fn read(path: &Path) -> Result<Vec<u8>, Wrong> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| (format!("{shown} cannot be read: {error}"), READABLE);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err((format!("{shown} is no file"), READABLE));
    }
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err((format!("{shown} is larger than 1 MiB"), READABLE));
    }
    Ok(text)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Text(_) => f.write_str("the given text"),
        }
    }
}

/// Without the text, which may be a key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Text(_) => f.write_str("PEM"),
        }
    }
}
