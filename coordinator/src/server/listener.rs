//! One listener, from its address to the end of its connections.

use std::net::SocketAddr;

use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic_health::server::HealthReporter;

use super::{
    accept::Accepting,
    connection::Cut,
    doors::Doors,
    services::{Role, Services, describes_itself},
    stream::{self, Incoming},
    tls::Reloaded,
};
use crate::{
    StartError,
    config::{Config, Tls},
};

/// The server takes each connection at once; so many may come in while it does.
const ACCEPTED: usize = 64;

/// Where connections come from, before any is taken.
pub(crate) struct Entrance {
    role: Role,
    address: SocketAddr,
    incoming: Incoming,
    tls: Option<Reloaded>,
}

/// A listener that serves.
pub(super) struct Listener {
    pub(super) role: Role,
    pub(super) address: SocketAddr,
    pub(super) health: HealthReporter,
    pub(super) task: AbortOnDropHandle<Result<(), tonic::transport::Error>>,
    _accepting: AbortOnDropHandle<()>,
}

// === impl Entrance ===

impl Entrance {
    /// Those that the configuration names.
    pub(crate) async fn bind(config: &Config) -> Result<Vec<Self>, StartError> {
        let Some(workers) = config.worker_listen else {
            return Ok(vec![
                Self::tcp(Role::Everybody, config.listen, &config.tls).await?,
            ]);
        };
        Ok(vec![
            Self::tcp(Role::Clients, config.listen, &config.tls).await?,
            Self::tcp(Role::Workers, workers, &config.worker_tls).await?,
        ])
    }

    /// For everybody, of what is accepted elsewhere.
    pub(crate) fn elsewhere(config: &Config, incoming: Incoming) -> Result<Self, StartError> {
        Self::new(Role::Everybody, config.listen, incoming, &config.tls)
    }

    async fn tcp(role: Role, listen: SocketAddr, tls: &Option<Tls>) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Self::new(role, address, stream::of_tcp(listener), tls)
    }

    fn new(
        role: Role,
        address: SocketAddr,
        incoming: Incoming,
        tls: &Option<Tls>,
    ) -> Result<Self, StartError> {
        let tls = tls
            .clone()
            .map(|tls| Reloaded::start(tls, role.key()))
            .transpose();
        let tls = tls.map_err(|flaws| {
            let flaws: Vec<_> = flaws.iter().map(ToString::to_string).collect();
            StartError::Tls(flaws.join(", "))
        })?;
        Ok(Self {
            role,
            address,
            incoming,
            tls,
        })
    }

    /// Serves in tasks that end with what is answered.
    pub(super) fn open(
        self,
        config: &Config,
        services: &Services,
        stop: &CancellationToken,
        cut: &Cut,
    ) -> Result<Listener, StartError> {
        let Self {
            role,
            address,
            incoming,
            tls,
        } = self;
        let health = HealthReporter::new();
        let secure = tls.is_some();
        if let Some(tls) = &tls {
            services.metrics.watch_certificates(role.key(), tls.expiry());
        }
        let describes_itself = describes_itself(role, address, secure);
        let router = services.router(role, config, &health, describes_itself)?;
        let (accepted, connections) = mpsc::channel(ACCEPTED);
        let accepting = Accepting {
            doors: Doors::new(role.key(), config),
            tls,
            cut: cut.clone(),
            accepted,
        };
        let until = stop.clone();
        let accepting = tokio::spawn(async move {
            // With the loop the socket closes.
            until.run_until_cancelled_owned(accepting.run(incoming)).await;
        });
        let connections = ReceiverStream::new(connections);
        let task =
            tokio::spawn(router.serve_with_incoming_shutdown(connections, stop.clone().cancelled_owned()));
        tracing::info!(%address, serves = ?role, tls = secure, "coordinator listens");
        Ok(Listener {
            role,
            address,
            health,
            task: AbortOnDropHandle::new(task),
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }
}
