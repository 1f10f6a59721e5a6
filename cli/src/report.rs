//! The report of an execution for people: a table of the calls, the errors in full, and the sum of it.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Color};
use toolwave_client::{
    duration,
    v1::{self, Outcome, call_result::ResultForm},
};

use crate::{
    analysis::{self, Detail},
    output::Look,
    run::Ended,
    text, words,
};

/// Characters of a result that the table shows.
const SHOWN_RESULT: usize = 60;

pub(crate) fn execution(ended: &Ended, look: Look, full: bool, detail: Detail) -> String {
    let mut report = String::new();
    let mut table = look.table(&[
        "call",
        "tool",
        "wave",
        "outcome",
        "attempts",
        "queue",
        "execution",
        "worker",
        "result",
    ]);
    for result in &ended.results {
        table.add_row(row(result, look));
    }
    let _ = writeln!(report, "{}", table.trim_fmt());
    for result in &ended.results {
        if let Some(error) = &result.error {
            let _ = write!(report, "\n{}", failure(result, error));
        }
    }
    if full {
        for result in ended.results.iter().filter(|result| result.success) {
            let _ = write!(
                report,
                "\n{}:\n{}\n",
                text::printable(&result.id),
                whole_result(result)
            );
        }
    }
    let _ = write!(report, "\n{}\n", summary(&ended.summary));
    for line in analysis::lines(&ended.summary, &|index| ended.name(index), detail) {
        let _ = writeln!(report, "  {line}");
    }
    report
}

fn row(result: &v1::CallResult, look: Look) -> Vec<Cell> {
    let spent = |spent: Option<&prost_types::Duration>| {
        let spent = spent.filter(|_| !result.attempts.is_empty());
        let shown = spent.map_or_else(|| "-".to_owned(), |spent| text::duration(duration(spent)));
        Cell::new(shown).set_alignment(CellAlignment::Right)
    };
    let worker = result
        .attempts
        .last()
        .map_or("-", |attempt| attempt.worker.as_str());
    vec![
        Cell::new(text::printable(&result.id)),
        Cell::new(text::printable(&result.tool_name)),
        Cell::new(result.wave).set_alignment(CellAlignment::Right),
        look.cell(words::outcome(result.outcome()), colour(result.outcome())),
        Cell::new(result.attempts.len()).set_alignment(CellAlignment::Right),
        spent(result.queue_time.as_ref()),
        spent(result.execution_time.as_ref()),
        Cell::new(text::printable(worker)),
        Cell::new(short_result(result)),
    ]
}

pub(crate) fn colour(outcome: Outcome) -> Color {
    match outcome {
        Outcome::Succeeded => Color::Green,
        Outcome::Skipped | Outcome::Cancelled => Color::Yellow,
        Outcome::Unspecified
        | Outcome::Failed
        | Outcome::Rejected
        | Outcome::TimedOut
        | Outcome::DeadlineExceeded
        | Outcome::Unavailable
        | Outcome::Unknown => Color::Red,
    }
}

fn short_result(result: &v1::CallResult) -> String {
    match (&result.error, result_text(result)) {
        (Some(error), _) => text::clipped(&text::printable(&error.code), SHOWN_RESULT),
        (None, Some(shown)) => text::clipped(&text::printable(&shown), SHOWN_RESULT),
        (None, None) => "-".to_owned(),
    }
}

/// The result as compact JSON, or that it was left out.
fn result_text(result: &v1::CallResult) -> Option<String> {
    if result.omitted_result_bytes > 0 {
        return Some(format!(
            "({} bytes, left out for their size)",
            result.omitted_result_bytes
        ));
    }
    match result.result_form.as_ref()? {
        ResultForm::ResultJson(json) => Some(String::from_utf8_lossy(json).into_owned()),
        ResultForm::Result(value) => Some(toolwave_client::from_proto_value(value).to_string()),
    }
}

/// A string result as the text that it is, everything else as indented JSON.
fn whole_result(result: &v1::CallResult) -> String {
    let shown = result_text(result).unwrap_or_default();
    let whole = match serde_json::from_str(&shown) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or(shown),
        Err(_) => shown,
    };
    text::printable_lines(&whole)
}

/// One call that did not succeed, with all that is known of it.
fn failure(result: &v1::CallResult, error: &v1::CallError) -> String {
    let outcome = words::outcome(result.outcome());
    let code = words::code_beside(outcome, error).map(|code| format!("{}: ", text::printable(code)));
    let mut shown = format!(
        "{} ({}) {outcome}: {}{}\n",
        text::printable(&result.id),
        text::printable(&result.tool_name),
        code.unwrap_or_default(),
        text::printable_lines(&words::message(error)),
    );
    for violation in &error.violations {
        let path = if violation.path.is_empty() {
            "parameters"
        } else {
            &violation.path
        };
        let (path, what) = (text::printable(path), text::printable(&violation.description));
        let _ = writeln!(shown, "  at {path}: {what}");
    }
    if !error.root_call_id.is_empty() {
        let _ = writeln!(shown, "  because of: {}", text::printable(&error.root_call_id));
    }
    if !error.details_json.is_empty() {
        let details = String::from_utf8_lossy(&error.details_json);
        let _ = writeln!(shown, "  details: {}", text::printable(&details));
    }
    if error.may_have_run {
        let _ = writeln!(shown, "  it was started: its effect may have happened");
    }
    if let (true, Some(wait)) = (error.retryable, &error.retry_after) {
        let _ = writeln!(
            shown,
            "  the tool says that it may succeed in {}",
            text::duration(duration(wait))
        );
    }
    // The last attempt's failure is the call's own; the earlier ones are told only here.
    for attempt in result.attempts.iter().rev().skip(1).rev() {
        let Some(failure) = &attempt.failure else { continue };
        let (code, message) = (text::printable(&failure.code), text::printable(&failure.message));
        let worker = text::printable(&attempt.worker);
        let _ = writeln!(
            shown,
            "  attempt {} on {worker}: {code}: {message}",
            attempt.number
        );
    }
    shown
}

fn summary(summary: &v1::ExecutionSummary) -> String {
    let counts: Vec<String> = summary
        .outcomes
        .iter()
        .map(|counted| format!("{} {}", counted.count, words::outcome(counted.outcome())))
        .collect();
    let mut line = format!(
        "{} in {}: {}; {}",
        text::counted(summary.calls as usize, "call"),
        text::counted(summary.waves as usize, "wave"),
        counts.join(", "),
        text::counted(summary.attempts as usize, "attempt"),
    );
    if let Some(took) = summary.duration.as_ref().map(duration) {
        let _ = write!(line, "\ntook {}", text::duration(took));
        match speedup(summary) {
            // Calls of microseconds, or in a chain, gain nothing by running together.
            Some((sequential, speedup)) if speedup < 1.05 => {
                let _ = write!(line, "; the calls themselves took {}", text::duration(sequential));
            }
            Some((sequential, speedup)) => {
                let sequential = text::duration(sequential);
                let _ = write!(
                    line,
                    "; one after another the calls take {sequential}: {speedup:.1} times as fast"
                );
            }
            None => {}
        }
    }
    let _ = write!(line, "\nexecution {}", text::printable(&summary.execution_id));
    line
}

/// How long the calls take one after another, and how many times faster this was. None where nothing was measured.
pub(crate) fn speedup(summary: &v1::ExecutionSummary) -> Option<(std::time::Duration, f64)> {
    let sequential = duration(summary.sequential_duration.as_ref()?);
    let took = duration(summary.duration.as_ref()?);
    let speedup = sequential.as_secs_f64() / took.as_secs_f64();
    (speedup.is_finite() && !sequential.is_zero()).then_some((sequential, speedup))
}
