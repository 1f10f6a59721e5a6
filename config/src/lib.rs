//! Reads TOML and YAML configuration files for toolwave's programs.
//!
//! Owns how a wrong file is reported: every problem at once, one line each, with its place, its key and
//! what would be right. It knows no key of any program and never reads flags or the environment.

mod deserializer;
mod effective;
mod file;
mod node;
mod problem;
mod reload_status;
mod secret;
mod threads;
mod units;
mod watch;
mod yaml;

pub use effective::{Source, Sources, differences, effective, values};
pub use file::{File, load};
pub use problem::{EXIT_BAD_CONFIGURATION, Problem, report};
pub use reload_status::ReloadStatus;
pub use secret::MASK;
pub use threads::{MAX_THREADS, runtime};
pub use units::{duration, parse_duration, parse_size, size};
pub use watch::Watch;
pub use yaml::{Yaml, parse_yaml};
