//! What must hold between the keys of the listeners: nobody comes in from other hosts unseen, unless an operator
//! says so.

use std::{net::SocketAddr, time::Duration};

use super::{Config, Tls, Wrong};
use crate::server::tls::{Flaw, Part, load};

impl Config {
    /// Whether `listen` knows who each client is: by a certificate, or by what is in `[auth]`, none of which goes
    /// over the network in the clear.
    fn identifies_clients(&self) -> bool {
        let certificates = self.tls.as_ref().is_some_and(Tls::proves_clients);
        certificates || (self.tls.is_some() && self.auth.is_some())
    }

    /// Whether the listener of the workers knows who each of them is.
    fn identifies_workers(&self) -> bool {
        let tls = match self.worker_listen {
            Some(_) => &self.worker_tls,
            None => &self.tls,
        };
        // Where identities are configured a worker without a certificate does not come in.
        let asked = |tls: &Tls| tls.client_ca.is_some() && !self.worker_identities.is_empty();
        tls.as_ref().is_some_and(|tls| tls.proves_clients() || asked(tls))
    }

    /// Listeners that other hosts reach although they do not know who comes in.
    pub(crate) fn insecure_listeners(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let clients =
            self.identifies_clients() && (self.worker_listen.is_some() || self.identifies_workers());
        let listeners = [
            Some(("listen", self.listen, clients)),
            self.worker_listen
                .map(|address| ("worker_listen", address, self.identifies_workers())),
        ];
        listeners
            .into_iter()
            .flatten()
            .filter(|(_, address, identifies)| !address.ip().is_loopback() && !identifies)
            .map(|(key, address, _)| (key, address))
    }

    /// Who reaches the dashboard may run every tool, as who reaches a listener may.
    fn check_dashboard(&self, wrong: &mut Vec<Wrong>) {
        let others = self.admin.listen.is_some_and(|listen| !listen.ip().is_loopback());
        if others && self.admin.remote_dashboard && self.auth.is_none() && !self.insecure_allow_remote {
            wrong.push(Wrong {
                key: "admin.remote_dashboard",
                what: "lets other hosts run every tool, without a check of who comes in".to_owned(),
                expected:
                    "a section [auth], or `insecure_allow_remote = true` where the network itself is trusted"
                        .to_owned(),
            });
        }
    }

    pub(super) fn check_listeners(&self, wrong: &mut Vec<Wrong>) {
        if !self.insecure_allow_remote {
            for (key, address) in self.insecure_listeners() {
                let (who, cure) = match key {
                    "listen" if self.identifies_clients() => (
                        "which workers come in",
                        "`worker_listen` for the workers, or client_ca in [tls] and [[worker_identities]]",
                    ),
                    "listen" => (
                        "who comes in",
                        "a section [tls] with certificate and key, and in it client_ca or beside it [auth]",
                    ),
                    _ => (
                        "which workers come in",
                        "a section [worker_tls] with certificate, key and client_ca",
                    ),
                };
                wrong.push(Wrong {
                    key,
                    what: format!("`{address}` can be reached from other hosts, without a check of {who}"),
                    expected: format!(
                        "a loopback address such as \"127.0.0.1:7420\", or {cure}, or `insecure_allow_remote = true` \
                         where the network itself is trusted"
                    ),
                });
            }
        }
        self.check_dashboard(wrong);
        if self.worker_listen == Some(self.listen) && self.listen.port() != 0 {
            wrong.push(Wrong {
                key: "worker_listen",
                what: format!("`{}` is that of listen", self.listen),
                expected: "another address; without worker_listen, workers come in at listen".into(),
            });
        }
        if self.worker_listen.is_none() && self.worker_tls.is_some() {
            wrong.push(Wrong {
                key: "worker_tls",
                what: "is of worker_listen, which is not set".into(),
                expected: "worker_listen too, or [tls], which is of everybody who comes in at listen".into(),
            });
        }
        for (tls, keys) in [(&self.tls, TLS_KEYS), (&self.worker_tls, WORKER_TLS_KEYS)] {
            if let Some(tls) = tls {
                check_tls(tls, &keys, wrong);
            }
        }
    }
}

/// The dotted keys of one section.
struct Keys {
    certificate: &'static str,
    key: &'static str,
    client_ca: &'static str,
    client_certificate: &'static str,
    reload_interval: &'static str,
}

const TLS_KEYS: Keys = Keys {
    certificate: "tls.certificate",
    key: "tls.key",
    client_ca: "tls.client_ca",
    client_certificate: "tls.client_certificate",
    reload_interval: "tls.reload_interval",
};
const WORKER_TLS_KEYS: Keys = Keys {
    certificate: "worker_tls.certificate",
    key: "worker_tls.key",
    client_ca: "worker_tls.client_ca",
    client_certificate: "worker_tls.client_certificate",
    reload_interval: "worker_tls.reload_interval",
};

fn check_tls(tls: &Tls, keys: &Keys, wrong: &mut Vec<Wrong>) {
    if tls.client_ca.is_none() && tls.client_certificate != super::ClientCertificate::default() {
        wrong.push(Wrong {
            key: keys.client_certificate,
            what: "says what client_ca is for, which is not set".into(),
            expected: format!("{} too", keys.client_ca),
        });
    }
    if tls.reload_interval < Duration::from_millis(100) {
        wrong.push(Wrong {
            key: keys.reload_interval,
            what: format!("{} is too short", humantime::format_duration(tls.reload_interval)),
            expected: "at least \"100ms\"".into(),
        });
    }
    for Flaw { part, what, expected } in load(tls).err().unwrap_or_default() {
        let key = match part {
            Part::Certificate => keys.certificate,
            Part::Key => keys.key,
            Part::ClientCa => keys.client_ca,
        };
        wrong.push(Wrong { key, what, expected });
    }
}
