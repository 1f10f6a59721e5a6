//! The coordinator's page of metrics: every family with its help, in the order in which operators look for them.
//! docs/operating.md has the same table, and a test holds the two together.

use toolwave_telemetry::metrics::{
    Kind::{Counter, Gauge, Histogram},
    Page, write_process, write_runtime,
};

use crate::{config::ReloadStatus, handle::WholeLimits};

use super::{
    load::Load,
    numbers::{DISCONNECTS, ENDINGS, Numbers, OTHER_TOOLS, OUTCOMES, REFUSALS, ToolNumbers},
};

/// What the page is made of.
pub(super) struct Facts<'a> {
    pub(super) numbers: &'a Numbers,
    pub(super) load: &'a Load,
    pub(super) driver_answered: bool,
    pub(super) limits: WholeLimits,
    pub(super) reload: &'a ReloadStatus,
    pub(super) payload_bytes: u64,
    pub(super) certificates: Vec<(&'static str, u64)>,
}

pub(super) fn write(facts: &Facts<'_>) -> String {
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    page.family(
        "toolwave_build_info",
        Gauge,
        "1; the label says which build runs.",
    )
    .sample(&[("version", version)], 1_u32);
    executions(&mut page, facts);
    let tools = facts.numbers.tools();
    calls(&mut page, facts, &tools);
    queues(&mut page, facts, &tools);
    limits(&mut page, facts);
    workers(&mut page, facts);
    state(&mut page, facts);
    facts.numbers.grpc.write(&mut page);
    write_runtime(&mut page);
    write_process(&mut page);
    page.into_text()
}

fn executions(page: &mut Page, Facts { numbers, load, .. }: &Facts<'_>) {
    page.single(
        "toolwave_executions_accepted_total",
        Counter,
        "Executions that were accepted; one that joined another by its idempotency key is not counted again.",
        numbers.accepted.value(),
    );
    let mut family = page.family(
        "toolwave_executions_completed_total",
        Counter,
        "Executions that ended, by how: every call succeeded, some call did not, the deadline passed, or it was cancelled.",
    );
    for (ending, count) in ENDINGS.iter().zip(&numbers.completed) {
        family.sample(&[("outcome", ending)], count.value());
    }
    let mut family = page.family(
        "toolwave_executions_refused_total",
        Counter,
        "Requests to execute that were refused as a whole: nothing of them has run.",
    );
    for (reason, count) in REFUSALS.iter().zip(&numbers.refused) {
        family.sample(&[("reason", reason)], count.value());
    }
    page.single(
        "toolwave_executions_active",
        Gauge,
        "Executions that have not ended.",
        load.executions,
    );
    page.family(
        "toolwave_execution_calls",
        Histogram,
        "Calls of an accepted execution.",
    )
    .histogram(&[], &numbers.calls);
    page.family(
        "toolwave_execution_duration_seconds",
        Histogram,
        "From the acceptance of an execution to its end.",
    )
    .histogram(&[], &numbers.duration);
}

fn calls(page: &mut Page, Facts { numbers, .. }: &Facts<'_>, tools: &[std::sync::Arc<ToolNumbers>]) {
    let mut family = page.family(
        "toolwave_calls_submitted_total",
        Counter,
        "Calls of accepted executions.",
    );
    for tool in tools {
        family.sample(&[("tool", &tool.name)], tool.submitted.value());
    }
    let mut family = page.family(
        "toolwave_calls_completed_total",
        Counter,
        "Calls that ended, by outcome.",
    );
    for tool in tools {
        for ((_, outcome), count) in OUTCOMES.iter().zip(&tool.completed) {
            family.sample(&[("tool", &tool.name), ("outcome", outcome)], count.value());
        }
    }
    let mut family = page.family(
        "toolwave_call_attempts_total",
        Counter,
        "Attempts that were sent to a worker: the first of a call, and those after it.",
    );
    for tool in tools {
        let name = ("tool", &*tool.name);
        family.sample(&[name, ("reason", "first")], tool.first_attempts.value());
        family.sample(&[name, ("reason", "retry")], tool.retries.value());
    }
    page.family(
        "toolwave_call_queue_wait_seconds",
        Histogram,
        "Of a call that was dispatched: from when its dependencies were done to its last dispatch, backoffs included.",
    )
    .histogram(&[], &numbers.queue_wait);
    let mut family = page.family(
        "toolwave_call_duration_seconds",
        Histogram,
        "Of a call that was dispatched: how long the tool took in the last attempt, as the worker measured it.",
    );
    for tool in tools {
        family.histogram(&[("tool", &tool.name)], &tool.duration);
    }
    page.family(
        "toolwave_dispatch_latency_seconds",
        Histogram,
        "From the dispatch of an attempt until the coordinator heard that it began; where it heard of the end only, until then, less what the tool took.",
    )
    .histogram(&[], &numbers.dispatch_latency);
    let mut family = page.family(
        "toolwave_unroutable_calls_total",
        Counter,
        "Calls that ended since no worker hosted their tool: more workers of the same kind do not help.",
    );
    for tool in tools {
        family.sample(&[("tool", &tool.name)], tool.unroutable.value());
    }
    page.single(
        "toolwave_late_reports_total",
        Counter,
        "Reports of workers that came too late or twice, and changed nothing.",
        numbers.late_reports.value(),
    );
}

/// Of a tool now, those without series of their own together.
#[derive(Clone, Copy, Default)]
struct Now {
    running: u32,
    queued: u32,
    startable: f64,
    workers: u32,
    oldest: f64,
}

fn queues(page: &mut Page, Facts { load, .. }: &Facts<'_>, tools: &[std::sync::Arc<ToolNumbers>]) {
    let places: std::collections::HashMap<&str, usize> = tools
        .iter()
        .enumerate()
        .map(|(at, tool)| (&*tool.name, at))
        .collect();
    let mut now = vec![Now::default(); tools.len()];
    for tool in &load.tools {
        let place = tool.name.as_deref().and_then(|name| places.get(name));
        let now = &mut now[place.copied().unwrap_or(0)];
        now.running += tool.running;
        now.queued += tool.queued;
        now.startable += tool.startable;
        now.workers = now.workers.max(tool.workers);
        now.oldest = now.oldest.max(tool.oldest.as_secs_f64());
    }
    debug_assert_eq!(&*tools[0].name, OTHER_TOOLS);
    let mut each = |name, help, value: fn(&Now) -> f64| {
        let mut family = page.family(name, Gauge, help);
        for (tool, now) in tools.iter().zip(&now) {
            family.sample(&[("tool", &tool.name)], value(now));
        }
    };
    each("toolwave_calls_running", "Attempts in flight.", |now| {
        now.running.into()
    });
    each(
        "toolwave_calls_queued",
        "Calls whose dependencies are done and that wait for a slot or a limit.",
        |now| now.queued.into(),
    );
    each(
        "toolwave_calls_startable",
        "Calls that wait, and that no limit of their execution or tenant keeps from starting on further workers.",
        |now| now.startable,
    );
    each(
        "toolwave_oldest_queued_call_age_seconds",
        "For how long calls have waited without a break that could start were there room; 0 where none does.",
        |now| now.oldest,
    );
    each(
        "toolwave_tool_workers",
        "Workers that host the tool and are not lost; of the others together, the most of one.",
        |now| now.workers.into(),
    );
    page.single(
        "toolwave_calls_waiting",
        Gauge,
        "Calls that were accepted and are not in flight, those that wait for others included.",
        load.queued_calls,
    );
}

fn limits(page: &mut Page, facts: &Facts<'_>) {
    let limits: Vec<(String, &super::load::LimitLoad)> = facts
        .load
        .limits
        .iter()
        .map(|limit| {
            let group = limit.tool.as_ref();
            (
                group.map_or_else(|| "coordinator".into(), |tool| format!("tool:{tool}")),
                limit,
            )
        })
        .collect();
    let mut each = |name, kind, help, value: fn(&super::load::LimitLoad) -> f64| {
        let mut family = page.family(name, kind, help);
        for (group, limit) in &limits {
            family.sample(&[("group", group)], value(limit));
        }
    };
    each(
        "toolwave_concurrency_limit",
        Gauge,
        "Attempts that may be in flight at once: of the coordinator (`max_in_flight`), or of a tool (`max_concurrency` of its declaration).",
        |limit| limit.limit as f64,
    );
    each(
        "toolwave_concurrency_in_use",
        Gauge,
        "Attempts in flight that count against the limit.",
        |limit| limit.in_use as f64,
    );
    each(
        "toolwave_concurrency_limited_seconds_total",
        Counter,
        "Time for which the limit kept calls from starting, in seconds.",
        |limit| limit.limited.as_secs_f64(),
    );
    page.single(
        "toolwave_waiting_calls_limit",
        Gauge,
        "Calls that may wait at once (`max_queued_calls`); an execution beyond is refused.",
        facts.limits.max_queued_calls,
    );
    page.single(
        "toolwave_payload_bytes",
        Gauge,
        "Parameters and results held, in bytes.",
        facts.payload_bytes,
    );
    page.single(
        "toolwave_payload_limit_bytes",
        Gauge,
        "Parameters and results that may be held (`max_payload_bytes`); an execution beyond is refused.",
        facts.limits.max_payload_bytes,
    );
}

fn workers(page: &mut Page, Facts { numbers, load, .. }: &Facts<'_>) {
    page.single(
        "toolwave_workers_connected",
        Gauge,
        "Workers whose session is open.",
        load.workers,
    );
    page.single(
        "toolwave_worker_slots",
        Gauge,
        "Slots of the workers that take dispatches: connected, heard of late, and not draining.",
        load.slots,
    );
    page.single(
        "toolwave_worker_slots_free",
        Gauge,
        "Those of the slots that no attempt takes.",
        load.slots_free,
    );
    let mut family = page.family(
        "toolwave_worker_disconnects_total",
        Counter,
        "Sessions of workers that ended, by why.",
    );
    for ((_, reason), count) in DISCONNECTS.iter().zip(&numbers.disconnects) {
        family.sample(&[("reason", reason)], count.value());
    }
}

fn state(page: &mut Page, facts: &Facts<'_>) {
    let numbers = facts.numbers;
    page.single(
        "toolwave_draining",
        Gauge,
        "1 while the coordinator drains: it accepts nothing, and ends when what runs has ended.",
        numbers.draining.value(),
    );
    page.single(
        "toolwave_driver_answering",
        Gauge,
        "1 where the task that decides answered this scrape; at 0 what is told of queues, workers and limits is old.",
        facts.driver_answered,
    );
    page.single(
        "toolwave_config_last_reload_successful",
        Gauge,
        "1 unless the configuration was read again last with errors; then the one before is in force.",
        u64::from(facts.reload.is_successful()),
    );
    page.single(
        "toolwave_config_last_reload_success_timestamp_seconds",
        Gauge,
        "When the configuration in force was read, in seconds since 1970.",
        facts.reload.succeeded_at(),
    );
    let mut family = page.family(
        "toolwave_tls_certificate_not_after_timestamp_seconds",
        Gauge,
        "When the first of a listener's certificates expires, in seconds since 1970.",
    );
    for (listener, not_after) in &facts.certificates {
        family.sample(&[("listener", listener)], *not_after);
    }
}
