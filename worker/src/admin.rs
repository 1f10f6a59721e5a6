//! The worker's admin port: probes and metrics for everybody, the log level for operators on this host. Ready is
//! exactly who has a session and does not drain.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, routing::get};
use tokio::sync::watch;
use toolwave_config::ReloadStatus;
use toolwave_telemetry::{
    admin::{AdminPort, Guard, log_level, probes},
    logs::LogControl,
};

use crate::{error::RunError, handle::Status, numbers::Numbers};

/// What operators see of the program that hosts a worker.
#[derive(Clone, Default)]
pub(crate) struct Host {
    pub(crate) logs: Option<LogControl>,
    /// Makes the text of `GET /config`.
    pub(crate) settings: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// What came of reading its files again, by what each of them is.
    pub(crate) reloads: Vec<(&'static str, Arc<ReloadStatus>)>,
}

pub(crate) async fn bind(address: SocketAddr) -> Result<AdminPort, RunError> {
    AdminPort::bind(address)
        .await
        .map_err(|source| RunError::Admin { address, source })
}

/// Serves until it is dropped.
pub(crate) async fn serve(
    port: AdminPort,
    status: watch::Receiver<Status>,
    numbers: Arc<Numbers>,
    host: Host,
) {
    let Host {
        logs,
        settings,
        reloads,
    } = host;
    let scraped = status.clone();
    let mut routes = probes(
        move || failing(*status.borrow()),
        move || {
            let page = numbers.page(*scraped.borrow(), &reloads);
            async move { page }
        },
    );
    if let Some(logs) = logs {
        routes = routes.merge(Guard::default().before(log_level(logs)));
    }
    if let Some(settings) = settings {
        let shown = Router::new().route("/config", get(async move || settings()));
        routes = routes.merge(Guard::default().before(shown));
    }
    tracing::info!(address = %port.address(), "admin port open");
    port.serve(routes).await;
}

fn failing(status: Status) -> Vec<&'static str> {
    [
        (!status.is_registered(), "coordinator"),
        (status.is_draining(), "draining"),
    ]
    .into_iter()
    .filter_map(|(fails, name)| fails.then_some(name))
    .collect()
}
