//! Which services are on which listener: the one place that says so.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tonic::transport::{Server, server::Router};
use tonic_health::server::{HealthReporter, HealthService};
use toolwave_proto::{
    externalscaler::{self, external_scaler_server::ExternalScalerServer},
    http2,
    v1::{self, admin_service_server::AdminServiceServer},
};
use tower::layer::util::{Identity, Stack};

use super::well_formed::WellFormedLayer;
use crate::{
    StartError,
    admin::Admin,
    config::Config,
    execution::{server::ExecutionServer, service::Service as Executions},
    identity::{Audience, Gated, Identities},
    observe::{grpc::CountingLayer, metrics::Metrics},
    scaler::Scaler,
    worker::Service as Sessions,
};

const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);
/// The headers of one request, names and values and 32 bytes for each.
const HEADER_LIST: u32 = 16 * 1024;
/// Streams that this end resets for a peer's protocol errors, before it ends the connection. Without it a peer has
/// the work of a stream done as often as it likes, above all limits of streams.
const RESET_FOR_ERRORS: usize = 1024;
/// Of requests with names and numbers only, in bytes.
const SMALL: usize = 64 * 1024;

/// What stands before every service.
pub(super) type Checked = Stack<WellFormedLayer, Stack<CountingLayer, Identity>>;

/// What is served.
pub(crate) struct Services {
    pub(crate) identities: Arc<Identities>,
    pub(crate) executions: Executions,
    pub(crate) sessions: Sessions,
    pub(crate) admin: Admin,
    pub(crate) metrics: Metrics,
    pub(crate) scaler: Scaler,
}

/// Who comes in at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Everybody,
    /// And operators.
    Clients,
    Workers,
}

// === impl Role ===

impl Role {
    /// The key of its address.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Everybody | Self::Clients => "listen",
            Self::Workers => "worker_listen",
        }
    }

    /// What a health check may name: all of the listener, and each of its services.
    pub(crate) fn health_names(self) -> &'static [&'static str] {
        const EXECUTIONS: &str = "toolwave.v1.ExecutionService";
        const ADMIN: &str = "toolwave.v1.AdminService";
        const WORKERS: &str = "toolwave.v1.WorkerService";
        const SCALER: &str = "externalscaler.ExternalScaler";
        match self {
            Self::Everybody => &["", EXECUTIONS, ADMIN, SCALER, WORKERS],
            Self::Clients => &["", EXECUTIONS, ADMIN, SCALER],
            Self::Workers => &["", WORKERS],
        }
    }
}

// === impl Services ===

impl Services {
    /// A listener's services.
    pub(super) fn router(
        &self,
        role: Role,
        config: &Config,
        health: &HealthReporter,
        describes_itself: bool,
    ) -> Result<Router<Checked>, StartError> {
        let health = HealthService::from_health_reporter(health.clone());
        let health = tonic_health::pb::health_server::HealthServer::new(health);
        let mut router = http2(config, &self.metrics).add_service(health.max_decoding_message_size(SMALL));
        if role != Role::Workers {
            let largest = config.requests.max_request_bytes;
            let admin = AdminServiceServer::new(self.admin.clone());
            let executions = ExecutionServer::new(self.executions.clone(), largest);
            let admin = admin.max_decoding_message_size(SMALL);
            let scaler = ExternalScalerServer::new(self.scaler.clone()).max_decoding_message_size(SMALL);
            let autoscalers = match config.scaler.any_client {
                true => Audience::Clients,
                false => Audience::Operators,
            };
            router = router
                .add_service(Gated::new(&self.identities, Audience::Clients, executions))
                .add_service(Gated::new(&self.identities, Audience::Operators, admin))
                .add_service(Gated::new(&self.identities, autoscalers, scaler));
        }
        if role != Role::Clients {
            let sessions = self.sessions.clone();
            router = router.add_service(Gated::new(&self.identities, Audience::Workers, sessions));
        }
        if describes_itself {
            let reflection = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(externalscaler::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // Without it, tools that read reflection show the details of an error as bytes.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
                .map_err(|error| StartError::Reflection(error.to_string()))?;
            router = router.add_service(reflection);
        }
        Ok(router)
    }
}

/// Whether a listener tells what its services are: to this host only, and where nobody has to say who they are.
pub(super) fn describes_itself(role: Role, address: SocketAddr, tls: bool) -> bool {
    role != Role::Workers && address.ip().is_loopback() && !tls
}

fn http2(config: &Config, metrics: &Metrics) -> Server<Checked> {
    let streams = config.max_streams_per_connection;
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .initial_stream_window_size(http2::STREAM_WINDOW)
        .initial_connection_window_size(http2::CONNECTION_WINDOW)
        .max_frame_size(http2::LARGEST_FRAME)
        .http2_max_header_list_size(HEADER_LIST)
        .max_concurrent_streams(streams)
        // A client that cancels all of its calls at once keeps its connection; one that does so without end does
        // not. Each that waits takes some kilobytes.
        .http2_max_pending_accept_reset_streams(Some(streams as usize))
        .http2_max_local_error_reset_streams(Some(RESET_FOR_ERRORS))
        .layer(CountingLayer(metrics.clone()))
        .layer(WellFormedLayer)
}
