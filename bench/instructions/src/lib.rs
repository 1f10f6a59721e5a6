//! What every call goes through, as subjects whose instructions can be counted. Wall time differs from run to run
//! on a shared machine by more than most regressions; the number of instructions hardly does.
//!
//! [`subjects`] sets the subjects up and runs them; the binary counts them under callgrind and compares.
//! [`treadmill`] is the scheduler at work without anything around it, also for benchmarks of wall time.

pub mod subjects;
pub mod treadmill;
