//! Random scripts of submissions, faults and delays, run against the scheduler with every invariant checked
//! after every step. The world is adversarial; at the end it calms down and everything must end.
//!
//! `PROPTEST_CASES` sets how many scripts proptest makes (and shrinks, when one fails);
//! `MODEL_SEEDS=FROM..TO` which seeds the plain generator runs.

#[path = "../common/mod.rs"]
mod common;
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
        Err(what) => Err(Broken { what, log: world.harness.log }),
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
    fn every_invariant_holds_after_every_step_of_any_script(
        setup in any::<u64>(),
        steps in prop::collection::vec((0..Step::KINDS, any::<u16>(), any::<u32>()), 1..60),
    ) {
        let script = Script::decode(setup, &steps);
        if let Err(broken) = run(&script) {
            return Err(TestCaseError::fail(broken.report(&script)));
        }
    }
}

#[test]
fn every_invariant_holds_over_a_range_of_seeds() {
    let seeds = std::env::var("MODEL_SEEDS")
        .ok()
        .and_then(|range| {
            let (from, to) = range.split_once("..")?;
            Some(from.parse().ok()?..to.parse().ok()?)
        })
        .unwrap_or(SEEDS);
    let mut broken: Vec<(u64, Broken)> = Vec::new();
    for seed in seeds.clone() {
        if let Err(why) = run(&Script::from_seed(seed)) {
            broken.push((seed, why));
        }
    }
    let Some((seed, shortest)) = broken.iter().min_by_key(|(_, why)| why.log.len()) else { return };
    let all: Vec<String> = broken.iter().map(|(seed, why)| format!("seed {seed}: {}", why.what)).collect();
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
