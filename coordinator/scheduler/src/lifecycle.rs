//! The way of a call from submission to its end, and what the end of one does to others.

use smallvec::{SmallVec, smallvec};

use crate::{
    Action, Admitted, AttemptKey, CancelReason, Cause, ExecutionKey, FinishedCall, Outcome, Preparation,
    Refusal, Resolution, Submission, Time, ToolKey, ToolSpec,
    cluster::Cluster,
    execution::{CallState, Execution, Executions},
    plan::Need,
    terms::Terms,
    timers::Timer,
    waiting,
    worker::OccupancyState,
};

/// When a refused execution is worth another try.
const REFUSAL_RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// What is to be done about calls of one execution; doing it may bring more.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// Calls that end.
    ends: SmallVec<[(u32, Outcome, Cause); 1]>,
    /// Calls whose dependencies are done and whose wave is open.
    starts: SmallVec<[u32; 4]>,
}

impl Steps {
    /// One call ends.
    pub(crate) fn end(index: u32, outcome: Outcome, cause: Cause) -> Self {
        Self {
            ends: smallvec![(index, outcome, cause)],
            starts: SmallVec::new(),
        }
    }

    /// One call may start.
    pub(crate) fn start(index: u32) -> Self {
        Self {
            ends: SmallVec::new(),
            starts: smallvec![index],
        }
    }
}

/// Accepts an execution, or not.
pub(crate) fn submit(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    submission: Submission,
    out: &mut Vec<Action>,
) {
    let key = submission.execution;
    if let Some(refusal) = refusal(cluster, now, &submission) {
        out.push(Action::Refused {
            execution: key,
            refusal,
        });
        return cluster.tenants.refused(submission.tenant);
    }
    debug_assert_eq!(
        submission.calls.len(),
        submission.plan.len() as usize,
        "a call for each call of the plan"
    );
    out.push(Action::Admitted(Admitted { execution: key }));
    cluster.queued_calls += submission.calls.len();
    let Submission {
        tenant,
        limits,
        calls,
        ..
    } = &submission;
    cluster.dirty |= cluster.tenants.admit(*tenant, now, calls.len(), *limits);
    let execution = executions.entry(key).or_insert(Execution::new(submission));
    if execution.deadline <= now {
        return end_all(cluster, executions, now, key, None, out);
    }
    cluster
        .timers
        .arm(&mut execution.timer, execution.deadline, Timer::Execution(key));
    let starting = cluster.is_starting(now);
    let mut steps = Steps::default();
    // Steps are taken from the end: in request order.
    for (index, call) in execution.calls.iter().enumerate().rev() {
        let index = index as u32;
        if call.preparation == Preparation::Rejected {
            steps.ends.push((index, Outcome::Rejected, Cause::Rejected));
        } else if !starting
            && cluster
                .tools
                .get(&call.tool)
                .is_none_or(|tool| tool.spec.is_none())
        {
            steps.ends.push((index, Outcome::Rejected, Cause::UnknownTool));
        } else if call.waits_for == 0 && execution.wave_is_open(index) {
            steps.starts.push(index);
        }
    }
    settle(cluster, executions, now, key, steps, out);
}

/// Why an execution is not accepted, if it is not.
fn refusal(cluster: &Cluster, now: Time, submission: &Submission) -> Option<Refusal> {
    let calls = submission.calls.len();
    let limit = cluster.config.max_queued_calls;
    let own = cluster
        .tenants
        .refusal(submission.tenant, now, calls, &submission.limits);
    own.or_else(|| {
        (cluster.queued_calls + calls > limit).then_some(Refusal::QueueFull {
            limit,
            retry_after: REFUSAL_RETRY,
        })
    })
}

/// Does the steps and what follows from them; ends the execution when that was its last call.
pub(crate) fn settle(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: ExecutionKey,
    steps: Steps,
    out: &mut Vec<Action>,
) {
    if let Some(execution) = executions.get_mut(&key)
        && proceed(cluster, execution, now, steps, out)
    {
        executions.remove(&key);
    }
}

/// Does the steps and what follows from them. True: that ended the execution, and nothing of it may be kept.
pub(crate) fn proceed(
    cluster: &mut Cluster,
    execution: &mut Execution,
    now: Time,
    mut steps: Steps,
    out: &mut Vec<Action>,
) -> bool {
    // Ends come first: a call that is to be skipped must not start before.
    loop {
        if let Some((index, outcome, cause)) = steps.ends.pop() {
            finish(cluster, execution, now, index, (outcome, cause), &mut steps, out);
        } else if let Some(index) = steps.starts.pop() {
            make_ready(cluster, execution, now, index, &mut steps, out);
        } else {
            break;
        }
    }
    if execution.open > 0 {
        return false;
    }
    cluster.timers.cancel(&mut execution.timer);
    cluster.tenants.finish(execution.tenant);
    out.push(Action::FinishExecution {
        execution: execution.key,
    });
    true
}

/// A call whose dependencies are done: to the resolver, or into its queue.
fn make_ready(
    cluster: &mut Cluster,
    execution: &mut Execution,
    now: Time,
    index: u32,
    steps: &mut Steps,
    out: &mut Vec<Action>,
) {
    let key = execution.call_key(index);
    let starting = cluster.is_starting(now);
    let Some(call) = execution.call(index) else { return };
    if !matches!(call.state, CallState::Waiting | CallState::Undeclared) {
        return;
    }
    let declared = cluster
        .tools
        .get(&call.tool)
        .is_some_and(|tool| tool.spec.is_some());
    if !declared && !starting {
        steps.ends.push((index, Outcome::Rejected, Cause::UnknownTool));
    } else if !declared {
        call.state = CallState::Undeclared;
        call.ready_at.get_or_insert(now);
        cluster.undeclared += 1;
        cluster.tools.entry(call.tool).or_default().undeclared.insert(key);
        let ends = Time::ZERO + cluster.config.startup_grace;
        cluster
            .timers
            .arm(&mut cluster.startup_timer, ends, Timer::Startup);
    } else if call.preparation == Preparation::Resolve {
        call.state = CallState::Resolving;
        call.ready_at.get_or_insert(now);
        out.push(Action::Resolve { call: key });
    } else {
        cluster.enqueue(now, execution, index);
    }
}

/// Ends a call, whatever its state, and says what that brings.
fn finish(
    cluster: &mut Cluster,
    execution: &mut Execution,
    now: Time,
    index: u32,
    (outcome, cause): (Outcome, Cause),
    steps: &mut Steps,
    out: &mut Vec<Action>,
) {
    let key = execution.call_key(index);
    let Some(call) = execution.call(index) else { return };
    let (state, tool) = (call.state, call.tool);
    let waits = match state {
        CallState::Waiting | CallState::InFlight { .. } | CallState::Ended => crate::Waits::default(),
        _ => waiting::so_far(cluster, execution, index, now),
    };
    let Some(call) = execution.call(index) else { return };
    match state {
        CallState::Ended => return,
        CallState::Waiting | CallState::Resolving => {}
        CallState::Undeclared => leave_undeclared(cluster, tool, key),
        CallState::Ready { lane } => cluster.dequeue(execution, index, lane, false),
        CallState::Backoff => cluster.timers.cancel(&mut call.timer),
        CallState::InFlight { attempt, worker } => {
            cluster.timers.cancel(&mut call.timer);
            abort(
                cluster,
                now,
                worker,
                AttemptKey {
                    call: key,
                    number: attempt,
                },
                out,
            );
        }
    }
    if matches!(state, CallState::InFlight { .. }) {
        execution.running -= 1;
    } else {
        cluster.queued_calls -= 1;
        cluster.tenants.leave(execution.tenant);
    }
    let Some(call) = execution.call(index) else { return };
    call.close_attempt(now, Some(crate::AttemptFailure::Aborted));
    call.state = CallState::Ended;
    let attempts = SmallVec::from_vec(std::mem::take(&mut call.attempts));
    let ready_at = call.ready_at;
    out.push(Action::FinishCall(FinishedCall {
        call: key,
        outcome,
        cause,
        attempts,
        ready_at,
        waits,
    }));
    execution.open -= 1;
    release_dependents(execution, index, outcome, cause, steps);
    open_wave(execution, index, steps);
    if execution.fail_fast && !matches!(outcome, Outcome::Succeeded) {
        execution.fail_fast = false;
        fail_fast(execution, index, steps);
    }
    if matches!(state, CallState::Ready { .. } | CallState::Undeclared) {
        cluster.forget_vacant_tool(tool);
    }
}

/// The calls that wait for one that ended: they go on, or are skipped.
fn release_dependents(
    execution: &mut Execution,
    index: u32,
    outcome: Outcome,
    cause: Cause,
    steps: &mut Steps,
) {
    let root = match cause {
        Cause::Dependency { root } => root,
        _ => execution.call_key(index),
    };
    for at in 0..execution.plan.dependents(index).len() {
        let dependent = execution.plan.dependents(index)[at];
        let open = execution.wave_is_open(dependent.call);
        let Some(call) = execution.call(dependent.call) else {
            continue;
        };
        call.waits_for -= 1;
        if call.state != CallState::Waiting {
            continue;
        }
        if dependent.need == Need::Success && outcome != Outcome::Succeeded {
            steps
                .ends
                .push((dependent.call, Outcome::Skipped, Cause::Dependency { root }));
        } else if call.waits_for == 0 && open {
            steps.starts.push(dependent.call);
        }
    }
}

/// Under barrier waves, the end of a wave's last call opens the next.
fn open_wave(execution: &mut Execution, index: u32, steps: &mut Steps) {
    let wave = execution.plan.wave(index) as usize;
    let Some(barrier) = &mut execution.barrier else {
        return;
    };
    barrier.left[wave] -= 1;
    while barrier.left.get(barrier.wave as usize) == Some(&0) {
        barrier.wave += 1;
        let Some(members) = barrier.members.get_mut(barrier.wave as usize) else {
            return;
        };
        // Their dependencies are all of waves that have ended; those that have ended themselves do not start.
        steps.starts.extend(std::mem::take(members).into_iter().rev());
    }
}

/// The first failure ends the others; dependents of the failed call are skipped all the same.
fn fail_fast(execution: &Execution, failed: u32, steps: &mut Steps) {
    let root = execution.call_key(failed);
    steps.starts.clear();
    let skipped = std::mem::take(&mut steps.ends);
    for (index, call) in execution.calls.iter().enumerate() {
        if call.state != CallState::Ended {
            let cause = Cause::FailFast {
                root,
                started: call.was_dispatched(),
            };
            steps.ends.push((index as u32, Outcome::Cancelled, cause));
        }
    }
    // Taken from the end: skips first, so that dependents say what they depended on.
    steps.ends.extend(skipped);
}

/// Ends every open call of an execution for one reason.
pub(crate) fn end_all(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: ExecutionKey,
    reason: Option<CancelReason>,
    out: &mut Vec<Action>,
) {
    let Some(execution) = executions.get_mut(&key) else {
        return;
    };
    execution.fail_fast = false;
    // All of them end as one: what the end of one would bring to another is left out.
    for index in 0..execution.calls.len() as u32 {
        let started = execution.calls[index as usize].was_dispatched();
        let end = match reason {
            Some(reason) => (Outcome::Cancelled, Cause::Cancelled { reason, started }),
            None => (Outcome::DeadlineExceeded, Cause::Deadline { started }),
        };
        finish(cluster, execution, now, index, end, &mut Steps::default(), out);
    }
    settle(cluster, executions, now, key, Steps::default(), out);
}

/// What the resolver answered.
pub(crate) fn resolved(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: crate::CallKey,
    resolution: Resolution,
    out: &mut Vec<Action>,
) {
    let Some(execution) = executions.get_mut(&key.execution) else {
        return;
    };
    let Some(call) = execution.calls.get_mut(key.index as usize) else {
        return;
    };
    if call.state != CallState::Resolving {
        return;
    }
    match resolution {
        Resolution::Ready {
            safe_to_repeat,
            timeout,
            retry,
        } => {
            call.preparation = Preparation::Ready;
            call.safe_to_repeat = safe_to_repeat;
            let queue_timeout = execution.terms.of(call.terms).queue_timeout;
            call.terms = execution.terms.find_or_add(Terms {
                timeout,
                queue_timeout,
                retry,
            });
            cluster.enqueue(now, execution, key.index);
        }
        Resolution::Rejected => {
            let steps = Steps::end(key.index, Outcome::Rejected, Cause::Rejected);
            settle(cluster, executions, now, key.execution, steps, out);
        }
    }
}

/// The declaration of a tool came: calls that waited for it go on.
pub(crate) fn declared(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    key: ToolKey,
    spec: ToolSpec,
    out: &mut Vec<Action>,
) {
    let tool = cluster.tools.entry(key).or_default();
    if tool.spec.replace(spec).is_none() {
        tool.declared_at = now;
    }
    let waiting = std::mem::take(&mut tool.undeclared);
    cluster.dirty = true;
    for call in waiting {
        uncount_undeclared(cluster);
        settle(
            cluster,
            executions,
            now,
            call.execution,
            Steps::start(call.index),
            out,
        );
    }
}

/// The startup grace is over: calls of tools that nobody declared are rejected.
pub(crate) fn startup_is_over(
    cluster: &mut Cluster,
    executions: &mut Executions,
    now: Time,
    out: &mut Vec<Action>,
) {
    let waiting = cluster
        .tools
        .values()
        .flat_map(|tool| tool.undeclared.iter().copied());
    let mut waiting: Vec<crate::CallKey> = waiting.collect();
    waiting.sort_unstable();
    for call in waiting {
        let steps = Steps::end(call.index, Outcome::Rejected, Cause::UnknownTool);
        settle(cluster, executions, now, call.execution, steps, out);
    }
}

fn leave_undeclared(cluster: &mut Cluster, tool: ToolKey, call: crate::CallKey) {
    if let Some(tool) = cluster.tools.get_mut(&tool) {
        tool.undeclared.remove(&call);
    }
    uncount_undeclared(cluster);
}

fn uncount_undeclared(cluster: &mut Cluster) {
    cluster.undeclared -= 1;
    if cluster.undeclared == 0 {
        cluster.timers.cancel(&mut cluster.startup_timer);
    }
}

/// Has an attempt stopped; its slot and its limits stay taken until that is confirmed.
pub(crate) fn abort(
    cluster: &mut Cluster,
    now: Time,
    worker: crate::WorkerKey,
    attempt: AttemptKey,
    out: &mut Vec<Action>,
) {
    let Some(found) = cluster.workers.get_mut(&worker) else {
        return;
    };
    let Some(occupancy) = found.occupied.get_mut(&attempt) else {
        return;
    };
    if occupancy.state == OccupancyState::Aborting {
        return;
    }
    occupancy.state = OccupancyState::Aborting;
    found
        .aborts
        .push_back((now + cluster.config.abort_confirmation, attempt));
    if let Some(session) = found.session() {
        out.push(Action::Abort { session, attempt });
    }
    cluster.arm_worker(worker);
}
