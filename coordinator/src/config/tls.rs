//! The sections `[tls]` and `[worker_tls]`: which files prove who a listener is, and who comes in. Looks into no
//! file.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use toolwave_config::duration;

/// A listener's TLS. Paths are relative to where the program was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM: the listener's certificate first, then those that lead to its CA.
    pub certificate: PathBuf,
    /// PEM: the private key of the certificate, without a passphrase, readable by its owner alone.
    pub key: PathBuf,
    /// PEM: who signs the certificates of those that come in. Absent: nobody is asked for one.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Whether one without a certificate comes in, where there is a `client_ca`.
    #[serde(default)]
    pub client_certificate: ClientCertificate,
    /// How often the files are looked at; when one has changed, further connections go by the new ones.
    #[serde(default = "reload_interval", with = "duration")]
    pub reload_interval: Duration,
}

/// What a listener with a `client_ca` wants of those that come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// A certificate of that CA.
    #[default]
    Required,
    /// A certificate of that CA, or none.
    Optional,
}

fn reload_interval() -> Duration {
    Duration::from_secs(10)
}

// === impl Tls ===

impl Tls {
    /// Each connection is of somebody who proved to hold the key of a certificate.
    pub(crate) fn proves_clients(&self) -> bool {
        self.client_ca.is_some() && self.client_certificate == ClientCertificate::Required
    }
}
