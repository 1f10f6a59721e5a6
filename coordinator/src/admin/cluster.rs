//! The coordinator as a whole, in wire form: what runs, what waits, and for which limit.

use std::cmp::Reverse;

use toolwave_proto::v1;
use toolwave_scheduler::{WaitReason, Waiting};

use crate::{
    catalogue::Catalogue,
    driver::history::{ClusterState, TenantState, ToolState},
    execution::{analysis::to_reason, convert::to_timestamp},
    handle::Handle,
};

/// Limits that are listed: of more tools and tenants than that, those for which most calls wait.
const LISTED: usize = 1_000;

/// What operators are told of all of it.
pub(super) fn response(state: ClusterState, handle: &Handle) -> v1::GetClusterResponse {
    let (coordinator_id, started_at) = handle.process();
    let held = handle.history().held();
    let limits = limits(&state, handle);
    let tools = state.tools.iter().map(|tool| v1::ToolLoad {
        tool_name: tool.name.to_string(),
        workers: tool.status.workers,
        queued: tool.status.queued,
        in_flight: tool.status.in_flight,
    });
    v1::GetClusterResponse {
        coordinator_id: coordinator_id.to_owned(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Some(to_timestamp(started_at)),
        draining: state.draining,
        executions: number(state.totals.executions),
        queued_calls: number(state.totals.queued_calls),
        in_flight: number(state.totals.in_flight),
        slots: state.slots,
        workers: number(state.totals.workers),
        payload_bytes: handle.payload_bytes(),
        tools: tools.collect(),
        limits,
        executions_ended: held.executions_ended,
        calls_ended: held.calls_ended + state.calls_ended,
    }
}

/// Every limit that is set, those with the most calls waiting first.
fn limits(state: &ClusterState, handle: &Handle) -> Vec<v1::LimitStatus> {
    let mut limits = of_coordinator(state, handle);
    let catalogue = handle.catalogue();
    for tool in &state.tools {
        of_tool(tool, &catalogue, &state.waiting, &mut limits);
    }
    for tenant in &state.tenants {
        of_tenant(tenant, state, handle, &mut limits);
    }
    limits.sort_by_key(|limit| Reverse(limit.waiting));
    limits.truncate(LISTED);
    limits
}

fn of_coordinator(state: &ClusterState, handle: &Handle) -> Vec<v1::LimitStatus> {
    let waiting = |reason| {
        let found = state.waiting.iter().filter(|waiting| waiting.reason == reason);
        found.map(|waiting| waiting.calls).sum()
    };
    let of = |reason, setting: &str, limit, in_use| v1::LimitStatus {
        waiting: waiting(reason),
        ..waited_for(reason, "", setting, limit, in_use)
    };
    let mut limits = vec![
        of(
            WaitReason::Slots,
            "slots",
            f64::from(state.slots),
            f64::from(state.slots_taken),
        ),
        of(
            WaitReason::CoordinatorLimit,
            "max_in_flight",
            state.max_in_flight as f64,
            state.totals.in_flight as f64,
        ),
        refused(
            "",
            "max_queued_calls",
            state.max_queued_calls as f64,
            state.totals.queued_calls as f64,
        ),
        refused(
            "",
            "max_payload_bytes",
            state.max_payload_bytes as f64,
            handle.payload_bytes() as f64,
        ),
    ];
    let (limit, in_flight) = state.at_their_limit;
    if limit > 0 {
        // Of all executions that are at theirs together.
        let reason = WaitReason::ExecutionLimit;
        limits.push(of(reason, "max_concurrency", limit as f64, in_flight as f64));
    }
    limits
}

fn of_tool(tool: &ToolState, catalogue: &Catalogue, waiting: &[Waiting], limits: &mut Vec<v1::LimitStatus>) {
    let waiting = |reason| {
        let of_it = |waiting: &&Waiting| waiting.reason == reason && waiting.tool == Some(tool.status.tool);
        waiting.iter().filter(of_it).map(|waiting| waiting.calls).sum()
    };
    let mut add = |reason, setting, limit, in_use| {
        limits.push(v1::LimitStatus {
            waiting: waiting(reason),
            ..waited_for(reason, &tool.name, setting, limit, in_use)
        });
    };
    let Some(declared) = catalogue.tool(&tool.name) else {
        return;
    };
    let spec = &declared.spec;
    let in_flight = f64::from(tool.status.in_flight);
    if spec.max_concurrency > 0 {
        let limit = f64::from(spec.max_concurrency);
        add(WaitReason::ToolLimit, "max_concurrency", limit, in_flight);
    }
    if spec.max_concurrency_per_worker > 0 {
        let workers = f64::from(tool.status.workers);
        let limit = f64::from(spec.max_concurrency_per_worker) * workers;
        add(
            WaitReason::ToolWorkerLimit,
            "max_concurrency_per_worker",
            limit,
            in_flight,
        );
    }
    // A tool without a rate that asked to be left alone has one of nothing for a while.
    if spec.rate_per_second > 0.0 || tool.rate_used.is_some() {
        let limit = spec.rate_per_second;
        let in_use = limit * tool.rate_used.unwrap_or(0.0);
        add(WaitReason::ToolRate, "rate_per_second", limit, in_use);
    }
}

fn of_tenant(tenant: &TenantState, state: &ClusterState, handle: &Handle, limits: &mut Vec<v1::LimitStatus>) {
    let (name, status) = (&tenant.name, &tenant.status);
    if let Some(limit) = status.limits.max_in_flight {
        let of_it = |waiting: &&Waiting| waiting.tenant == Some(status.tenant);
        let (limit, in_use) = (f64::from(limit), status.in_flight as f64);
        limits.push(v1::LimitStatus {
            waiting: state
                .waiting
                .iter()
                .filter(of_it)
                .map(|waiting| waiting.calls)
                .sum(),
            ..waited_for(WaitReason::TenantLimit, name, "max_in_flight", limit, in_use)
        });
    }
    if let Some(limit) = status.limits.max_queued_calls {
        let in_use = status.queued as f64;
        limits.push(refused(name, "max_queued_calls", limit.into(), in_use));
    }
    if let Some(rate) = &status.limits.rate {
        let in_use = rate.per_second * status.rate_used.unwrap_or(0.0);
        limits.push(refused(name, "calls_per_second", rate.per_second, in_use));
    }
    if let Some(limit) = handle.allowance(name).max_payload_bytes {
        let in_use = tenant.payload_bytes.unwrap_or(0) as f64;
        limits.push(refused(name, "max_payload_bytes", limit as f64, in_use));
    }
}

fn waited_for(reason: WaitReason, subject: &str, setting: &str, limit: f64, in_use: f64) -> v1::LimitStatus {
    v1::LimitStatus {
        reason: to_reason(reason).into(),
        ..refused(subject, setting, limit, in_use)
    }
}

/// One at which nothing waits: what is beyond is refused.
fn refused(subject: &str, setting: &str, limit: f64, in_use: f64) -> v1::LimitStatus {
    v1::LimitStatus {
        reason: v1::WaitReason::Unspecified.into(),
        subject: subject.to_owned(),
        setting: setting.to_owned(),
        limit,
        in_use,
        waiting: 0,
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
