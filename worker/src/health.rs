//! `grpc.health.v1` for whoever supervises the worker: SERVING exactly while it is registered and not draining.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;

use crate::{error::RunError, handle::Status};

/// The names that can be asked for: the process as a whole, and this.
const SERVICES: [&str; 2] = ["", "toolwave.worker"];

pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Health { address, source })
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, mut status: watch::Receiver<Status>) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let report = async {
        loop {
            let now = *status.borrow_and_update();
            let serving = if now.is_registered() && !now.is_draining() {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            for name in SERVICES {
                reporter.set_service_status(name, serving).await;
            }
            if status.changed().await.is_err() {
                break;
            }
        }
    };
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    let (served, ()) = tokio::join!(server, report);
    if let Err(error) = served {
        tracing::warn!(error = %error, "health checks are no longer served");
    }
}
