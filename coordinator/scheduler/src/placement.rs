//! Which ready call starts now, and on which worker: the best call whose limits allow it, on the less loaded of
//! two workers that are free for it.

use std::collections::BinaryHeap;

use smallvec::SmallVec;

use crate::{
    Action, Time, WaitReason, WorkerKey,
    attempt::start,
    cluster::Cluster,
    execution::Executions,
    pool::Pool,
    queue::{Head, Queue, QueueKey},
    tool::ToolState,
    waiting,
};

/// Gives ready calls to free slots, best call first, until nothing fits.
pub(crate) fn dispatch(cluster: &mut Cluster, executions: &mut Executions, now: Time, out: &mut Vec<Action>) {
    if !cluster.dirty {
        return;
    }
    let queues: SmallVec<[QueueKey; 16]> = cluster.queues.keys().collect();
    // Each with the number of starts before it was found: it is current while there were no more.
    let mut heads: BinaryHeap<(Head, u64)> = queues
        .into_iter()
        .filter_map(|queue| Some((open_head(cluster, executions, now, queue)?, 0)))
        .collect();
    let mut starts = 0;
    let mut next = heads.pop();
    while let Some((head, found_at)) = next {
        let queue = head.lane.queue;
        if found_at < starts {
            // What was dispatched since may have closed this queue, or let another execution pass.
            let current = open_head(cluster, executions, now, queue);
            if current != Some(head) {
                next = best(&mut heads, current.map(|current| (current, starts)));
                continue;
            }
        }
        let Some(worker) = choose_worker(cluster, queue) else {
            let reason = waiting::for_worker(cluster, queue);
            close(cluster, now, queue, reason);
            next = heads.pop();
            continue;
        };
        start(cluster, executions, now, head, worker, out);
        starts += 1;
        let head = open_head(cluster, executions, now, queue);
        next = best(&mut heads, head.map(|head| (head, starts)));
    }
    // Nothing above opens what was closed; only events do.
    cluster.dirty = false;
    cluster.look_again = false;
}

/// The best of a queue's head, if it has one, and those of the others.
fn best(heads: &mut BinaryHeap<(Head, u64)>, head: Option<(Head, u64)>) -> Option<(Head, u64)> {
    let Some(head) = head else { return heads.pop() };
    match heads.peek_mut() {
        Some(mut other) if *other > head => Some(std::mem::replace(&mut other, head)),
        _ => Some(head),
    }
}

/// The best call of a queue, if it may start now; else what it is closed for is noted.
fn open_head(cluster: &mut Cluster, executions: &mut Executions, now: Time, key: QueueKey) -> Option<Head> {
    if let Err(reason) = open(cluster, now, key)? {
        close(cluster, now, key, reason);
        return None;
    }
    let head = cluster
        .queues
        .head(key, now, cluster.config.aging, executions, &cluster.tenants);
    if head.is_none()
        && let Some(queue) = cluster.queues.queue_mut(key)
    {
        // Each of its executions, or its tenant, is at a limit of its own.
        queue.closed.set(now, None);
    }
    head
}

/// Calls of a queue may start now, or why not.
fn open(cluster: &mut Cluster, now: Time, key: QueueKey) -> Option<Result<(), WaitReason>> {
    if cluster.in_flight >= cluster.config.max_in_flight {
        return Some(Err(WaitReason::CoordinatorLimit));
    }
    let queue = cluster.queues.queue(key)?;
    let tool = cluster.tools.get(&queue.tool)?;
    // Without a worker nothing waits for rate or pause: a worker that comes brings the queue back here.
    if !tool.below_limit() {
        return Some(Err(WaitReason::ToolLimit));
    }
    if !has_worker(cluster, queue, tool) {
        // For slots, as before, most often.
        let as_before = !cluster.look_again
            && tool.hosts > 0
            && queue.closed.now() == Some(WaitReason::Slots)
            && takes_any_free_worker(queue, tool);
        return (!as_before).then(|| Err(waiting::for_worker(cluster, key)));
    }
    if let Some(opens) = tool.opens_at(now) {
        cluster.arm_opening(queue.tool, opens);
        return Some(Err(WaitReason::ToolRate));
    }
    Some(Ok(()))
}

fn close(cluster: &mut Cluster, now: Time, key: QueueKey, reason: WaitReason) {
    if let Some(queue) = cluster.queues.queue_mut(key) {
        queue.closed.set(now, Some(reason));
    }
}

/// Some worker could take a call of this queue.
fn has_worker(cluster: &Cluster, queue: &Queue, tool: &ToolState) -> bool {
    if takes_any_free_worker(queue, tool) {
        pools_of(cluster, tool).any(|pool| !pool.free.is_empty())
    } else {
        !candidates(cluster, queue, tool).is_empty()
    }
}

/// Every free worker of its pools is good for it: its calls avoid none and are no suspects, and its tool is not
/// limited on each.
pub(crate) fn takes_any_free_worker(queue: &Queue, tool: &ToolState) -> bool {
    queue.avoids.is_empty() && !queue.suspects && tool.per_worker().is_none()
}

/// The less loaded of two free workers picked at random.
fn choose_worker(cluster: &mut Cluster, key: QueueKey) -> Option<WorkerKey> {
    let queue = cluster.queues.queue(key)?;
    let tool = cluster.tools.get(&queue.tool)?;
    if !takes_any_free_worker(queue, tool) {
        let candidates = candidates(cluster, queue, tool);
        let (a, b) = two_of(&mut cluster.rng, candidates.len())?;
        return Some(less_loaded(cluster, candidates[a], candidates[b]));
    }
    let free = pools_of(cluster, tool).map(|pool| pool.free.len()).sum();
    let (a, b) = two_of(&mut cluster.rng, free)?;
    let at = |mut index: usize| {
        for pool in pools_of(cluster, tool) {
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
/// avoided count only where no other healthy worker hosts the tool; suspects wait for one without another.
fn candidates(cluster: &Cluster, queue: &Queue, tool: &ToolState) -> SmallVec<[WorkerKey; 8]> {
    let limit = tool.per_worker();
    let below_limit = |worker: &WorkerKey| {
        let here = cluster
            .workers
            .get(worker)
            .and_then(|worker| worker.by_tool.get(&queue.tool));
        limit.is_none_or(|limit| here.copied().unwrap_or(0) < limit)
    };
    let avoided = |worker: &WorkerKey| queue.avoids.binary_search(worker).is_ok();
    let mut others = pools_of(cluster, tool)
        .flat_map(|pool| &pool.members)
        .filter(|worker| !avoided(worker));
    let choice = others.any(|worker| {
        cluster
            .workers
            .get(worker)
            .is_some_and(|worker| worker.is_healthy())
    });
    let free = pools_of(cluster, tool).flat_map(|pool| &pool.free);
    let watches = |worker: &WorkerKey| {
        cluster
            .workers
            .get(worker)
            .is_some_and(|worker| worker.watched.is_some())
    };
    free.filter(|worker| below_limit(worker) && !(choice && avoided(worker)))
        .filter(|worker| !(queue.suspects && watches(worker)))
        .copied()
        .collect()
}

pub(crate) fn pools_of<'a>(cluster: &'a Cluster, tool: &'a ToolState) -> impl Iterator<Item = &'a Pool> {
    tool.pools.iter().filter_map(|pool| cluster.pools.pool(*pool))
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
    if a == b {
        return a;
    }
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
