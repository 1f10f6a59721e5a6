//! The subjects: each is set up, and then run once between the brackets that callgrind counts in.

use std::hint::black_box;

mod answers;
mod frames;
mod planning;
mod references;
mod scheduling;

/// The pattern by which callgrind knows the brackets.
pub const BRACKETS: &str = "toolwave_bench_instructions::subjects::counted*";

/// Something whose instructions are counted.
pub struct Subject {
    /// Names it on the command line, in the table and in the baseline.
    pub name: &'static str,
    /// How often it does what it is named for: the count is divided by it.
    pub times: u64,
    /// Sets it up, runs it between the brackets, and checks that it did its work.
    pub run: fn(),
}

/// All of them.
pub const SUBJECTS: &[Subject] = &[
    planning::GRAPH,
    scheduling::ACCEPTED,
    scheduling::AT_10,
    scheduling::AT_100_000,
    scheduling::FRAMES_AT_100_000,
    references::READ,
    references::PUT_IN,
    references::PUT_IN_AND_CHECKED,
    frames::DISPATCHES,
    frames::REPORTS,
    answers::WRITTEN,
];

/// With how few and with how many calls queued a call is to cost the same: the names of two subjects.
pub const FLAT: [&str; 2] = [scheduling::AT_10.name, scheduling::AT_100_000.name];

/// The brackets: what `work` does is counted, and nothing else. They may be entered again and again.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    // Without this the call is the last thing here, becomes a jump, and the count goes on after it.
    black_box(work())
}
