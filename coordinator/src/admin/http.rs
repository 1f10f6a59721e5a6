//! The operators' port, over HTTP: probes, metrics, log level, configuration. Plain text where a prober or a scraper
//! reads it. Everything beyond probes and metrics is for operators on this host.

use std::sync::Arc;

use axum::{Router, routing::get};
use toolwave_telemetry::{
    admin::{Guard, Refusal, log_level, probes},
    logs::LogControl,
};

use crate::{handle::Handle, identity};

/// Makes the text of `GET /config`.
pub(crate) type ConfigText = Arc<dyn Fn() -> String + Send + Sync>;

/// What is served beside probes and metrics, where there is such a thing.
#[derive(Default)]
pub(crate) struct Extras {
    /// Of this process.
    pub(crate) logs: Option<LogControl>,
    /// The configuration in force, with secrets masked.
    pub(crate) config: Option<ConfigText>,
    /// Whatever else, behind guards of its own.
    pub(crate) more: Router,
}

/// Everything that is served there.
pub(crate) fn routes(handle: &Handle, guard: Guard, extras: Extras) -> Router {
    let (ready, scraped) = (handle.clone(), handle.clone());
    let open = probes(
        move || ready.metrics().failing(&ready),
        move || {
            let handle = scraped.clone();
            async move { handle.metrics().page(&handle).await }
        },
    );
    let mut operators = Router::new();
    if let Some(logs) = extras.logs {
        operators = operators.merge(log_level(logs));
    }
    if let Some(config) = extras.config {
        operators = operators.route("/config", get(async move || config()));
    }
    open.merge(guard.before(operators)).merge(extras.more)
}

/// This host alone, and operators alone where anybody is asked who they are.
pub(crate) fn guard(identities: Arc<identity::Identities>) -> Guard {
    Guard::default().asking(move |headers| {
        identities.admit_operator(headers).map_err(|refusal| {
            let text = refusal.to_string();
            match refusal {
                identity::Refusal::NotPermitted(_) => Refusal::Denied(text),
                _ => Refusal::Unauthenticated(text),
            }
        })
    })
}
