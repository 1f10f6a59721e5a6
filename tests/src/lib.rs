//! What tests and benchmarks of the whole share: clusters to talk to, workers to script, batches to run.
//!
//! [`Cluster`] runs a coordinator and workers in this process; [`Processes`] runs the real binaries;
//! [`FakeWorker`] speaks the worker protocol by hand; [`Proxy`] is the network between them. [`recording`] has
//! worker processes whose tools write down what they do, and [`history`] holds that against what clients were
//! told. All of them listen on free loopback ports, wait for
//! what they start with a bound, and end what they started.

pub mod bfcl;
mod cluster;
mod declared;
mod fake_worker;
mod forms;
pub mod history;
pub mod ledger;
mod page;
mod process;
mod processes;
pub mod proxy;
pub mod recording;

use std::time::Duration;

pub use cluster::Cluster;
pub use declared::DeclaredTool;
pub use fake_worker::FakeWorker;
pub use forms::{Form, struct_from};
pub use ledger::Ledger;
pub use page::{check_page, code_word, table_cell};
pub use process::{Process, resident_bytes};
pub use processes::{Binaries, Processes, Profile};
pub use proxy::{Flow, Proxy};

/// The longest that anything in a test is waited for. It bounds a test that has gone wrong; none waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);
