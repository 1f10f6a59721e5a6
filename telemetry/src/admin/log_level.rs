//! `/log-level`: what is logged now, changed until it is put back or the process ends. To be put behind a
//! [`super::Guard`].

use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::logs::LogControl;

/// GET tells the directives in force, PUT replaces them with its body, DELETE goes back to the configured ones.
pub fn log_level(logs: LogControl) -> Router {
    let (asked, put, reset) = (logs.clone(), logs.clone(), logs);
    Router::new().route(
        "/log-level",
        get(async move || line(&asked.current()))
            .put(async move |body: String| match put.change(body.trim()) {
                Ok(()) => line(&put.current()),
                Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
            })
            .delete(async move || {
                reset.reset();
                line(&reset.current())
            }),
    )
}

fn line(text: &str) -> Response {
    format!("{text}\n").into_response()
}
