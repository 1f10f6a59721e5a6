//! The operators' port, over HTTP: probes, metrics, the dashboard. Plain text where a prober or a scraper reads it.

use axum::{Router, http::StatusCode, routing::get};

use crate::handle::Handle;

/// Everything that is served there.
pub(crate) fn routes(_handle: Handle, dashboard: Router) -> Router {
    Router::new()
        .route("/livez", get(async || (StatusCode::OK, "ok\n")))
        .merge(dashboard)
}
