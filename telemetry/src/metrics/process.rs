//! `process_*`: what the operating system says of this process, under the names that every client library uses.
//! Where there is no /proc there are none of them.

use std::fs;

use super::{Kind, Page};

/// Of `/proc/self/stat`, counted behind the name in brackets.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const THREADS: usize = 17;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// Reads /proc: a few files, for a scrape.
pub fn write_process(page: &mut Page) {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else {
        return;
    };
    let fields: Vec<f64> = stat
        .rsplit_once(") ")
        .map_or("", |(_, rest)| rest)
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or(0.0);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let page_size = rustix::param::page_size() as f64;
    page.single(
        "process_cpu_seconds_total",
        Kind::Counter,
        "User and system time of the process in seconds.",
        (field(USER_TICKS) + field(SYSTEM_TICKS)) / ticks,
    );
    page.single(
        "process_resident_memory_bytes",
        Kind::Gauge,
        "Resident memory in bytes.",
        field(RESIDENT_PAGES) * page_size,
    );
    page.single(
        "process_virtual_memory_bytes",
        Kind::Gauge,
        "Virtual memory in bytes.",
        field(VIRTUAL_BYTES),
    );
    page.single(
        "process_threads",
        Kind::Gauge,
        "Threads of the process.",
        field(THREADS),
    );
    page.single(
        "process_start_time_seconds",
        Kind::Gauge,
        "When the process started, in seconds since 1970.",
        booted_at() + field(START_TICKS) / ticks,
    );
    let open = fs::read_dir("/proc/self/fd").map_or(0, |open| open.count().saturating_sub(1));
    page.single("process_open_fds", Kind::Gauge, "Open file descriptors.", open);
    page.single(
        "process_max_fds",
        Kind::Gauge,
        "File descriptors that may be open.",
        max_fds(),
    );
}

/// In seconds since 1970.
fn booted_at() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|seconds| seconds.trim().parse().ok())
        .unwrap_or(0.0)
}

/// Infinite where there is no limit.
fn max_fds() -> f64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|rest| rest.split_ascii_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(f64::INFINITY)
}
