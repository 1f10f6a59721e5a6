//! What operators see of a coordinator beside what they ask for by RPC: its metrics, its traces. Observers are told
//! by the driver, each for itself; they ask for nothing and decide nothing.

pub(crate) mod grpc;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod numbers;
mod page;
pub(crate) mod traces;
