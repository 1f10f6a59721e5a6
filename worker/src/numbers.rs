//! What is counted of a worker, and the page on which a scraper reads it. The worker's loop alone adds to it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use toolwave_config::ReloadStatus;
use toolwave_telemetry::metrics::{
    Counter, Gauge, Histogram, Kind, Page, SECONDS, write_process, write_runtime,
};

use crate::{handle::Status, unacknowledged::End};

/// Tools with series of their own; the rest is counted together. A tools file may name any number, and another each
/// time it is read.
const TOOLS_AT_MOST: usize = 500;
/// What the rest is called: no tool can have this name.
const OTHER_TOOLS: &str = "(other)";

/// Everything that is counted.
pub(crate) struct Numbers {
    pub(crate) slots: Gauge,
    pub(crate) running: Gauge,
    pub(crate) outbox: Gauge,
    /// Attempts that were refused before their tool was called.
    pub(crate) refused: Counter,
    other: Arc<ToolNumbers>,
    tools: Mutex<BTreeMap<String, Arc<ToolNumbers>>>,
}

/// Of one tool.
pub(crate) struct ToolNumbers {
    succeeded: Counter,
    failed: Counter,
    duration: Histogram,
}

// === impl Numbers ===

impl Numbers {
    pub(crate) fn new(slots: u32) -> Self {
        let numbers = Self {
            slots: Gauge::default(),
            running: Gauge::default(),
            outbox: Gauge::default(),
            refused: Counter::default(),
            other: Arc::new(ToolNumbers::new()),
            tools: Mutex::default(),
        };
        numbers.slots.set(slots.into());
        numbers
    }

    /// Those of a tool that is offered: the same each time.
    pub(crate) fn of(&self, tool: &str) -> Arc<ToolNumbers> {
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        match tools.get(tool) {
            Some(numbers) => numbers.clone(),
            None if tools.len() >= TOOLS_AT_MOST => self.other.clone(),
            None => {
                let numbers = Arc::new(ToolNumbers::new());
                tools.insert(tool.to_owned(), numbers.clone());
                numbers
            }
        }
    }

    /// What a scraper reads now.
    pub(crate) fn page(&self, status: Status, reloads: &[(&'static str, Arc<ReloadStatus>)]) -> String {
        let mut page = Page::default();
        page.family(
            "toolwave_build_info",
            Kind::Gauge,
            "1; the label says which build runs.",
        )
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1_u32);
        page.single(
            "toolwave_worker_coordinators_connected",
            Kind::Gauge,
            "Coordinators with which the worker has a session.",
            status.coordinators,
        );
        page.single(
            "toolwave_worker_draining",
            Kind::Gauge,
            "1 while the worker takes no attempt: it ends, or an operator wants it so.",
            status.is_draining(),
        );
        page.single(
            "toolwave_worker_concurrency_limit",
            Kind::Gauge,
            "Slots of this worker: attempts that it runs at once.",
            self.slots.value(),
        );
        page.single(
            "toolwave_worker_calls_running",
            Kind::Gauge,
            "Attempts that run, those that are being stopped included.",
            self.running.value(),
        );
        page.single(
            "toolwave_worker_result_outbox",
            Kind::Gauge,
            "Ends of attempts that the coordinator has not acknowledged.",
            self.outbox.value(),
        );
        page.single(
            "toolwave_worker_attempts_refused_total",
            Kind::Counter,
            "Attempts that the worker refused before it called their tool.",
            self.refused.value(),
        );
        self.tools(&mut page);
        write_reloads(&mut page, reloads);
        write_runtime(&mut page);
        write_process(&mut page);
        page.into_text()
    }

    fn tools(&self, page: &mut Page) {
        let tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        let named = tools.iter().map(|(name, numbers)| (name.as_str(), numbers));
        let all: Vec<(&str, &Arc<ToolNumbers>)> = named.chain([(OTHER_TOOLS, &self.other)]).collect();
        let mut family = page.family(
            "toolwave_worker_attempts_ended_total",
            Kind::Counter,
            "Attempts that ended on this worker after their tool was called.",
        );
        for (name, numbers) in &all {
            let (succeeded, failed) = (numbers.succeeded.value(), numbers.failed.value());
            family.sample(&[("tool", name), ("outcome", "succeeded")], succeeded);
            family.sample(&[("tool", name), ("outcome", "failed")], failed);
        }
        let mut family = page.family(
            "toolwave_worker_tool_duration_seconds",
            Kind::Histogram,
            "From the start of an attempt to its end.",
        );
        for (name, numbers) in &all {
            family.histogram(&[("tool", name)], &numbers.duration);
        }
    }
}

/// Of a program without files there is nothing to say.
fn write_reloads(page: &mut Page, reloads: &[(&'static str, Arc<ReloadStatus>)]) {
    if reloads.is_empty() {
        return;
    }
    let mut family = page.family(
        "toolwave_config_last_reload_successful",
        Kind::Gauge,
        "1 unless the file was read again last with errors; then what it said before is in force.",
    );
    for (file, status) in reloads {
        family.sample(&[("file", file)], status.is_successful());
    }
    let mut family = page.family(
        "toolwave_config_last_reload_success_timestamp_seconds",
        Kind::Gauge,
        "When what is in force of the file was read, in seconds since 1970.",
    );
    for (file, status) in reloads {
        family.sample(&[("file", file)], status.succeeded_at());
    }
}

// === impl ToolNumbers ===

impl ToolNumbers {
    fn new() -> Self {
        Self {
            succeeded: Counter::default(),
            failed: Counter::default(),
            duration: Histogram::new(&SECONDS),
        }
    }

    /// An attempt ended.
    pub(crate) fn ended(&self, end: &End, duration: std::time::Duration) {
        match end {
            End::Result(_) => self.succeeded.add(1),
            End::Failure(_) => self.failed.add(1),
        }
        self.duration.observe_duration(duration);
    }
}
