//! What operators see of a coordinator beside what they ask for by RPC: its metrics. Nothing here decides.

pub(crate) mod grpc;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod numbers;
mod page;
