//! Which ready call starts now, and on which worker: the best call whose limits allow it, on the less loaded of
//! two workers that are free for it.

use std::collections::BinaryHeap;

use smallvec::SmallVec;

use crate::{
    Action, Time, WorkerKey,
    attempt::start,
    cluster::Cluster,
    execution::Executions,
    pool::Pool,
    queue::{Head, QueueKey},
};

/// Gives ready calls to free slots, best call first, until nothing fits.
pub(crate) fn dispatch(cluster: &mut Cluster, executions: &mut Executions, now: Time, out: &mut Vec<Action>) {
    if !cluster.dirty {
        return;
    }
    let queues: SmallVec<[QueueKey; 16]> = cluster.queues.keys().collect();
    let mut heads: BinaryHeap<Head> = queues
        .into_iter()
        .filter_map(|queue| open_head(cluster, executions, now, queue))
        .collect();
    while let Some(head) = heads.pop() {
        // What was dispatched since may have closed this queue, or let another execution pass.
        let Some(current) = open_head(cluster, executions, now, head.lane.queue) else {
            continue;
        };
        if current < head {
            heads.push(current);
            continue;
        }
        let Some(worker) = choose_worker(cluster, current.lane.queue) else {
            continue;
        };
        start(cluster, executions, now, current, worker, out);
        heads.extend(open_head(cluster, executions, now, current.lane.queue));
    }
    // Nothing above opens what was closed; only events do.
    cluster.dirty = false;
}

/// The best call of a queue, if it may start now.
fn open_head(cluster: &mut Cluster, executions: &mut Executions, now: Time, key: QueueKey) -> Option<Head> {
    if cluster.in_flight >= cluster.config.max_in_flight {
        return None;
    }
    let name = cluster.queues.queue(key)?.tool;
    if !cluster.tools.get(&name)?.below_limit() {
        return None;
    }
    // Without a worker nothing waits for rate or pause: a worker that comes brings the queue back here.
    has_worker(cluster, key).then_some(())?;
    if let Some(opens) = cluster.tools.get(&name)?.opens_at(now) {
        cluster.arm_opening(name, opens);
        return None;
    }
    cluster
        .queues
        .head(key, now, cluster.config.aging, executions, &cluster.tenants)
}

/// Some worker could take a call of this queue.
fn has_worker(cluster: &Cluster, key: QueueKey) -> bool {
    if takes_any_free_worker(cluster, key) {
        pools_of(cluster, key).any(|pool| !pool.free.is_empty())
    } else {
        !candidates(cluster, key).is_empty()
    }
}

/// Every free worker of its pools is good for it: its calls avoid none, and its tool is not limited on each.
fn takes_any_free_worker(cluster: &Cluster, key: QueueKey) -> bool {
    cluster.queues.queue(key).is_some_and(|queue| {
        let tool = cluster.tools.get(&queue.tool);
        queue.avoids.is_empty() && tool.is_some_and(|tool| tool.per_worker().is_none())
    })
}

/// The less loaded of two free workers picked at random.
fn choose_worker(cluster: &mut Cluster, key: QueueKey) -> Option<WorkerKey> {
    if !takes_any_free_worker(cluster, key) {
        let candidates = candidates(cluster, key);
        let (a, b) = two_of(&mut cluster.rng, candidates.len())?;
        return Some(less_loaded(cluster, candidates[a], candidates[b]));
    }
    let free = pools_of(cluster, key).map(|pool| pool.free.len()).sum();
    let (a, b) = two_of(&mut cluster.rng, free)?;
    let at = |mut index: usize| {
        for pool in pools_of(cluster, key) {
            match pool.free.get(index) {
                Some(worker) => return Some(*worker),
                None => index -= pool.free.len(),
            }
        }
        None
    };
    Some(less_loaded(cluster, at(a)?, at(b)?))
}

/// Free workers for a queue whose calls avoid some, or whose tool is limited on each worker. Those that are
/// avoided count only where no other healthy worker hosts the tool.
fn candidates(cluster: &Cluster, key: QueueKey) -> SmallVec<[WorkerKey; 8]> {
    let Some(queue) = cluster.queues.queue(key) else {
        return SmallVec::new();
    };
    let limit = cluster.tools.get(&queue.tool).and_then(|tool| tool.per_worker());
    let below_limit = |worker: &WorkerKey| {
        let here = cluster
            .workers
            .get(worker)
            .and_then(|worker| worker.by_tool.get(&queue.tool));
        limit.is_none_or(|limit| here.copied().unwrap_or(0) < limit)
    };
    let avoided = |worker: &WorkerKey| queue.avoids.binary_search(worker).is_ok();
    let mut others = pools_of(cluster, key)
        .flat_map(|pool| &pool.members)
        .filter(|worker| !avoided(worker));
    let choice = others.any(|worker| {
        cluster
            .workers
            .get(worker)
            .is_some_and(|worker| worker.is_healthy())
    });
    let free = pools_of(cluster, key).flat_map(|pool| &pool.free);
    free.filter(|worker| below_limit(worker) && !(choice && avoided(worker)))
        .copied()
        .collect()
}

fn pools_of(cluster: &Cluster, key: QueueKey) -> impl Iterator<Item = &Pool> {
    let queue = cluster.queues.queue(key);
    let tool = queue.and_then(|queue| cluster.tools.get(&queue.tool));
    tool.into_iter()
        .flat_map(|tool| &tool.pools)
        .filter_map(|pool| cluster.pools.pool(*pool))
}

/// Two indices below `n`, different ones where there are two.
fn two_of(rng: &mut fastrand::Rng, n: usize) -> Option<(usize, usize)> {
    match n {
        0 => None,
        1 => Some((0, 0)),
        _ => {
            let a = rng.usize(..n);
            let b = rng.usize(..n - 1);
            Some((a, if b >= a { b + 1 } else { b }))
        }
    }
}

fn less_loaded(cluster: &Cluster, a: WorkerKey, b: WorkerKey) -> WorkerKey {
    // in flight ÷ slots, compared without dividing
    let load = |key: WorkerKey| {
        cluster
            .workers
            .get(&key)
            .map_or((1, 1), |worker| (worker.in_flight(), worker.slots))
    };
    let ((a_in_flight, a_slots), (b_in_flight, b_slots)) = (load(a), load(b));
    let b_is_less = u64::from(b_in_flight) * u64::from(a_slots) < u64::from(a_in_flight) * u64::from(b_slots);
    if b_is_less { b } else { a }
}
