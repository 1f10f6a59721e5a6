//! What operators see of a process, the same for coordinator and worker: the admin port, logs, metrics, traces.
//!
//! It knows nothing of executions; what is served and counted comes from the programs.

pub mod admin;
pub mod logs;
