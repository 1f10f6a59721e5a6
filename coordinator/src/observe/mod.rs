//! What operators see of a coordinator: its metrics, its traces, its history of executions. Observers are told by the
//! driver, each for itself; they ask for nothing and decide nothing.

pub(crate) mod grpc;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod numbers;
mod page;
pub(crate) mod traces;
