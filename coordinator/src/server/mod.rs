//! The one listener: clients, workers, operators, health, and on loopback reflection. It ends in bounded time,
//! whatever streams are open.

mod connection;
pub(crate) mod stream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::Router};
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, HealthService},
};
use toolwave_proto::{
    http2,
    v1::{self, admin_service_server::AdminServiceServer},
};

use self::{connection::Connection, stream::Incoming};
use crate::{
    StartError,
    admin::Admin,
    config::Config,
    execution::{server::ExecutionServer, service::Service as Executions},
    identity::Peer,
    worker::Service as Sessions,
};

const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);
/// Clients that cancel many calls at once must not lose the others on their connection.
const CANCELLED_AT_ONCE: usize = 1_000;
/// Streams that end by themselves at the end of the server get this long.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// What is told to be serving or not: all of it, and each service.
const HEALTH_NAMES: [&str; 4] = [
    "",
    "toolwave.v1.ExecutionService",
    "toolwave.v1.WorkerService",
    "toolwave.v1.AdminService",
];

/// A server that runs.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    health: HealthReporter,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
    /// No further connection; those that are open end with their streams.
    stop: CancellationToken,
    /// Every connection ends.
    cut: CancellationToken,
}

/// What is served.
pub(crate) struct Services {
    pub(crate) executions: Executions,
    pub(crate) sessions: Sessions,
    pub(crate) admin: Admin,
}

// === impl Serving ===

impl Serving {
    /// Serves in a task what comes in at `address`.
    pub(crate) async fn start(
        config: &Config,
        services: Services,
        address: SocketAddr,
        incoming: Incoming,
    ) -> Result<Self, StartError> {
        let health = HealthReporter::new();
        let router = router(config, services, &health, address)?;
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let cut_each = cut.clone();
        let incoming = incoming.map(move |accepted| {
            accepted.map(|(stream, address)| {
                let certificates = Arc::new([]);
                Connection::new(
                    stream,
                    Peer {
                        address,
                        certificates,
                    },
                    &cut_each,
                )
            })
        });
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, stopped));
        let serving = Self {
            address,
            health,
            task,
            stop,
            cut,
        };
        serving.report(ServingStatus::Serving).await;
        Ok(serving)
    }

    /// What health checks are told.
    pub(crate) fn health(&self) -> Health {
        Health(self.health.clone())
    }

    async fn report(&self, status: ServingStatus) {
        self.health().report(status).await;
    }

    /// Ends when the server ended by itself, with its words.
    pub(crate) async fn failed(&mut self) -> String {
        match (&mut self.task).await {
            Ok(Ok(())) => "the server ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Takes no further connection, waits a little for open streams, then cuts what is left.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(STOP_WITHIN, &mut self.task).await.is_err() {
            self.cut.cancel();
            if tokio::time::timeout(STOP_WITHIN, &mut self.task).await.is_err() {
                tracing::warn!("server did not end");
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.cut.cancel();
        self.task.abort();
    }
}

/// A way to health, for whoever sees that it is lost.
#[derive(Clone)]
pub(crate) struct Health(HealthReporter);

impl Health {
    pub(crate) async fn not_serving(&self) {
        self.report(ServingStatus::NotServing).await;
    }

    async fn report(&self, status: ServingStatus) {
        for name in HEALTH_NAMES {
            self.0.set_service_status(name, status).await;
        }
    }
}

fn router(
    config: &Config,
    services: Services,
    health: &HealthReporter,
    address: SocketAddr,
) -> Result<Router, StartError> {
    let largest = config.requests.max_request_bytes;
    // Names and numbers of operators and health checks only.
    let small = 64 * 1024;
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .initial_stream_window_size(http2::STREAM_WINDOW)
        .initial_connection_window_size(http2::CONNECTION_WINDOW)
        .max_frame_size(http2::LARGEST_FRAME)
        .max_concurrent_streams(config.max_streams_per_connection)
        .http2_max_pending_accept_reset_streams(Some(CANCELLED_AT_ONCE))
        .add_service(ExecutionServer::new(services.executions, largest))
        .add_service(services.sessions)
        .add_service(AdminServiceServer::new(services.admin).max_decoding_message_size(small))
        .add_service(
            tonic_health::pb::health_server::HealthServer::new(HealthService::from_health_reporter(
                health.clone(),
            ))
            .max_decoding_message_size(small),
        );
    if !address.ip().is_loopback() {
        return Ok(router);
    }
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| StartError::Reflection(error.to_string()))?;
    Ok(router.add_service(reflection))
}
