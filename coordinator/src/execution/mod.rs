//! The edge that clients see: requests checked and turned into [`prepared::PreparedExecution`], results answered.

pub(crate) mod analysis;
pub mod answer;
pub mod answered;
mod answered_wire;
mod calls;
pub mod convert;
pub(crate) mod deadline;
pub mod effects;
mod graph;
mod idempotency;
mod ids;
pub mod limits;
mod lookup;
mod one_message;
pub mod parameters;
mod plan_answer;
pub mod prepared;
pub mod reference;
pub mod resolver;
pub(crate) mod server;
pub mod service;
pub mod struct_json;
pub mod template;
pub mod text;
pub mod validate;
pub mod violations;
mod words;

pub(crate) use words::{attempt_reason, call_reason, outcome_word};
