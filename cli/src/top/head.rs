//! What `top` says around its lists: the cluster in two lines, titles, keys. Text alone, for the screen and for the
//! snapshot.

use std::time::Duration;

use super::state::{Pane, Top};
use crate::{
    glyphs::Glyphs,
    limits, moment, text,
    trace::text::{Ink, Line, clip, fit},
};

/// What every key does.
pub(crate) const HELP: &[&str] = &[
    "Tab, Left, Right, 1-4   another list",
    "Up, Down, PgUp, PgDn    choose (also k, j, g, G)",
    "Enter                   open an execution: its timeline",
    "Esc                     back to the lists",
    "s, r                    sort by the next column; reverse",
    "a                       executions that ended, too",
    "c                       cancel the execution (asks first)",
    "d                       drain or resume the worker (asks first)",
    "p, Space                pause and go on",
    "?, q                    this help; quit",
];

/// The two lines above everything.
pub(crate) fn lines(top: &Top, now: Duration, width: usize, glyphs: &Glyphs) -> [Line; 2] {
    let state = state(top, now);
    let left = format!("toolwave top  {}{}", top.url, age(top));
    let ink = match (&top.lost, top.cluster.draining || top.paused) {
        (Some(_), _) => Ink::Bad,
        (None, true) => Ink::Warning,
        (None, false) => Ink::Good,
    };
    // what is wrong matters more than where
    let state = clip(&state, width.saturating_sub(1));
    let room = width.saturating_sub(state.chars().count() + 1);
    [
        vec![
            (Ink::Heading, fit(&left, room)),
            (Ink::Plain, " ".to_owned()),
            (ink, state),
        ],
        vec![(Ink::Plain, clip(&load(top, glyphs), width))],
    ]
}

fn age(top: &Top) -> String {
    let build = match top.cluster.build.as_str() {
        "" => String::new(),
        build => format!("  {}", text::printable(build)),
    };
    let started = top.cluster.started_at.as_ref();
    match started {
        Some(started) => format!("{build}  since {}", moment::shown(Some(started))),
        None => build,
    }
}

/// Live, or why not.
pub(crate) fn state(top: &Top, now: Duration) -> String {
    match &top.lost {
        Some(why) => {
            let ago = moment::long(now.saturating_sub(top.seen_at));
            format!("STALE for {ago}: {}", text::printable(why))
        }
        None if top.paused => "PAUSED".to_owned(),
        None if top.cluster.draining => "DRAINING".to_owned(),
        None => "LIVE".to_owned(),
    }
}

fn load(top: &Top, glyphs: &Glyphs) -> String {
    let cluster = &top.cluster;
    let percent = match cluster.slots {
        0 => 0,
        slots => (u64::from(cluster.in_flight) * 100 / u64::from(slots)).min(100),
    };
    let gauge = super::view::progress(&format!("{percent}%"), 15, glyphs);
    let rate = match top.rate.per_second() {
        Some(rate) if rate < 10.0 => format!("{rate:.1} calls/s"),
        Some(rate) => format!("{rate:.0} calls/s"),
        None => format!("{} calls ended", cluster.calls_ended),
    };
    let payload = limits::amount("bytes", cluster.payload_bytes as f64);
    format!(
        "{} running | {} queued | {}/{} slots {gauge} | {rate} | {} | {payload} held",
        cluster.executions,
        cluster.queued_calls,
        cluster.in_flight,
        cluster.slots,
        text::counted(cluster.workers as usize, "worker"),
    )
}

/// For a terminal that has room for nothing else.
pub(crate) fn shortest(top: &Top) -> String {
    let cluster = &top.cluster;
    format!(
        "{} run {} queued {}/{}",
        cluster.executions, cluster.queued_calls, cluster.in_flight, cluster.slots
    )
}

/// A list's title, with how it is sorted.
pub(crate) fn title(top: &Top, pane: Pane, rows: usize) -> String {
    let number = pane as usize + 1;
    let order = if top.is_reversed(pane) { ", reversed" } else { "" };
    let what = match pane {
        Pane::Executions if top.ended_too => " of all".to_owned(),
        Pane::Executions if top.cluster.executions > 0 => " that run".to_owned(),
        Pane::Executions if rows > 0 => " that ended".to_owned(),
        Pane::Executions | Pane::Workers | Pane::Tools | Pane::Limits => String::new(),
    };
    format!(
        "{number} {}{what} ({rows}, by {}{order})",
        pane.title(),
        top.sort(pane)
    )
}

/// What is said in place of rows.
pub(crate) fn nothing(top: &Top, pane: Pane) -> &'static str {
    match pane {
        Pane::Executions if top.executions.forgotten > 0 => {
            " none runs; those that ended are not kept any more"
        }
        Pane::Executions => " none yet: `toolwave run PLAN --coordinator URL` starts one",
        Pane::Workers => " none: calls wait until one connects",
        Pane::Tools => " none: no worker has offered any",
        Pane::Limits => " none is set",
    }
}

/// The line below everything.
pub(crate) fn keys(top: &Top) -> &'static str {
    match (&top.opened, top.pane) {
        (Some(_), _) => "Esc back  Up/Down scroll  c cancel  p pause  ? help  q quit",
        (None, Pane::Executions) => {
            "Enter open  c cancel  a ended too  s sort  Tab next list  p pause  ? help  q quit"
        }
        (None, Pane::Workers) => "d drain/resume  s sort  r reverse  Tab next list  p pause  ? help  q quit",
        (None, Pane::Tools | Pane::Limits) => "s sort  r reverse  Tab next list  p pause  ? help  q quit",
    }
}
