//! Attempts: from a ready call and a free slot to the attempt's end, and whether another follows.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use crate::{
    Action, AttemptEnd, AttemptFailure, AttemptKey, CallKey, Cause, Outcome, SessionKey, Time, WorkerKey,
    cluster::Cluster,
    execution::{CallState, Executions},
    lifecycle::{Steps, abort, proceed, settle},
    queue::Head,
    retry,
    timers::Timer,
    waiting,
    worker::{Counted, OccupancyState},
};

/// Dispatches a call.
pub(crate) fn start(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    head: Head,
    worker: WorkerKey,
    out: &mut Vec<Action>,
) {
    let Some(session) = cluster.workers.get(&worker).and_then(|worker| worker.session()) else {
        return;
    };
    let Some(execution) = executions.get_mut(&head.call.execution) else {
        return;
    };
    let waits = waiting::of_head(cluster, execution, (head.call.index, head.lane), now);
    cluster.dequeue(execution, head.call.index, head.lane, true);
    cluster.queued_calls -= 1;
    execution.count(now);
    execution.running += 1;
    let Some(call) = execution.calls.get_mut(head.call.index as usize) else {
        return;
    };
    let attempt = AttemptKey {
        call: head.call,
        number: call.open_attempt(now, worker, waits),
    };
    let timeout = execution.terms.of(call.terms).timeout;
    let due = now + timeout + cluster.config.timeout_slack;
    cluster.timers.arm(&mut call.timer, due, Timer::Call(head.call));
    let (safe_to_repeat, tool, is_suspect) = (call.safe_to_repeat, call.tool, call.losses > 0);
    let counted = Counted {
        tenant: head.tenant,
        tool,
    };
    cluster.occupy(now, worker, attempt, counted);
    if is_suspect {
        cluster.watch(now, worker, attempt);
    }
    out.push(Action::Dispatch {
        session,
        attempt,
        timeout,
        safe_to_repeat,
    });
}

/// The worker says that an attempt began.
pub(crate) fn started(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    session: SessionKey,
    attempt: AttemptKey,
    out: &mut Vec<Action>,
) {
    let Some(&worker) = cluster.sessions.get(&session) else {
        return;
    };
    let Some(execution) = executions.get_mut(&attempt.call.execution) else {
        return;
    };
    let Some(call) = execution.calls.get_mut(attempt.call.index as usize) else {
        return;
    };
    if !call.is_current(attempt, worker) {
        return;
    }
    let Some(record) = call
        .attempts
        .last_mut()
        .filter(|record| record.started_at.is_none())
    else {
        return;
    };
    record.started_at = Some(now);
    if let Some(worker) = cluster.workers.get_mut(&worker)
        && let Some(occupancy) = worker.occupied.get_mut(&attempt)
    {
        // Known to be there.
        occupancy.sequence = 0;
    }
    let due = now + execution.terms.of(call.terms).timeout + cluster.config.timeout_slack;
    cluster
        .timers
        .arm(&mut call.timer, due, Timer::Call(attempt.call));
    out.push(Action::Started { attempt, worker });
}

/// The worker says that an attempt ended.
pub(crate) fn finished(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    (session, attempt, end): (SessionKey, AttemptKey, AttemptEnd),
    out: &mut Vec<Action>,
) {
    let key = cluster.sessions.get(&session).copied();
    let worker = key.and_then(|key| cluster.workers.get_mut(&key));
    let (Some(key), Some((worker, occupancy))) = (
        key,
        worker.and_then(|worker| worker.vacate(attempt).map(|occupancy| (worker, occupancy))),
    ) else {
        out.push(Action::Late { attempt, session });
        return;
    };
    let is_out = worker.count_end(now, end, &cluster.config);
    cluster.dirty |= cluster.pools.list(worker);
    // Nothing else about its end makes the worker's timer due earlier.
    if is_out {
        cluster.look_again = true;
        cluster.arm_worker(key);
    }
    let mut execution = executions.get_mut(&attempt.call.execution);
    if let Some(counted) = occupancy.counted {
        cluster.uncount(counted, execution.as_deref_mut());
    }
    if occupancy.state == OccupancyState::Aborting {
        if end != AttemptEnd::Failed(AttemptFailure::Aborted) {
            out.push(Action::Late { attempt, session });
        }
        return;
    }
    match end {
        AttemptEnd::Succeeded => {
            let Some(execution) = execution else { return };
            if let Some(call) = execution.call(attempt.call.index) {
                call.close_attempt(now, None);
            }
            let steps = Steps::end(attempt.call.index, Outcome::Succeeded, Cause::None);
            if proceed(cluster, execution, now, steps, out) {
                executions.remove(&attempt.call.execution);
            }
        }
        AttemptEnd::Failed(failure) => failed(cluster, executions, now, attempt, failure, out),
    }
}

/// The current attempt of a call failed; its slot is free, or is being freed. Another follows, or the call ends.
pub(crate) fn failed(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    attempt: AttemptKey,
    failure: AttemptFailure,
    out: &mut Vec<Action>,
) {
    let Some(execution) = executions.get_mut(&attempt.call.execution) else {
        return;
    };
    let deadline = execution.deadline;
    let Some(call) = execution.calls.get_mut(attempt.call.index as usize) else {
        return;
    };
    let policy = execution.terms.of(call.terms).retry;
    let CallState::InFlight { attempt: number, .. } = call.state else {
        return;
    };
    debug_assert_eq!(number, attempt.number, "only the current attempt fails");
    call.close_attempt(now, Some(failure));
    let attempts_left = call.charged < policy.max_attempts;
    let cause = Cause::Attempt { failure };
    let mut wait = Duration::ZERO;
    let end = match failure {
        AttemptFailure::Refused => {
            call.charged -= 1;
            call.refusals += 1;
            if call.refusals > 1 {
                wait = retry::backoff(&policy, call.refusals - 1, &mut cluster.rng);
            }
            (call.refusals > cluster.config.max_refusals).then_some((Outcome::Unavailable, cause))
        }
        AttemptFailure::ToolError {
            retryable,
            retry_after,
        } => {
            wait =
                retry::backoff(&policy, call.charged, &mut cluster.rng).max(retry_after.unwrap_or_default());
            if let (true, Some(pause), Some(tool)) =
                (retryable, retry_after, cluster.tools.get_mut(&call.tool))
            {
                tool.paused_until = tool.paused_until.max(now + pause);
            }
            (!retryable || !attempts_left).then_some((Outcome::Failed, cause))
        }
        AttemptFailure::BrokenContract | AttemptFailure::ResultTooLarge => Some((Outcome::Failed, cause)),
        AttemptFailure::TimedOut => {
            (!call.safe_to_repeat || !attempts_left).then_some((Outcome::TimedOut, cause))
        }
        AttemptFailure::WorkerLost | AttemptFailure::Aborted => {
            call.losses += u32::from(failure == AttemptFailure::WorkerLost);
            if !call.safe_to_repeat {
                Some((Outcome::Unknown, cause))
            } else if call.losses >= cluster.config.max_losses {
                Some((Outcome::Failed, Cause::Poison { losses: call.losses }))
            } else {
                (!attempts_left).then_some((Outcome::Unavailable, cause))
            }
        }
    };
    // An attempt that cannot end before the deadline is not begun; the call says what it failed with.
    let late = (now + wait >= deadline).then_some((outcome_of(failure), cause));
    match end.or(late) {
        Some((outcome, cause)) => {
            let steps = Steps::end(attempt.call.index, outcome, cause);
            settle(cluster, executions, now, attempt.call.execution, steps, out);
        }
        None => try_again(cluster, executions, now, (attempt, failure, wait), out),
    }
}

/// How a call ends whose last attempt failed so.
fn outcome_of(failure: AttemptFailure) -> Outcome {
    match failure {
        AttemptFailure::ToolError { .. }
        | AttemptFailure::BrokenContract
        | AttemptFailure::ResultTooLarge => Outcome::Failed,
        AttemptFailure::TimedOut => Outcome::TimedOut,
        AttemptFailure::Refused | AttemptFailure::WorkerLost | AttemptFailure::Aborted => {
            Outcome::Unavailable
        }
    }
}

/// Another attempt follows, at once or after a wait.
fn try_again(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    (attempt, failure, backoff): (AttemptKey, AttemptFailure, Duration),
    out: &mut Vec<Action>,
) {
    out.push(Action::Retry {
        attempt,
        failure,
        backoff,
    });
    let Some(execution) = executions.get_mut(&attempt.call.execution) else {
        return;
    };
    cluster.queued_calls += 1;
    cluster.tenants.come_back(execution.tenant);
    execution.running -= 1;
    let Some(call) = execution.call(attempt.call.index) else {
        return;
    };
    cluster.timers.cancel(&mut call.timer);
    if backoff.is_zero() {
        cluster.enqueue(now, execution, attempt.call.index);
    } else {
        call.state = CallState::Backoff;
        cluster
            .timers
            .arm(&mut call.timer, now + backoff, Timer::Call(attempt.call));
    }
}

/// The timer of a call fired: its attempt timed out, its backoff is over, or it waited too long.
pub(crate) fn call_timer(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: CallKey,
    out: &mut Vec<Action>,
) {
    let Some(execution) = executions.get_mut(&key.execution) else {
        return;
    };
    let Some(call) = execution.calls.get_mut(key.index as usize) else {
        return;
    };
    call.timer = None;
    match call.state {
        CallState::InFlight { attempt, worker } => {
            let attempt = AttemptKey {
                call: key,
                number: attempt,
            };
            abort(cluster, now, worker, attempt, out);
            failed(cluster, executions, now, attempt, AttemptFailure::TimedOut, out);
        }
        CallState::Backoff => cluster.enqueue(now, execution, key.index),
        CallState::Ready { .. } => {
            let timeout = execution.terms.of(call.terms).queue_timeout.unwrap_or_default();
            let steps = Steps::end(key.index, Outcome::Unavailable, Cause::QueueTimeout { timeout });
            settle(cluster, executions, now, key.execution, steps, out);
        }
        CallState::Waiting | CallState::Undeclared | CallState::Resolving | CallState::Ended => {
            debug_assert!(false, "a call in this state has no timer");
        }
    }
}

/// The timer of a tool fired: calls that waited too long for a host end; what the rate or a pause held may start.
pub(crate) fn tool_timer(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    name: crate::ToolKey,
    out: &mut Vec<Action>,
) {
    cluster.dirty = true;
    let Some(tool) = cluster.tools.get_mut(&name) else {
        return;
    };
    tool.timer = None;
    let mut given_up = BinaryHeap::new();
    while let Some(&(gives_up, call)) = tool.hostless.front() {
        if gives_up > now {
            break;
        }
        tool.hostless.pop_front();
        given_up.push(Reverse(call));
    }
    crate::cluster::arm_hostless(&mut cluster.timers, tool, name);
    while let Some(Reverse(key)) = given_up.pop() {
        let Some(call) = executions.get_mut(&key.execution).and_then(|e| e.call(key.index)) else {
            continue;
        };
        if matches!(call.state, CallState::Ready { .. }) {
            let waited = cluster.config.worker_wait;
            let steps = Steps::end(key.index, Outcome::Unavailable, Cause::NoWorker { waited });
            settle(cluster, executions, now, key.execution, steps, out);
        }
    }
}
