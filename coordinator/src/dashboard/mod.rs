//! The dashboard: a page for operators on the admin port, and the JSON that it is drawn from.
//!
//! It shows what `AdminService` and `ExecutionService` say, asked in this process; it knows nothing that they do not.

mod api;
mod assets;
mod guard;
mod json;
mod live;
#[cfg(test)]
mod tests;
mod watched;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{any, get, post},
};

use crate::{
    admin::Admin, config::Config, execution::service::Service as Executions, handle::Handle,
    identity::Identities,
};
use guard::Guard;
use live::Live;

/// Of a request's body, in bytes: one call, its parameters as base64 in JSON.
const LARGEST_BODY: usize = 4 << 20;

/// What answers its requests.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) admin: Admin,
    pub(crate) executions: Executions,
}

/// What its routes share.
struct Shared {
    services: Services,
    live: Live,
    guard: Arc<Guard>,
}

/// Everything under `/` and `/api/`, guarded.
pub(crate) fn routes(
    handle: Handle,
    executions: Executions,
    identities: Arc<Identities>,
    config: &Config,
) -> Router {
    let services = Services {
        admin: Admin(handle),
        executions,
    };
    let guard = Arc::new(Guard::new(identities, config));
    let shared = Arc::new(Shared {
        live: Live::new(services.clone()),
        services,
        guard: guard.clone(),
    });
    let api = Router::new()
        .route("/cluster", get(api::cluster))
        .route("/workers", get(api::workers))
        .route("/workers/{name}/drain", post(api::drain))
        .route("/workers/{name}/resume", post(api::resume))
        .route("/executions", get(api::executions))
        .route("/executions/{id}", get(api::execution))
        .route("/executions/{id}/cancel", post(api::cancel))
        .route("/tools", get(api::tools))
        .route("/call", post(api::call))
        .route("/live", get(live::stream))
        .route("/{*rest}", any(api::unknown))
        .with_state(shared)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(guard.clone(), guard::operators));
    let page = Router::new()
        .route("/", get(assets::page))
        .route("/assets/{*name}", get(assets::asset));
    Router::new()
        .nest("/api", api)
        .merge(page)
        .layer(middleware::from_fn_with_state(guard, guard::everybody))
}
