//! `toolwave_runtime_*`: how busy the threads are that serve.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{Kind, Page};

/// Of the runtime in which it is called; nothing outside of one.
pub fn write_runtime(page: &mut Page) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let runtime = runtime.metrics();
    let threads = runtime.num_workers();
    let busy: Duration = (0..threads)
        .map(|thread| runtime.worker_total_busy_duration(thread))
        .sum();
    page.single(
        "toolwave_runtime_threads",
        Kind::Gauge,
        "Threads that serve.",
        threads,
    );
    page.single(
        "toolwave_runtime_busy_seconds_total",
        Kind::Counter,
        "Time for which those threads were busy, all together, in seconds.",
        busy.as_secs_f64(),
    );
    page.single(
        "toolwave_runtime_tasks",
        Kind::Gauge,
        "Tasks that have not ended.",
        runtime.num_alive_tasks(),
    );
    page.single(
        "toolwave_runtime_queued_tasks",
        Kind::Gauge,
        "Tasks that wait for a thread, in the queue that all threads share.",
        runtime.global_queue_depth(),
    );
}
