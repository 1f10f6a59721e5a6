//! Traces, as an OTLP receiver and the tools' own services see them: one trace from the client to what tools call.

#![cfg(unix)]

mod receiver;
mod service;
mod small;
mod whole;

use toolwave_client::v1;

/// A trace that is recorded, as a client brings it.
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The client's span.
pub(crate) const CLIENT: &str = "00f067aa0ba902b7";

pub(crate) fn recorded() -> String {
    format!("00-{TRACE}-{CLIENT}-01")
}

pub(crate) fn unrecorded() -> String {
    format!("00-{TRACE}-{CLIENT}-00")
}

pub(crate) fn request(calls: Vec<v1::Call>) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency: Some(20),
        ..Default::default()
    }
}
