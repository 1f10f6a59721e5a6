//! Everybody who may come in, and the decision about one request. It reads what the connection proved and what the
//! headers say, and nothing of the body.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Extensions, codegen::http::HeaderMap};

use super::{
    Client, Peer,
    audit::Refusals,
    config,
    credentials::{self, Credentials},
    refusal::{Denied, Refusal},
    uri::{CertificateUri, Kind, Nameless},
    workers::{WorkerIdentities, WorkerIdentity},
};
use crate::{
    audit::Audit,
    config::{Config, Tls, Wrong},
    files::Looks,
};

/// Whom a service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Clients,
    Operators,
    Workers,
}

/// Who sent a request that may go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// Nobody has to say who they are.
    Anybody,
    Client(Arc<Client>),
    Worker(Arc<WorkerIdentity>),
}

/// Who may come in.
pub(crate) struct Identities {
    /// `None`: clients need not say who they are.
    clients: Option<Arc<ArcSwap<Credentials>>>,
    workers: ArcSwap<Workers>,
    refusals: Arc<Refusals>,
    /// Tells of refusals, a little later.
    _telling: AbortOnDropHandle<()>,
    /// Looks after the files.
    _reloading: Option<AbortOnDropHandle<()>>,
}

/// Which workers may come in.
struct Workers {
    identities: WorkerIdentities,
    /// They come in without a certificate.
    anonymous: bool,
}

// === impl Workers ===

impl Workers {
    fn new(identities: WorkerIdentities, config: &Config) -> Self {
        let anonymous = identities.is_empty() && may_be_anonymous(config);
        if identities.is_empty() && !anonymous {
            tracing::warn!(
                "no worker can come in: workers are asked who they are, and worker_identities is empty"
            );
        }
        Self {
            identities,
            anonymous,
        }
    }
}

// === impl Identities ===

impl Identities {
    /// Reads the files that the configuration names, and watches them in a task that it owns.
    ///
    /// # Errors
    /// Every problem.
    pub(crate) fn start(config: &Config, audit: Audit) -> Result<Self, Vec<Wrong>> {
        // Looked at before they are read: what changes in between is then read again.
        let looks = config
            .auth
            .as_ref()
            .map(|auth| Looks::of(&credentials::files(auth)));
        let Loaded { clients, workers } = Loaded::of(config)?;
        let clients = clients.map(|clients| Arc::new(ArcSwap::from_pointee(clients)));
        let reloading = match (&config.auth, &clients, looks) {
            (Some(auth), Some(clients), Some(looks)) if !credentials::files(auth).is_empty() => {
                let reload = reload(auth.clone(), clients.clone(), looks);
                Some(AbortOnDropHandle::new(tokio::spawn(reload)))
            }
            _ => None,
        };
        let refusals = Arc::new(Refusals::new(audit));
        Ok(Self {
            clients,
            workers: ArcSwap::from_pointee(Workers::new(workers, config)),
            _telling: AbortOnDropHandle::new(tokio::spawn({
                let refusals = refusals.clone();
                async move { refusals.tell_later().await }
            })),
            refusals,
            _reloading: reloading,
        })
    }

    /// Goes by other `worker_identities` from here on. Sessions that are open stay so.
    ///
    /// # Errors
    /// Every entry that cannot be used; then nothing has changed.
    pub(crate) fn set_workers(&self, config: &Config) -> Result<(), Vec<Wrong>> {
        let identities = WorkerIdentities::new(&config.worker_identities)?;
        self.workers.store(Arc::new(Workers::new(identities, config)));
        Ok(())
    }

    /// A request went no further than its headers.
    pub(super) fn tell_refused(&self, method: &str, peer: Option<SocketAddr>, refusal: &Refusal) {
        self.refusals.tell(method, peer, refusal);
    }

    /// Nobody comes any more: tells of what was not told yet.
    pub(crate) fn tell_rest(&self) {
        self.refusals.tell_rest();
    }

    /// Every problem that [`Identities::start`] would find.
    pub(crate) fn check(config: &Config) -> Vec<Wrong> {
        let mut wrong = Loaded::of(config).err().unwrap_or_default();
        let mut asks = |key, tls: &Option<Tls>, section: &str| {
            if tls.as_ref().is_none_or(|tls| tls.client_ca.is_none()) {
                let what = "nobody could show a certificate".to_owned();
                let expected = format!("[{section}] with a client_ca too");
                wrong.push(Wrong { key, what, expected });
            }
        };
        if config
            .auth
            .as_ref()
            .is_some_and(|auth| !auth.client_certificates.is_empty())
        {
            asks("auth.client_certificates", &config.tls, "tls");
        }
        if !config.worker_identities.is_empty() {
            match config.worker_listen {
                Some(_) => asks("worker_identities", &config.worker_tls, "worker_tls"),
                None => asks("worker_identities", &config.tls, "tls"),
            }
        }
        wrong
    }

    /// Whether a request over plain HTTP comes from an operator, as far as anybody has to be one.
    pub(crate) fn admit_operator(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.admit(Audience::Operators, headers, &Extensions::default())
            .map(drop)
    }

    /// Whether a request may go on to a service.
    pub(super) fn admit(
        &self,
        audience: Audience,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Admitted, Refusal> {
        let certificate = extensions
            .get::<Peer>()
            .and_then(|peer| peer.certificates.first());
        let uri = certificate.map(CertificateUri::of);
        let clients = self.clients.as_ref().map(|clients| clients.load());
        let clients = clients.as_deref().map(|clients| &**clients);
        if audience == Audience::Workers {
            return self.admit_worker(clients, headers, uri);
        }
        let Some(clients) = clients else {
            return without_credentials(uri);
        };
        let client = match (clients.bearer(headers), uri) {
            (Some(client), _) => client?,
            (None, None | Some(Err(Nameless::None))) => return Err(Refusal::NoCredentials),
            (None, Some(Err(_))) => return Err(Denied::NoEntry.into()),
            (None, Some(Ok(uri))) => match uri.kind() {
                Kind::Tenant => clients.named(&uri)?,
                Kind::Worker => return Err(Denied::WorkerAsClient.into()),
            },
        };
        if audience == Audience::Operators && !client.operator {
            return Err(Denied::OperatorsOnly.into());
        }
        Ok(Admitted::Client(client))
    }

    fn admit_worker(
        &self,
        clients: Option<&Credentials>,
        headers: &HeaderMap,
        uri: Option<Result<CertificateUri, Nameless>>,
    ) -> Result<Admitted, Refusal> {
        match clients.and_then(|clients| clients.bearer(headers)) {
            Some(Ok(_)) => return Err(Denied::ClientAsWorker.into()),
            Some(Err(bad)) => return Err(bad.into()),
            None => {}
        }
        let workers = self.workers.load();
        match uri {
            None if workers.anonymous => Ok(Admitted::Anybody),
            None => Err(Refusal::NoCertificate),
            Some(Err(_)) => Err(Denied::NoEntry.into()),
            Some(Ok(uri)) => match uri.kind() {
                Kind::Worker => Ok(Admitted::Worker(workers.identities.named(&uri)?)),
                Kind::Tenant => Err(Denied::ClientAsWorker.into()),
            },
        }
    }
}

/// Where nobody has to say who they are, who does is still not taken for another: a name that is not configured
/// is not the operator of the default tenant. A certificate without a name is no more than the way in.
fn without_credentials(uri: Option<Result<CertificateUri, Nameless>>) -> Result<Admitted, Refusal> {
    match uri {
        None | Some(Err(Nameless::None)) => Ok(Admitted::Anybody),
        Some(Err(_)) => Err(Denied::NoEntry.into()),
        Some(Ok(uri)) => match uri.kind() {
            Kind::Tenant => Err(Denied::NoEntry.into()),
            Kind::Worker => Err(Denied::WorkerAsClient.into()),
        },
    }
}

/// Whether workers without a certificate are as welcome as whoever else is on the host, or on a network that the
/// operator trusts. Else a listener that asks its clients who they are would hand their calls to anybody.
fn may_be_anonymous(config: &Config) -> bool {
    let listen = config.worker_listen.unwrap_or(config.listen);
    config.auth.is_none() || listen.ip().is_loopback() || config.insecure_allow_remote
}

/// What a configuration and its files say.
struct Loaded {
    clients: Option<Credentials>,
    workers: WorkerIdentities,
}

impl Loaded {
    fn of(config: &Config) -> Result<Self, Vec<Wrong>> {
        let clients = config.auth.as_ref().map(Credentials::load).transpose();
        let workers = WorkerIdentities::new(&config.worker_identities);
        match (clients, workers) {
            (Ok(clients), Ok(workers)) => Ok(Self { clients, workers }),
            (clients, workers) => {
                let mut wrong = clients.err().unwrap_or_default();
                wrong.extend(workers.err().unwrap_or_default());
                Err(wrong)
            }
        }
    }
}

/// Replaces the credentials when a file looks different and all of them are good.
async fn reload(auth: config::Auth, clients: Arc<ArcSwap<Credentials>>, mut looks: Looks) {
    loop {
        tokio::time::sleep(auth.reload_interval).await;
        let (read, before) = (auth.clone(), looks.clone());
        let look = move || {
            let looks = Looks::of(&credentials::files(&read));
            (looks != before).then(|| (looks, Credentials::load(&read)))
        };
        // Never aborted: it ends by itself.
        let Ok(Some((now, loaded))) = tokio::task::spawn_blocking(look).await else {
            continue;
        };
        looks = now;
        match loaded {
            Ok(loaded) => {
                clients.store(Arc::new(loaded));
                tracing::info!("credentials read again: a file changed");
            }
            Err(problems) => {
                for Wrong { key, what, expected } in problems {
                    tracing::error!(
                        key,
                        what,
                        expected,
                        "credentials not read again: the old ones stay"
                    );
                }
            }
        }
    }
}
