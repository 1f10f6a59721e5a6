//! The step simulation: the arithmetic of KEDA and of the HorizontalPodAutoscaler that it makes, over a pool that
//! works off calls, with the signal that is served. Steps of a second; the manifest's own numbers.

use std::collections::VecDeque;

use super::demand::{Measure, OfPool, ToolLoad, outstanding};
use super::trigger::UTILISATION;

const SLOTS: u32 = 16;
/// How often the HPA looks, in seconds.
const SYNC: u64 = 15;
const SCALE_DOWN_WINDOW: u64 = 300;
const COOLDOWN: u64 = 300;
/// From the decision to a worker that takes dispatches.
const STARTS: u64 = 10;
const TOLERANCE: f64 = 0.1;

/// The HPA, as `behavior` in the manifest sets it.
struct Autoscaler {
    min: u32,
    max: u32,
    replicas: u32,
    /// Recommendations of the window, with their times.
    recommended: VecDeque<(u64, u32)>,
    /// Changes, with their times.
    changes: Vec<(u64, i64)>,
    active_at: u64,
}

impl Autoscaler {
    fn new(min: u32, max: u32, replicas: u32) -> Self {
        Self {
            min,
            max,
            replicas,
            recommended: VecDeque::new(),
            changes: Vec::new(),
            active_at: 0,
        }
    }

    /// KEDA between 0 and 1, the HPA from there.
    fn sync(&mut self, now: u64, metric: f64, target: f64) {
        if metric > 0.0 {
            self.active_at = now;
        }
        if self.replicas == 0 {
            if metric > 0.0 {
                self.set(now, self.min.max(1));
            }
            return;
        }
        if self.min == 0 && metric == 0.0 && now - self.active_at >= COOLDOWN {
            self.set(now, 0);
            return;
        }
        if now.is_multiple_of(SYNC) {
            self.hpa(now, metric, target);
        }
    }

    fn hpa(&mut self, now: u64, metric: f64, target: f64) {
        let replicas = self.replicas;
        let ratio = metric / (target * f64::from(replicas));
        let wanted = if (ratio - 1.0).abs() <= TOLERANCE {
            replicas
        } else {
            (metric / target).ceil() as u32
        };
        let wanted = wanted.clamp(self.min.max(1), self.max);
        self.recommended.push_back((now, wanted));
        self.recommended.retain(|(at, _)| now - at < SCALE_DOWN_WINDOW);
        let highest = self.recommended.iter().map(|(_, wanted)| *wanted).max();
        let stable = if wanted < replicas {
            highest.unwrap_or(wanted).min(replicas)
        } else {
            wanted
        };
        // Of the policies of scaleUp that which allows more; of scaleDown there is one.
        let up_base = self.base(now, 15, replicas);
        let most = (up_base * 2).max(up_base + 8);
        let down_base = self.base(now, 60, replicas);
        let least = (f64::from(down_base) * 0.8).floor() as u32;
        let next = if stable > replicas {
            stable.min(most)
        } else {
            stable.max(least)
        };
        self.set(now, next.clamp(self.min.max(1), self.max));
    }

    /// Replicas at the beginning of a policy's period.
    fn base(&self, now: u64, period: u64, replicas: u32) -> u32 {
        let changes = self.changes.iter().filter(|(at, _)| now - at < period);
        let changed: i64 = changes.map(|(_, by)| by).sum();
        u32::try_from(i64::from(replicas) - changed).unwrap_or(0)
    }

    fn set(&mut self, now: u64, replicas: u32) {
        if replicas != self.replicas {
            let by = i64::from(replicas) - i64::from(self.replicas);
            self.changes.push((now, by));
            self.replicas = replicas;
        }
    }
}

/// A pool that hosts one tool, whose calls all take the same time.
#[derive(Default)]
struct Pool {
    limit: u32,
    /// Since when each worker takes dispatches.
    workers: Vec<u64>,
    queued: u32,
    /// When each attempt ends.
    running: Vec<u64>,
}

impl Pool {
    fn step(&mut self, now: u64, replicas: u32, call_takes: u64) {
        self.running.retain(|ends| *ends > now);
        self.workers.truncate(replicas as usize);
        self.workers.resize(replicas as usize, now + STARTS);
        let mut room = (self.ready(now) * SLOTS).saturating_sub(self.running.len() as u32);
        if self.limit > 0 {
            room = room.min(self.limit.saturating_sub(self.running.len() as u32));
        }
        let starts = room.min(self.queued);
        self.queued -= starts;
        self.running.extend((0..starts).map(|_| now + call_takes));
    }

    fn ready(&self, now: u64) -> u32 {
        self.workers.iter().filter(|since| **since <= now).count() as u32
    }

    /// What the coordinator says of it.
    fn signal(&self, now: u64) -> f64 {
        let workers = self.ready(now);
        let slots = u64::from(workers * SLOTS);
        let tool = ToolLoad {
            waiting: self.queued.into(),
            in_flight: self.running.len() as u32,
            max_concurrency: self.limit,
            slots,
            pool_slots: slots,
            of_pool: OfPool::Yes,
            ..ToolLoad::default()
        };
        outstanding(&measure(workers), [tool])
    }
}

fn target() -> f64 {
    f64::from(SLOTS) * UTILISATION
}

fn measure(workers: u32) -> Measure {
    Measure {
        workers,
        slots_per_worker: SLOTS.into(),
        target: target(),
        max_in_flight: 100_000,
    }
}

/// Runs both for so long; what arrives in each second, what a call takes, and the replicas after each.
fn run(
    scaler: &mut Autoscaler,
    pool: &mut Pool,
    seconds: std::ops::Range<u64>,
    arrives: impl Fn(u64) -> u32,
    call_takes: u64,
) -> Vec<u32> {
    let mut seen = Vec::new();
    for now in seconds {
        pool.queued += arrives(now);
        pool.step(now, scaler.replicas, call_takes);
        scaler.sync(now, pool.signal(now), target());
        seen.push(scaler.replicas);
    }
    seen
}

/// Workers that have been there for long.
fn settled(workers: usize, limit: u32) -> Pool {
    Pool {
        limit,
        workers: vec![0; workers],
        ..Pool::default()
    }
}

#[test]
fn a_burst_scales_up_at_the_next_sync_and_as_fast_as_the_policies_allow() {
    let mut scaler = Autoscaler::new(2, 50, 2);
    let mut pool = settled(2, 0);
    let burst = |now| if now == 16 { 1_000 } else { 0 };
    let seen = run(&mut scaler, &mut pool, 16..91, burst, 60);
    let at = |second: usize| seen[second - 16];
    assert_eq!(at(29), 2, "nobody looks between syncs");
    assert_eq!([at(30), at(45), at(60)], [10, 20, 40]);
    assert_eq!(at(75), 50, "the most that the ScaledObject allows");
}

#[test]
fn a_busy_pool_is_never_shrunk_although_its_queue_is_empty() {
    // 128 slots, kept busy exactly: what ends is followed by as much.
    for (share, least) in [(1.0, 8), (0.8, 8), (0.7, 8)] {
        let busy = (128.0 * share) as u32;
        let mut scaler = Autoscaler::new(1, 50, 8);
        let mut pool = settled(8, 0);
        let arrives = |now| if now % 60 == 0 { busy } else { 0 };
        let seen = run(&mut scaler, &mut pool, 0..7_200, arrives, 60);
        assert_eq!(pool.queued, 0, "the queue is empty at {share}");
        let fewest = seen.iter().min().copied().unwrap_or(0);
        assert!(fewest >= least, "shrunk to {fewest} at {share}");
    }
}

#[test]
fn a_signal_of_the_queue_alone_would_shrink_it() {
    // What the test above would not see if it could not fail.
    let mut scaler = Autoscaler::new(1, 50, 8);
    let mut pool = settled(8, 0);
    let mut fewest = 8;
    for now in 0..7_200 {
        pool.queued += if now % 60 == 0 { 128 } else { 0 };
        pool.step(now, scaler.replicas, 60);
        scaler.sync(now, pool.queued.into(), target());
        fewest = fewest.min(scaler.replicas);
    }
    assert!(fewest < 8);
}

#[test]
fn an_idle_pool_goes_to_its_minimum_after_the_window_and_not_before() {
    let mut scaler = Autoscaler::new(2, 50, 20);
    let mut pool = settled(20, 0);
    let busy = run(
        &mut scaler,
        &mut pool,
        0..60,
        |now| if now == 0 { 240 } else { 0 },
        60,
    );
    assert_eq!(busy.last(), Some(&20));
    let idle = run(&mut scaler, &mut pool, 60..2_400, |_| 0, 60);
    let at = |second: usize| idle[second - 60];
    // The last sync that saw work was at 45.
    assert_eq!(at(344), 20, "within the window");
    assert!((16..20).contains(&at(346)), "a fifth a minute");
    assert_eq!(idle.last(), Some(&2));
}

#[test]
fn a_limit_of_the_tool_caps_the_workers_at_what_it_can_fill() {
    let mut scaler = Autoscaler::new(1, 50, 1);
    let mut pool = settled(1, 32);
    let seen = run(
        &mut scaler,
        &mut pool,
        1..3_600,
        |now| if now == 1 { 10_000 } else { 0 },
        60,
    );
    assert!(pool.queued > 0, "the limit is what holds it");
    assert_eq!(pool.running.len(), 32, "and it is used in full");
    assert_eq!(
        seen.iter().max(),
        Some(&2),
        "32 calls at once fill two workers of 16 slots"
    );
}

#[test]
fn a_pool_at_zero_is_woken_and_goes_back_to_zero() {
    let mut scaler = Autoscaler::new(0, 50, 0);
    let mut pool = settled(0, 0);
    let seen = run(
        &mut scaler,
        &mut pool,
        1..1_500,
        |now| if now == 7 { 100 } else { 0 },
        20,
    );
    assert_eq!(seen[5], 0);
    assert_eq!(seen[6], 1, "at once");
    assert_eq!(
        seen[14], 8,
        "the HPA goes by what is outstanding, as fast as it may"
    );
    assert_eq!(
        seen.iter().max(),
        Some(&8),
        "100 is within the tolerance of the 96 that these are for"
    );
    assert_eq!(seen.last(), Some(&0));
    assert_eq!(pool.queued + pool.running.len() as u32, 0, "everything ran");
}

#[test]
fn a_call_that_nobody_can_run_wakes_an_empty_pool_and_scales_no_other() {
    let unroutable = |of_pool| ToolLoad {
        waiting: 5_000.0,
        of_pool,
        ..ToolLoad::default()
    };
    let with = |workers, of_pool| outstanding(&measure(workers), [unroutable(of_pool)]);
    assert!(with(0, OfPool::Yes) > 1_000.0);
    assert!(
        (with(0, OfPool::Perhaps) - target()).abs() < 1e-9,
        "one worker, to see what it hosts"
    );
    for (workers, of_pool) in [
        (0, OfPool::No),
        (3, OfPool::Yes),
        (3, OfPool::Perhaps),
        (3, OfPool::No),
    ] {
        assert!(with(workers, of_pool) < 1e-9, "{workers} {of_pool:?}");
    }
}

#[test]
fn pools_that_share_a_tool_share_its_calls_by_their_slots() {
    let tool = ToolLoad {
        waiting: 90.0,
        in_flight: 30,
        slots: 48,
        pool_slots: 16,
        ..ToolLoad::default()
    };
    assert!((outstanding(&measure(1), [tool]) - 40.0).abs() < 1e-9);
}

#[test]
fn a_tool_of_which_a_worker_takes_few_asks_for_more_workers() {
    let tool = ToolLoad {
        waiting: 40.0,
        max_per_worker: 2,
        slots: 16,
        pool_slots: 16,
        ..ToolLoad::default()
    };
    let value = outstanding(&measure(1), [tool]);
    assert!(
        (value - 320.0).abs() < 1e-9,
        "as if each took an eighth of a worker: {value}"
    );
}

#[test]
fn the_coordinators_own_limit_caps_every_pool() {
    let tool = ToolLoad {
        waiting: 10_000.0,
        slots: 16,
        pool_slots: 16,
        ..ToolLoad::default()
    };
    let measure = Measure {
        max_in_flight: 32,
        ..measure(1)
    };
    assert!((outstanding(&measure, [tool]) / target() - 2.0).abs() < 1e-9);
}
