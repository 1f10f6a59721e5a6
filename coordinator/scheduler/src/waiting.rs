//! Why ready calls wait: found when a queue is closed, read off when a call leaves it, counted for operators.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::{
    TenantKey, Time, ToolKey, WaitReason, Waiting, Waits,
    cluster::Cluster,
    execution::{Call, CallState, Execution, Executions},
    placement::{pools_of, takes_any_free_worker},
    queue::{Lane, QueueKey},
    track::{Track, read_off},
};

/// What the head of a queue waited for.
pub(crate) fn of_head(
    cluster: &Cluster,
    execution: &Execution,
    (index, lane): (u32, Lane),
    now: Time,
) -> Waits {
    // Nearly all wait in their queue alone, for what has held it back all the time, or not at all.
    if let Some(call) = execution.calls.get(index as usize)
        && call.attempts.is_empty()
        && call.ready_at == Some(call.queued_at)
        && execution.limited.is_empty()
        && cluster.tenants.limit_none()
    {
        let mut waits = Waits::default();
        if call.queued_at >= now {
            return waits;
        }
        if let Some(queue) = cluster.queues.queue(lane.queue)
            && queue.closed.is_steady(call.queued_at)
        {
            let reason = queue.closed.now().unwrap_or(WaitReason::Turn);
            waits.add(reason, call.queued_at, now);
            return waits;
        }
    }
    so_far(cluster, execution, index, now)
}

/// What a call that is not in flight waited for: since it was ready, or its last attempt had ended.
pub(crate) fn so_far(cluster: &Cluster, execution: &Execution, index: u32, now: Time) -> Waits {
    let mut waits = Waits::default();
    let Some(call) = execution.calls.get(index as usize) else {
        return waits;
    };
    let last_end = match call.attempts.last() {
        Some(last) if last.ended_at.is_none() => return waits,
        Some(last) => last.ended_at,
        None => None,
    };
    let Some(from) = last_end.or(call.ready_at) else {
        return waits;
    };
    // Most calls do not wait at all.
    if from >= now || call.state == CallState::Ended {
        return waits;
    }
    let CallState::Ready { lane } = call.state else {
        before_queue(cluster, call, (from, now), last_end.is_some(), &mut waits);
        return waits;
    };
    before_queue(
        cluster,
        call,
        (from, call.queued_at),
        last_end.is_some(),
        &mut waits,
    );
    let closed = cluster.queues.queue(lane.queue).map(|queue| &queue.closed);
    let tracks = [
        Some(&execution.limited),
        cluster.tenants.limited(execution.tenant),
        closed,
    ];
    read_off(tracks, (call.queued_at, now), &mut waits);
    waits
}

/// What stands between being ready, or the end of an attempt, and the queue.
fn before_queue(cluster: &Cluster, call: &Call, (from, to): (Time, Time), retries: bool, waits: &mut Waits) {
    if from >= to {
        return;
    }
    if retries {
        return waits.add(WaitReason::Backoff, from, to);
    }
    // Until its tool was declared no worker hosted it; then its references were put in.
    let declared = match cluster.tools.get(&call.tool) {
        Some(tool) if tool.spec.is_some() => tool.declared_at.max(from).min(to),
        _ => to,
    };
    waits.add(WaitReason::NoWorker, from, declared);
    waits.add(WaitReason::Turn, declared, to);
}

/// What a call waits for now; `None` where it does not.
pub(crate) fn now(cluster: &Cluster, execution: &Execution, call: &Call) -> Option<WaitReason> {
    match call.state {
        CallState::Waiting | CallState::InFlight { .. } | CallState::Ended => None,
        CallState::Undeclared => Some(WaitReason::NoWorker),
        CallState::Resolving => Some(WaitReason::Turn),
        CallState::Backoff => Some(WaitReason::Backoff),
        CallState::Ready { lane } => Some(of_lane(cluster, execution, lane.queue)),
    }
}

fn of_lane(cluster: &Cluster, execution: &Execution, queue: QueueKey) -> WaitReason {
    let closed = || cluster.queues.queue(queue)?.closed.now();
    let tenant = || cluster.tenants.limited(execution.tenant).and_then(Track::now);
    let reason = execution.limited.now().or_else(tenant).or_else(closed);
    reason.unwrap_or(WaitReason::Turn)
}

/// Why no worker takes a call of this queue.
pub(crate) fn for_worker(cluster: &Cluster, key: QueueKey) -> WaitReason {
    let mut reason = WaitReason::NoWorker;
    let Some(queue) = cluster.queues.queue(key) else {
        return reason;
    };
    let Some(tool) = cluster.tools.get(&queue.tool) else {
        return reason;
    };
    let limit = tool.per_worker();
    let is_plain = takes_any_free_worker(queue, tool);
    let hosts = pools_of(cluster, tool).flat_map(|pool| &pool.members);
    for worker in hosts.filter_map(|worker| cluster.workers.get(worker)) {
        if worker.is_free() {
            let here = worker.by_tool.get(&queue.tool).copied().unwrap_or(0);
            if limit.is_some_and(|limit| here >= limit) {
                return WaitReason::ToolWorkerLimit;
            }
            // It is avoided, or watched: the call waits for another worker's slot, or for its turn here.
            if reason == WaitReason::NoWorker {
                reason = WaitReason::Turn;
            }
        } else if worker.is_healthy() {
            if is_plain {
                return WaitReason::Slots;
            }
            reason = WaitReason::Slots;
        }
    }
    reason
}

/// Ready calls by what they wait for, those of most calls first.
pub(crate) fn all(cluster: &Cluster, executions: &Executions) -> Vec<Waiting> {
    let mut counts: FxHashMap<(WaitReason, Option<ToolKey>, Option<TenantKey>), u32> = FxHashMap::default();
    for key in cluster.queues.keys() {
        let Some(queue) = cluster.queues.queue(key) else {
            continue;
        };
        for (execution, ready) in cluster.queues.lanes(key) {
            let Some(execution) = executions.get(&execution) else {
                continue;
            };
            let reason = of_lane(cluster, execution, key);
            let tool = reason.is_of_tool().then_some(queue.tool);
            let tenant = (reason == WaitReason::TenantLimit).then_some(execution.tenant);
            *counts.entry((reason, tool, tenant)).or_default() += ready;
        }
    }
    let waiting = counts.into_iter().map(|((reason, tool, tenant), calls)| Waiting {
        reason,
        tool,
        tenant,
        calls,
    });
    let mut waiting: Vec<Waiting> = waiting.collect();
    waiting.sort_unstable_by_key(|found| (Reverse(found.calls), found.reason, found.tool, found.tenant));
    waiting
}
