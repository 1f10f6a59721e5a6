//! Why an execution took as long as it did, from its summary's analysis: a few lines for people, all of it for scripts.

use std::time::Duration;

use serde_json::{Value, json};
use toolwave_client::{
    duration,
    v1::{self, Wait},
};

use crate::{document::milliseconds, text, words};

/// Shorter executions took what starting anything takes.
const NOTABLE: Duration = Duration::from_millis(100);
/// A wait or a saving below this part of the duration explains nothing.
const NOTABLE_PART: f64 = 0.05;
/// Calls of the critical path that are named in a line.
const NAMED_CALLS: usize = 6;
/// Of all that is known: a screen, not a book. JSON has them all.
const NAMED_IN_FULL: usize = 40;
/// Waits that a line names.
const NAMED_WAITS: usize = 2;

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// At most four lines, and none where nothing is worth one.
    Notable,
    /// All that is known.
    Full,
}

/// The lines; `name` is what calls are called, by index.
pub(crate) fn lines(
    summary: &v1::ExecutionSummary,
    name: &dyn Fn(u32) -> String,
    detail: Detail,
) -> Vec<String> {
    let Some(analysis) = &summary.analysis else {
        return Vec::new();
    };
    let spans = Spans::of(summary, analysis);
    match detail {
        Detail::Notable if !spans.are_notable() => Vec::new(),
        Detail::Notable => short(analysis, &spans, name),
        Detail::Full => full(analysis, &spans, name),
    }
}

/// The times that decide what is worth a line.
struct Spans {
    took: Duration,
    /// What the calls of the critical path took to execute.
    executing: Duration,
    retrying: Duration,
    lower_bound: Duration,
    saved: Duration,
}

impl Spans {
    fn of(summary: &v1::ExecutionSummary, analysis: &v1::ExecutionAnalysis) -> Self {
        let of = |span: Option<&prost_types::Duration>| span.map(duration).unwrap_or_default();
        Self {
            took: of(summary.duration.as_ref()),
            executing: of(analysis.critical_path_execution.as_ref()),
            retrying: of(analysis.retry_time.as_ref()),
            lower_bound: of(analysis.lower_bound.as_ref()),
            saved: of(analysis.saved_by_one_more_slot.as_ref()),
        }
    }

    fn waited(&self) -> Duration {
        self.took.saturating_sub(self.executing)
    }

    fn is_much(&self, span: Duration) -> bool {
        span > Duration::ZERO && span.as_secs_f64() >= self.took.as_secs_f64() * NOTABLE_PART
    }

    fn are_notable(&self) -> bool {
        self.took > NOTABLE
            && [self.waited(), self.retrying, self.saved]
                .iter()
                .any(|span| self.is_much(*span))
    }
}

fn short(analysis: &v1::ExecutionAnalysis, spans: &Spans, name: &dyn Fn(u32) -> String) -> Vec<String> {
    let mut lines = vec![critical_path(analysis, spans, name, NAMED_CALLS)];
    let named: Vec<String> = analysis.waits.iter().take(NAMED_WAITS).map(wait).collect();
    if !named.is_empty() {
        lines.push(format!("calls waited {}", named.join("; ")));
    }
    if analysis.retries > 0 {
        lines.push(retries(analysis, spans));
    }
    lines.push(bound(spans));
    lines
}

fn full(analysis: &v1::ExecutionAnalysis, spans: &Spans, name: &dyn Fn(u32) -> String) -> Vec<String> {
    let mut lines = vec![critical_path(analysis, spans, name, NAMED_IN_FULL)];
    lines.extend(
        analysis
            .waits
            .iter()
            .map(|waited| format!("calls waited {}", wait(waited))),
    );
    lines.push(retries(analysis, spans));
    lines.push(format!(
        "at most {} in flight at once",
        text::counted(analysis.peak_in_flight as usize, "call")
    ));
    lines.push(bound(spans));
    lines
}

fn critical_path(
    analysis: &v1::ExecutionAnalysis,
    spans: &Spans,
    name: &dyn Fn(u32) -> String,
    most: usize,
) -> String {
    let path = &analysis.critical_path;
    let executing = text::duration(spans.executing);
    let waited = text::duration(spans.waited());
    if path.is_empty() {
        return format!("the calls that the end waited for ran for {executing}, and waited {waited}");
    }
    // The ends of a long path say most.
    let named: Vec<String> = match path.len() > most {
        true => {
            let last = path.len() - most / 2..;
            let (first, last) = (path.iter().take(most - most / 2), path.get(last));
            let left_out = path.len() - most;
            let between = std::iter::once(format!("({left_out} more)"));
            let last = last.into_iter().flatten();
            let named = |index: &u32| name(*index);
            first.map(named).chain(between).chain(last.map(named)).collect()
        }
        false => path.iter().map(|index| name(*index)).collect(),
    };
    format!(
        "critical path {}: ran for {executing}, waited {waited}",
        named.join(" > ")
    )
}

fn wait(wait: &Wait) -> String {
    let time = wait.time.as_ref().map(duration).unwrap_or_default();
    format!(
        "{} for {} ({})",
        text::duration(time),
        words::waited_for(wait.reason(), &wait.subject),
        text::counted(wait.calls as usize, "call"),
    )
}

fn retries(analysis: &v1::ExecutionAnalysis, spans: &Spans) -> String {
    match analysis.retries {
        0 => "no retries".to_owned(),
        1 => format!("1 retry cost {}", text::duration(spans.retrying)),
        retries => format!("{retries} retries cost {}", text::duration(spans.retrying)),
    }
}

fn bound(spans: &Spans) -> String {
    let at_best = format!(
        "any number of slots: {} at best",
        text::duration(spans.lower_bound)
    );
    match spans.is_much(spans.saved) {
        true => format!(
            "{at_best}; one more call in flight at once: about {} less",
            text::duration(spans.saved)
        ),
        false => format!("{at_best}; one more call in flight at once: about as long"),
    }
}

/// All of it, for scripts.
pub(crate) fn value(analysis: &v1::ExecutionAnalysis, name: &dyn Fn(u32) -> String) -> Value {
    json!({
        "critical_path": analysis.critical_path.iter().map(|index| name(*index)).collect::<Vec<_>>(),
        "critical_path_execution_ms": milliseconds(analysis.critical_path_execution.as_ref()),
        "waits": analysis.waits.iter().map(|wait| json!({
            "reason": words::wait_reason(wait.reason()),
            "subject": wait.subject,
            "time_ms": milliseconds(wait.time.as_ref()),
            "calls": wait.calls,
        })).collect::<Vec<_>>(),
        "retries": analysis.retries,
        "retry_time_ms": milliseconds(analysis.retry_time.as_ref()),
        "lower_bound_ms": milliseconds(analysis.lower_bound.as_ref()),
        "peak_in_flight": analysis.peak_in_flight,
        "saved_by_one_more_slot_ms": milliseconds(analysis.saved_by_one_more_slot.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use toolwave_client::proto_duration;

    use super::*;

    fn ms(millis: u64) -> Option<prost_types::Duration> {
        Some(proto_duration(Duration::from_millis(millis)))
    }

    fn summary(took: u64, executing: u64, path: u32) -> v1::ExecutionSummary {
        let mut waited = Wait {
            subject: "search".to_owned(),
            time: ms(900),
            calls: 3,
            ..Wait::default()
        };
        waited.set_reason(v1::WaitReason::ToolRate);
        v1::ExecutionSummary {
            duration: ms(took),
            analysis: Some(v1::ExecutionAnalysis {
                critical_path: (0..path).collect(),
                critical_path_execution: ms(executing),
                waits: vec![waited; 5],
                retries: 1,
                retry_time: ms(10),
                lower_bound: ms(executing),
                peak_in_flight: 2,
                saved_by_one_more_slot: ms(took / 4),
            }),
            ..v1::ExecutionSummary::default()
        }
    }

    fn said(summary: &v1::ExecutionSummary, detail: Detail) -> Vec<String> {
        lines(summary, &|index| format!("c{index}"), detail)
    }

    #[test]
    fn what_held_an_execution_is_said_in_four_lines_at_most() {
        assert_eq!(
            said(&summary(1000, 600, 20), Detail::Notable),
            [
                "critical path c0 > c1 > c2 > (14 more) > c17 > c18 > c19: ran for 600 ms, waited 400 ms",
                "calls waited 900 ms for the rate of search (3 calls); 900 ms for the rate of search (3 calls)",
                "1 retry cost 10 ms",
                "any number of slots: 600 ms at best; one more call in flight at once: about 250 ms less",
            ]
        );
    }

    #[test]
    fn what_was_quick_or_waited_for_nothing_needs_no_words_unless_asked_for() {
        assert!(said(&summary(90, 10, 2), Detail::Notable).is_empty());
        let mut busy = summary(1000, 990, 2);
        if let Some(analysis) = &mut busy.analysis {
            analysis.saved_by_one_more_slot = ms(0);
        }
        assert!(said(&busy, Detail::Notable).is_empty());
        assert_eq!(said(&busy, Detail::Full).len(), 9);
        assert!(said(&v1::ExecutionSummary::default(), Detail::Full).is_empty());
    }

    #[test]
    fn an_analysis_without_its_fields_is_no_reason_to_fail() {
        let mut empty = summary(500, 0, 0);
        empty.analysis = Some(v1::ExecutionAnalysis::default());
        assert_eq!(
            said(&empty, Detail::Notable),
            [
                "the calls that the end waited for ran for 0 us, and waited 500 ms",
                "any number of slots: 0 us at best; one more call in flight at once: about as long",
            ]
        );
    }
}
