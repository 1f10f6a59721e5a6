//! Tools that write down what they do, a worker process that hosts them, and a cluster of such processes whose
//! answers are held against what was written.
//!
//! Some of the tools do what a worker must survive, or may die of. None is for any other use.

mod cluster;
mod deed;
mod tool;

pub use cluster::{BRISK, RecordingCluster};
pub use deed::Deed;
pub use tool::{RecordingTool, is_repeatable, tools};

/// The program that hosts [`tools`], as [`crate::Binaries`] finds it.
pub const PROGRAM: &str = "recording-worker";
