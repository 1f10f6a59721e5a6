//! The rows of each pane, sorted, in words. Knows no terminal: the screen and the plain snapshot show the same.

use std::cmp::Reverse;

use toolwave_client::{
    duration,
    v1::{self, Outcome, WorkerState},
};

use super::state::{Pane, Top};
use crate::{limits, text, trace::text::Ink, words};

/// One row; `key` is what it is about, whatever its place.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) cells: Vec<(Ink, String)>,
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) width: usize,
    pub(crate) right: bool,
    /// Where there is no room the columns of the highest rank go first.
    pub(crate) rank: u8,
}

const fn left(title: &'static str, width: usize, rank: u8) -> Column {
    Column {
        title,
        width,
        right: false,
        rank,
    }
}

const fn right(title: &'static str, width: usize, rank: u8) -> Column {
    Column {
        title,
        width,
        right: true,
        rank,
    }
}

/// The first column takes what the others leave.
pub(crate) fn columns(pane: Pane) -> &'static [Column] {
    const EXECUTIONS: &[Column] = &[
        left("execution", 8, 0),
        left("tenant", 10, 6),
        left("state", 8, 4),
        left("progress", 12, 1),
        right("calls", 11, 0),
        right("in flight", 9, 2),
        right("waiting", 8, 2),
        right("not ok", 7, 3),
        right("took", 8, 1),
    ];
    const WORKERS: &[Column] = &[
        left("worker", 8, 0),
        left("state", 9, 0),
        right("busy", 7, 0),
        right("tools", 5, 3),
        right("heard", 7, 2),
    ];
    const TOOLS: &[Column] = &[
        left("tool", 10, 0),
        right("queued", 6, 0),
        right("in flight", 9, 1),
        right("workers", 7, 3),
        left("limits", 12, 2),
    ];
    const LIMITS: &[Column] = &[
        left("limit", 10, 0),
        left("of", 8, 1),
        right("in use", 9, 0),
        right("waiting", 7, 0),
    ];
    match pane {
        Pane::Executions => EXECUTIONS,
        Pane::Workers => WORKERS,
        Pane::Tools => TOOLS,
        Pane::Limits => LIMITS,
    }
}

/// What a pane can be sorted by; the first is how it starts.
pub(crate) fn sorts(pane: Pane) -> &'static [&'static str] {
    match pane {
        Pane::Executions => &["newest", "waiting", "took", "calls", "tenant"],
        Pane::Workers => &["name", "busiest", "state", "silence"],
        Pane::Tools => &["queued", "in flight", "name"],
        Pane::Limits => &["waiting", "fullest", "name"],
    }
}

/// The rows of a pane, in their order.
pub(crate) fn rows(top: &Top, pane: Pane) -> Vec<Row> {
    let sort = top.sort(pane);
    let mut rows = match pane {
        Pane::Executions => executions(&top.executions.executions, sort),
        Pane::Workers => workers(&top.workers, sort),
        Pane::Tools => tools(&top.cluster, sort),
        Pane::Limits => limits_of(&top.cluster, sort),
    };
    if top.is_reversed(pane) {
        rows.reverse();
    }
    rows
}

fn executions(executions: &[v1::ExecutionStatus], sort: &str) -> Vec<Row> {
    let mut sorted: Vec<_> = executions.iter().collect();
    match sort {
        "waiting" => sorted.sort_by_key(|status| Reverse(status.waiting)),
        "took" => sorted.sort_by_key(|status| Reverse(status.duration.as_ref().map(duration))),
        "calls" => sorted.sort_by_key(|status| Reverse(status.calls)),
        "tenant" => sorted.sort_by(|a, b| a.tenant.cmp(&b.tenant)),
        _ => {}
    }
    sorted.into_iter().map(execution).collect()
}

fn execution(status: &v1::ExecutionStatus) -> Row {
    let not_ok: u64 = status
        .outcomes
        .iter()
        .filter(|counted| counted.outcome() != Outcome::Succeeded)
        .map(|counted| u64::from(counted.count))
        .sum();
    let (state, ink) = match (status.ended_at.is_none(), not_ok) {
        (true, _) => ("RUNNING", Ink::Running),
        (false, 0) => ("ENDED", Ink::Good),
        (false, _) => ("ENDED", Ink::Bad),
    };
    let took = status.duration.as_ref().map(duration);
    Row {
        key: status.execution_id.clone(),
        cells: vec![
            (Ink::Plain, text::printable(&status.execution_id)),
            (Ink::Plain, text::printable(&status.tenant)),
            (ink, state.to_owned()),
            // drawn by whoever knows the characters
            (Ink::Running, part(status.ended, status.calls)),
            (Ink::Plain, format!("{}/{}", status.ended, status.calls)),
            (Ink::Plain, status.in_flight.to_string()),
            (Ink::Plain, status.waiting.to_string()),
            (if not_ok > 0 { Ink::Bad } else { Ink::Plain }, not_ok.to_string()),
            (Ink::Plain, took.map_or_else(|| "-".to_owned(), text::duration)),
        ],
    }
}

/// Per cent, as text.
fn part(ended: u32, calls: u32) -> String {
    match calls {
        0 => "0%".to_owned(),
        calls => format!("{}%", (u64::from(ended) * 100 / u64::from(calls)).min(100)),
    }
}

fn workers(workers: &[v1::WorkerStatus], sort: &str) -> Vec<Row> {
    let mut sorted: Vec<_> = workers.iter().collect();
    match sort {
        "busiest" => sorted.sort_by(|a, b| busy(b).total_cmp(&busy(a))),
        "state" => sorted.sort_by_key(|worker| Reverse((worker.state, worker.draining))),
        "silence" => sorted.sort_by_key(|worker| Reverse(worker.silence.as_ref().map(duration))),
        _ => sorted.sort_by(|a, b| a.worker.cmp(&b.worker)),
    }
    sorted.into_iter().map(worker).collect()
}

fn busy(worker: &v1::WorkerStatus) -> f64 {
    f64::from(worker.in_flight) / f64::from(worker.slots.max(1))
}

fn worker(worker: &v1::WorkerStatus) -> Row {
    let (state, ink) = match (worker.state(), worker.draining) {
        (WorkerState::Ready, true) => ("DRAINING", Ink::Warning),
        (WorkerState::Ready, false) => ("READY", Ink::Good),
        (state, _) => (words::worker_state(state), Ink::Bad),
    };
    let heard = worker.silence.as_ref().map(duration);
    Row {
        key: worker.worker.clone(),
        cells: vec![
            (Ink::Plain, text::printable(&worker.worker)),
            (ink, state.to_owned()),
            (Ink::Plain, format!("{}/{}", worker.in_flight, worker.slots)),
            (Ink::Plain, worker.tools.len().to_string()),
            (Ink::Plain, heard.map_or_else(|| "-".to_owned(), text::duration)),
        ],
    }
}

fn tools(cluster: &v1::GetClusterResponse, sort: &str) -> Vec<Row> {
    let mut sorted: Vec<_> = cluster.tools.iter().collect();
    match sort {
        "in flight" => sorted.sort_by_key(|tool| Reverse(tool.in_flight)),
        "name" => sorted.sort_by(|a, b| a.tool_name.cmp(&b.tool_name)),
        _ => sorted.sort_by_key(|tool| Reverse(tool.queued)),
    }
    let row = |tool: &v1::ToolLoad| {
        let queued = match (tool.queued, tool.workers) {
            (0, _) => Ink::Plain,
            (_, 0) => Ink::Bad,
            _ => Ink::Warning,
        };
        let lost = if tool.workers == 0 { Ink::Bad } else { Ink::Plain };
        Row {
            key: tool.tool_name.clone(),
            cells: vec![
                (Ink::Plain, text::printable(&tool.tool_name)),
                (queued, tool.queued.to_string()),
                (Ink::Plain, tool.in_flight.to_string()),
                (lost, tool.workers.to_string()),
                (Ink::Dim, limits_of_tool(cluster, &tool.tool_name)),
            ],
        }
    };
    sorted.into_iter().map(row).collect()
}

/// `3/4, 10/s: 7 wait`.
fn limits_of_tool(cluster: &v1::GetClusterResponse, tool: &str) -> String {
    let of_tools = [
        v1::WaitReason::ToolLimit,
        v1::WaitReason::ToolRate,
        v1::WaitReason::ToolWorkerLimit,
    ];
    let limits: Vec<_> = cluster
        .limits
        .iter()
        .filter(|limit| limit.subject == tool && of_tools.contains(&limit.reason()))
        .collect();
    let shown: Vec<String> = limits
        .iter()
        .map(|limit| match limit.reason() {
            v1::WaitReason::ToolRate => format!("{}/s", limits::amount(&limit.setting, limit.limit)),
            _ => in_use(limit),
        })
        .collect();
    let waiting: u64 = limits.iter().map(|limit| u64::from(limit.waiting)).sum();
    match (shown.is_empty(), waiting) {
        (true, _) => "-".to_owned(),
        (false, 0) => shown.join(", "),
        (false, waiting) => format!("{}: {waiting} wait", shown.join(", ")),
    }
}

/// `3/4`.
fn in_use(limit: &v1::LimitStatus) -> String {
    let amount = |amount| limits::amount(&limit.setting, amount);
    format!("{}/{}", amount(limit.in_use), amount(limit.limit))
}

fn limits_of(cluster: &v1::GetClusterResponse, sort: &str) -> Vec<Row> {
    let mut sorted: Vec<_> = cluster.limits.iter().collect();
    let full = |limit: &v1::LimitStatus| limit.in_use / limit.limit.max(f64::MIN_POSITIVE);
    match sort {
        "fullest" => sorted.sort_by(|a, b| full(b).total_cmp(&full(a))),
        "name" => sorted.sort_by(|a, b| (&a.setting, &a.subject).cmp(&(&b.setting, &b.subject))),
        _ => sorted.sort_by_key(|limit| Reverse(limit.waiting)),
    }
    let row = |limit: &v1::LimitStatus| Row {
        key: format!("{} {}", limit.setting, limit.subject),
        cells: vec![
            (Ink::Plain, text::printable(&limit.setting)),
            (Ink::Plain, limits::of(limit)),
            (Ink::Plain, in_use(limit)),
            (
                if limit.waiting > 0 { Ink::Warning } else { Ink::Dim },
                limits::waiting(limit),
            ),
        ],
    };
    sorted.into_iter().map(row).collect()
}
