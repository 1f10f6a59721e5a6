//! Random scripts of submissions, faults and delays, run against the scheduler with every invariant checked
//! after every step. The world is adversarial; at the end it calms down and everything must end.
//!
//! `PROPTEST_CASES` sets how many scripts proptest makes (and shrinks, when one fails);
//! `MODEL_SEEDS=FROM..TO` which seeds the plain generator runs.

#[path = "../common/mod.rs"]
mod common;
mod course;
mod faults;
mod process;
mod script;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use script::{Script, Step};
use world::World;

/// Seeds that the plain generator runs unless `MODEL_SEEDS` says otherwise.
const SEEDS: std::ops::Range<u64> = 0..1500;

/// Lines of the log that a failure prints.
const LOG_LINES: usize = 120;

/// A broken invariant, and how it came to that.
struct Broken {
    what: String,
    log: Vec<String>,
}

impl Broken {
    /// The script, the end of the log, and what broke.
    fn report(&self, script: &Script) -> String {
        let tail = &self.log[self.log.len().saturating_sub(LOG_LINES)..];
        format!("{script}\n{}\n\nbroken: {}", tail.join("\n"), self.what)
    }
}

/// Runs a script to its end; the log of what happened, or which invariant broke and what came before.
fn run(script: &Script) -> Result<Vec<String>, Broken> {
    let mut world = World::new(script);
    let verdict = catch_unwind(AssertUnwindSafe(|| world.run(script)))
        .unwrap_or_else(|panic| Err(format!("panic: {}", text(panic.as_ref()))));
    match verdict {
        Ok(()) => Ok(world.harness.log),
        Err(what) => Err(Broken {
            what,
            log: world.harness.log,
        }),
    }
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300),
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_invariant_holds_after_every_step_of_any_script(script in scripts()) {
        if let Err(broken) = run(&script) {
            return Err(TestCaseError::fail(broken.report(&script)));
        }
    }
}

/// Any script.
fn scripts() -> impl Strategy<Value = Script> {
    (
        any::<u64>(),
        prop::collection::vec((0..Step::KINDS, any::<u16>(), any::<u32>()), 1..60),
    )
        .prop_map(|(setup, steps)| Script::decode(setup, &steps))
}

fn range_of(text: &str) -> Option<std::ops::Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

#[test]
fn every_invariant_holds_over_a_range_of_seeds() {
    let seeds = match std::env::var("MODEL_SEEDS") {
        Ok(range) => {
            range_of(&range).unwrap_or_else(|| panic!("MODEL_SEEDS is `{range}`; expected FROM..TO"))
        }
        Err(_) => SEEDS,
    };
    let mut broken: Vec<(u64, Broken)> = Vec::new();
    for seed in seeds.clone() {
        if let Err(why) = run(&Script::from_seed(seed)) {
            broken.push((seed, why));
        }
    }
    let Some((seed, shortest)) = broken.iter().min_by_key(|(_, why)| why.log.len()) else {
        return;
    };
    let all: Vec<String> = broken
        .iter()
        .map(|(seed, why)| format!("seed {seed}: {}", why.what))
        .collect();
    panic!(
        "{}\n\n{} of {} seeds broke an invariant:\n{}\nthe shortest is seed {seed}",
        shortest.report(&Script::from_seed(*seed)),
        broken.len(),
        seeds.count(),
        all.join("\n")
    );
}

#[test]
fn the_same_script_gives_the_same_actions() {
    for seed in 0..40 {
        let script = Script::from_seed(seed);
        let log = |run: Result<Vec<String>, Broken>| run.unwrap_or_else(|broken| broken.log);
        assert_eq!(log(run(&script)), log(run(&script)), "seed {seed}");
    }
}

/// A model that never gets somewhere proves nothing about it.
#[test]
fn the_scripts_reach_every_corner() {
    const CORNERS: [&str; 48] = [
        "-> Refused",
        "-> Resolve",
        "-> Started",
        "-> Late",
        "-> Abort",
        "reason: Superseded",
        "reason: LeaseExpired",
        "reason: AbortUnconfirmed",
        "-> ForgetWorker",
        "-> ForgetTenant",
        "limit: InFlight",
        "limit: QueuedCalls, retry_after: None",
        "limit: QueuedCalls, retry_after: Some",
        "limit: CallsPerSecond, retry_after: Some",
        "failure: WorkerLost, backoff",
        "failure: TimedOut, backoff",
        "failure: Refused, backoff: 0ns",
        "failure: ToolError",
        "outcome: Succeeded",
        "outcome: Failed, cause: Attempt { failure: ToolError { retryable: true",
        "outcome: Failed, cause: Attempt { failure: ToolError { retryable: false",
        "cause: Attempt { failure: BrokenContract",
        "cause: Attempt { failure: ResultTooLarge",
        "outcome: Failed, cause: Poison",
        "outcome: Rejected, cause: Rejected",
        "outcome: Rejected, cause: UnknownTool",
        "outcome: TimedOut",
        "cause: Deadline { started: true",
        "cause: Deadline { started: false",
        "cause: Cancelled { reason: Requested, started: true",
        "cause: Cancelled { reason: ClientGone, started: false",
        "cause: FailFast",
        "outcome: Skipped",
        "outcome: Unavailable, cause: Attempt { failure: WorkerLost",
        "outcome: Unavailable, cause: Attempt { failure: Refused",
        "outcome: Unavailable, cause: NoWorker",
        "outcome: Unavailable, cause: QueueTimeout",
        "outcome: Unknown",
        "number: 4",
        "end: Goodbye",
        "WorkerGone",
        "ToolsChanged",
        "WorkerSlots",
        "LimitsChanged",
        "=== Lag",
        "draining: true",
        "call { E(9)",
        " is Ejected",
    ];
    let mut reached = [0u32; CORNERS.len()];
    for seed in 0..400 {
        let log = run(&Script::from_seed(seed))
            .unwrap_or_else(|broken| broken.log)
            .join("\n");
        for (count, corner) in reached.iter_mut().zip(CORNERS) {
            *count += u32::from(log.contains(corner));
        }
    }
    for (count, corner) in reached.iter().zip(CORNERS) {
        println!("{count:>5} scripts reach {corner}");
    }
    let missed: Vec<&str> = CORNERS
        .into_iter()
        .zip(reached)
        .filter(|&(_, count)| count == 0)
        .map(|(corner, _)| corner)
        .collect();
    assert!(missed.is_empty(), "no script reaches {missed:?}");
}
