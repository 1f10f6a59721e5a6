//! `/livez`, `/readyz` and `/metrics`: for supervisors and scrapers, whoever they are. Alive is whoever answers;
//! what makes a process ready is for the program to say.

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

/// Of the text format of Prometheus.
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The three routes. `failing` names the checks that keep the process from being ready; `page` makes the metrics.
pub fn probes<Page>(
    failing: impl Fn() -> Vec<&'static str> + Send + Sync + 'static,
    page: impl Fn() -> Page + Send + Sync + 'static,
) -> Router
where
    Page: Future<Output = String> + Send + 'static,
{
    let (failing, page) = (Arc::new(failing), Arc::new(page));
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route(
            "/readyz",
            get(move || {
                let failing = failing();
                async move {
                    match failing.as_slice() {
                        [] => (StatusCode::OK, "ready\n".to_owned()),
                        failing => {
                            let names = failing.join(", ");
                            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {names}\n"))
                        }
                    }
                }
            }),
        )
        .route(
            "/metrics",
            get(move || {
                let page = page();
                async move { ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], page.await).into_response() }
            }),
        )
}
