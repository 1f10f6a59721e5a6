//! Fuzz targets: what must hold of any input at all, wherever somebody else's bytes come in.
//!
//! Each module has one function `run`, which takes bytes and panics when something does not hold. cargo-fuzz runs
//! it through the program of the same name; `tests/replay.rs` runs it over the inputs kept in `corpus/`.

pub mod configuration;
pub mod declarations;
mod draw;
pub mod plan_file;
pub mod planner;
pub mod references;
pub mod request;
pub mod scheduler;
pub mod sessions;
pub mod tools_file;
pub mod wire;

// What is private to a program, or is a test of another crate, is taken in as it stands there. It looks for what
// it needs at the root of its crate.
#[allow(dead_code, unused_imports, reason = "the command uses the rest")]
#[path = "../../../cli/src/plan/mod.rs"]
mod plan;
#[allow(dead_code, reason = "the worker's program uses the rest")]
#[path = "../../../worker/src/config.rs"]
mod worker_config;

#[path = "../../../coordinator/scheduler/tests/common/mod.rs"]
mod common;
#[path = "../../../coordinator/scheduler/tests/model/course.rs"]
mod course;
#[path = "../../../coordinator/scheduler/tests/model/faults.rs"]
mod faults;
#[path = "../../../coordinator/scheduler/tests/model/process.rs"]
mod process;
#[allow(dead_code, reason = "the scheduler's own tests use the rest")]
#[path = "../../../coordinator/scheduler/tests/model/script.rs"]
mod script;
#[path = "../../../coordinator/scheduler/tests/model/world.rs"]
mod world;

/// What the command prints while it reads a plan from a terminal; nothing here does.
mod output {
    pub(crate) fn note(_: &str) {}
}

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("configuration", configuration::run),
    ("declarations", declarations::run),
    ("plan_file", plan_file::run),
    ("planner", planner::run),
    ("references", references::run),
    ("request", request::run),
    ("scheduler", scheduler::run),
    ("sessions", sessions::run),
    ("tools_file", tools_file::run),
    ("wire", wire::run),
];

/// Runs a target over each file that the command line names.
///
/// # Panics
/// A file cannot be read, or the target finds something in it.
pub fn replay_arguments(run: fn(&[u8])) {
    for path in std::env::args_os().skip(1) {
        let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("{}: {} bytes", path.display(), input.len());
        run(&input);
    }
}
