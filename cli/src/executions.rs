//! `toolwave executions`: those that run and those that ended of late, as a list, once or again and again, or one of
//! them with its calls.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use clap::Args;
use comfy_table::{Cell, CellAlignment, Color};
use serde_json::json;
use toolwave_client::{
    Client, duration,
    v1::{self, Outcome},
};

use crate::{
    analysis::Detail,
    args::{OutputArgs, OutputFormat, RemoteArgs},
    asking::{self, ask},
    cluster,
    failure::{Failure, Verdict},
    interrupt::Interrupts,
    moment,
    output::{self, Look},
    plan::parse_duration,
    report, text,
    trace::{
        self, json,
        timeline::{Row, Timeline},
    },
    words,
};

/// Calls of one execution that a table shows unless asked for others.
const SHOWN_CALLS: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct ExecutionsArgs {
    /// Shows this one with its calls: an id, or any beginning of it that is no other's
    #[arg(value_name = "ID")]
    pub(crate) execution: Option<String>,
    /// Only those that run
    #[arg(long, conflicts_with = "execution")]
    pub(crate) running: bool,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
    /// Only those of this tenant
    #[arg(long, value_name = "TENANT", conflicts_with = "execution")]
    pub(crate) tenant: Option<String>,
    /// With ID: at most so many calls, those of the critical path, then the slowest; 0: all
    #[arg(long, value_name = "N", requires = "execution", default_value_t = SHOWN_CALLS)]
    pub(crate) calls: usize,
    /// Lists again and again until interrupted; as JSON, one document in each line
    #[arg(long, conflicts_with = "execution")]
    pub(crate) watch: bool,
    /// With --watch: how long between two lists
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration, requires = "watch")]
    pub(crate) interval: Duration,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl ExecutionsArgs {
    fn request(&self) -> v1::ListExecutionsRequest {
        v1::ListExecutionsRequest {
            limit: self.limit,
            before: String::new(),
            running: self.running,
            tenant: self.tenant.clone().unwrap_or_default(),
        }
    }
}

pub(crate) async fn executions(args: ExecutionsArgs) -> Result<Verdict, Failure> {
    if let Some(id) = &args.execution {
        return one(&args, id).await;
    }
    if args.watch {
        return watch(&args).await;
    }
    let listed = ask(&args.remote, async |client| list(&client, args.request()).await).await?;
    match args.output.format {
        OutputFormat::Json => output::write_json(&listed_json(&listed))?,
        OutputFormat::Text => output::write(&listed_text(&listed, Look::of_stdout()))?,
    }
    Ok(Verdict::Success)
}

async fn list(
    client: &Client,
    request: v1::ListExecutionsRequest,
) -> Result<v1::ListExecutionsResponse, Failure> {
    match client.list_executions(request).await {
        Ok(listed) => Ok(listed),
        Err(error) => Err(asking::explained(client, "ListExecutions", error).await),
    }
}

/// A coordinator that was there and is gone may come back: it is said, and asked again.
async fn watch(args: &ExecutionsArgs) -> Result<Verdict, Failure> {
    let mut interrupts = Interrupts::listen().map_err(|error| Failure::Other(error.to_string()))?;
    let url = &args.remote.coordinator;
    let connect = async { cluster::connect(url, &args.remote.link).await };
    let client = cluster::within(url, connect).await?;
    let mut seen = false;
    loop {
        let listed = tokio::select! {
            listed = cluster::within(url, list(&client, args.request())) => listed,
            () = interrupts.next() => return Ok(Verdict::Success),
        };
        match listed {
            Ok(listed) => {
                seen = true;
                show_again(args.output.format, &listed)?;
            }
            Err(failure @ Failure::NoCoordinator(_)) if seen => output::note(&failure.to_string()),
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            () = tokio::time::sleep(args.interval) => {}
            () = interrupts.next() => return Ok(Verdict::Success),
        }
    }
}

fn show_again(format: OutputFormat, listed: &v1::ListExecutionsResponse) -> Result<(), Failure> {
    let look = Look::of_stdout();
    match (format, output::is_terminal()) {
        (OutputFormat::Json, _) => output::write(&format!("{}\n", listed_json(listed))),
        (OutputFormat::Text, false) => output::write(&format!("{}\n", listed_text(listed, look))),
        (OutputFormat::Text, true) => {
            let rows = crossterm::terminal::size().map_or(24, |(_, rows)| usize::from(rows));
            let text = listed_text(listed, look);
            let fitting: Vec<&str> = text.lines().take(rows.saturating_sub(1)).collect();
            // home, what is there, and nothing of what was there before
            output::write(&format!(
                "\u{1b}[H{}\u{1b}[K\n\u{1b}[J",
                fitting.join("\u{1b}[K\n")
            ))
        }
    }
}

fn listed_json(listed: &v1::ListExecutionsResponse) -> serde_json::Value {
    json!({
        "executions": listed.executions.iter().map(json::status).collect::<Vec<_>>(),
        "forgotten": listed.forgotten,
    })
}

fn listed_text(listed: &v1::ListExecutionsResponse, look: Look) -> String {
    if listed.executions.is_empty() {
        return "no executions\n".to_owned();
    }
    let mut table = look.table(&[
        "execution",
        "tenant",
        "state",
        "calls",
        "waiting",
        "in flight",
        "attempts",
        "accepted (utc)",
        "took",
        "outcomes",
    ]);
    for status in &listed.executions {
        let (state, ink) = match (status.ended_at.is_none(), all_succeeded(status)) {
            (true, _) => ("RUNNING", Color::Blue),
            (false, true) => ("ENDED", Color::Green),
            (false, false) => ("ENDED", Color::Red),
        };
        table.add_row(vec![
            Cell::new(text::printable(&status.execution_id)),
            Cell::new(text::printable(&status.tenant)),
            look.cell(state, ink),
            right(format!("{}/{}", status.ended, status.calls)),
            right(status.waiting),
            right(status.in_flight),
            right(status.attempts),
            Cell::new(moment::shown(status.accepted_at.as_ref())),
            right(took(status)),
            Cell::new(outcomes(status)),
        ]);
    }
    let mut shown = format!("{}\n", table.trim_fmt());
    if listed.forgotten > 0 {
        let _ = writeln!(shown, "{} that ended are not kept any more", listed.forgotten);
    }
    shown
}

fn right(what: impl ToString) -> Cell {
    Cell::new(what).set_alignment(CellAlignment::Right)
}

fn all_succeeded(status: &v1::ExecutionStatus) -> bool {
    let outcomes = status.outcomes.iter();
    outcomes
        .into_iter()
        .all(|counted| counted.outcome() == Outcome::Succeeded)
}

fn took(status: &v1::ExecutionStatus) -> String {
    let took = status.duration.as_ref().map(duration);
    took.map_or_else(|| "-".to_owned(), text::duration)
}

/// `3 SUCCEEDED, 1 FAILED`.
pub(crate) fn outcomes(status: &v1::ExecutionStatus) -> String {
    let counted: Vec<String> = status
        .outcomes
        .iter()
        .map(|counted| format!("{} {}", counted.count, words::outcome(counted.outcome())))
        .collect();
    match counted.is_empty() {
        true => "-".to_owned(),
        false => counted.join(", "),
    }
}

async fn one(args: &ExecutionsArgs, id: &str) -> Result<Verdict, Failure> {
    let execution = ask(&args.remote, async |client| asking::execution(&client, id).await).await?;
    match args.output.format {
        OutputFormat::Json => output::write_json(&json::execution(&execution))?,
        OutputFormat::Text => {
            let most = Some(args.calls).filter(|most| *most > 0);
            output::write(&details(&execution, most, Look::of_stdout()))?;
        }
    }
    Ok(Verdict::Success)
}

/// What is said of an execution as a whole, in two lines or three.
pub(crate) fn heading(execution: &v1::GetExecutionResponse) -> String {
    let no_status = v1::ExecutionStatus::default();
    let status = execution.status.as_ref().unwrap_or(&no_status);
    let mut shown = format!("execution {}", text::printable(&status.execution_id));
    if !status.tenant.is_empty() {
        let _ = write!(shown, " of {}", text::printable(&status.tenant));
    }
    let calls = text::counted(status.calls as usize, "call");
    let waves = text::counted(status.waves as usize, "wave");
    let attempts = text::counted(status.attempts as usize, "attempt");
    let (accepted, took) = (moment::shown(status.accepted_at.as_ref()), took(status));
    let _ = match status.ended_at {
        None => write!(
            shown,
            "\nruns for {took}, accepted {accepted} UTC: {} of {calls} in {waves} ended, {} in flight, {} waiting; \
             {attempts}",
            status.ended, status.in_flight, status.waiting,
        ),
        Some(_) => write!(
            shown,
            "\ntook {took}, accepted {accepted} UTC: {calls} in {waves}, {attempts}"
        ),
    };
    if !status.outcomes.is_empty() {
        let _ = write!(shown, ": {}", outcomes(status));
    }
    if !status.trace_id.is_empty() {
        let _ = write!(shown, "\ntrace {}", text::printable(&status.trace_id));
    }
    shown.push('\n');
    shown
}

fn details(execution: &v1::GetExecutionResponse, most: Option<usize>, look: Look) -> String {
    let mut shown = heading(execution);
    if let Some(waits) = waits_now(execution) {
        let _ = writeln!(shown, "waiting now: {waits}");
    }
    let timeline = Timeline::of(execution, most);
    shown.push('\n');
    if timeline.rows.is_empty() {
        let _ = writeln!(shown, "{}", trace::nothing_to_draw(execution));
    } else {
        let mut table = look.table(&[
            "call", "tool", "wave", "state", "attempts", "took", "worker", "error",
        ]);
        for row in &timeline.rows {
            table.add_row(cells(row, look));
        }
        let _ = writeln!(shown, "{}", table.trim_fmt());
    }
    if timeline.left_out > 0 {
        let left_out = text::counted(timeline.left_out, "call");
        let _ = writeln!(
            shown,
            "{left_out} not shown: those above are of the critical path, then the slowest; --calls 0 shows all"
        );
    }
    let why = trace::why(execution, Detail::Full);
    if !why.is_empty() {
        let _ = writeln!(shown, "\n{}", why.join("\n"));
    }
    shown
}

fn cells(row: &Row, look: Look) -> Vec<Cell> {
    let dash = |text: &str| match text {
        "" => "-".to_owned(),
        text => text.to_owned(),
    };
    let state = match row.outcome {
        Some(outcome) => look.cell(&row.word, report::colour(outcome)),
        None => Cell::new(&row.word),
    };
    vec![
        Cell::new(&row.id),
        Cell::new(&row.tool),
        right(row.wave),
        state,
        right(row.attempts),
        right(row.took.map_or_else(|| "-".to_owned(), text::duration)),
        Cell::new(dash(&row.worker)),
        Cell::new(dash(row.error.as_deref().unwrap_or_default())),
    ]
}

/// `12 for a free slot, 3 for their turn`.
fn waits_now(execution: &v1::GetExecutionResponse) -> Option<String> {
    let mut waiting: BTreeMap<i32, u32> = BTreeMap::new();
    for call in &execution.calls {
        if call.state() == v1::CallState::Ready && call.waits_for != 0 {
            *waiting.entry(call.waits_for).or_default() += 1;
        }
    }
    let waits: Vec<String> = waiting
        .into_iter()
        .map(|(reason, calls)| {
            let reason = v1::WaitReason::try_from(reason).unwrap_or(v1::WaitReason::Unspecified);
            format!("{calls} for {}", words::waited_for(reason, ""))
        })
        .collect();
    (!waits.is_empty()).then(|| waits.join(", "))
}
