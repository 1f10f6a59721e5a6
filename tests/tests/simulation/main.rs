//! Real coordinators and real workers on a simulated network, in simulated time: random executions under random
//! partitions, holds, one-way cuts and crashes, then everything is healed and the promise is checked.
//!
//! `SIM_SEEDS=n` runs so many seeds, `SIM_FIRST=k` begins at another, `SIM_SEED=k` runs one, and
//! `SIM_LOG=toolwave_coordinator=debug,toolwave_worker=debug` tells its story. A failure prints its seed.
#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod network;
mod partitions;
mod promise;
mod scenario;
mod tools;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use scenario::Scenario;

/// Of a run that nobody asked for more: below a minute on two cores.
const SEEDS: u64 = 60;
/// Of these, each is run twice.
const REPEATED: u64 = 4;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let parsed = text.parse();
    Some(parsed.unwrap_or_else(|_| panic!("{variable} is `{text}`; expected a number")))
}

/// Prints what coordinators and workers log; with one seed it can be read.
fn log() {
    if let Ok(filter) = std::env::var("SIM_LOG") {
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        let _ = log.try_init();
    }
}

/// What came of a seed, or what was wrong with it.
fn run(seed: u64) -> Result<promise::Tally, String> {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let scenario = Scenario::of(seed);
        let history = world::play(&scenario)?;
        promise::check(&scenario, &history)
    }));
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// F05, F06: whatever the network does, each call has one outcome and each attempt runs at most once, calls that are
/// not safe to repeat run at most once, and once all is healed no slot is leaked and every worker works.
#[test]
fn the_promise_holds_whatever_the_network_does() {
    log();
    let only = number("SIM_SEED");
    let first = only.unwrap_or_else(|| number("SIM_FIRST").unwrap_or(1));
    let seeds = only.map_or_else(|| number("SIM_SEEDS").unwrap_or(SEEDS), |_| 1);
    let (next, failures) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let tally = Mutex::new(promise::Tally::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    match run(seed) {
                        Ok(one) => tally.lock().unwrap().add(&one),
                        Err(wrong) => {
                            eprintln!("seed {seed}: {wrong}\nagain with SIM_SEED={seed}");
                            failures.lock().unwrap().push(seed);
                        }
                    }
                }
            });
        }
    });
    println!("{seeds} seeds from {first}: {}", tally.lock().unwrap());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "of {seeds} seeds these fail: {failures:?}");
}

/// Simulated hosts share a thread, whose dice the seed throws: what it finds, it mostly finds again. Of 80 seeds four
/// played otherwise the second time, where things happen in the same instant and the runtime throws dice of its own;
/// without the seed's none plays the same.
#[test]
fn most_seeds_play_the_same_again_to_the_last_attempt() {
    let seeds = number("SIM_REPEATED").unwrap_or(REPEATED);
    let mut others = Vec::new();
    for seed in 1..=seeds {
        let twice = [(); 2].map(|()| run(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}")));
        if twice[0].digest != twice[1].digest {
            others.push(seed);
        }
    }
    println!("of {seeds} seeds these play otherwise the second time: {others:?}");
    assert!(2 * others.len() as u64 <= seeds, "of {seeds} seeds: {others:?}");
}
