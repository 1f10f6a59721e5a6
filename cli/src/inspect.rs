//! `toolwave plan`: the waves of a plan and why each call waits, or everything that is wrong with it. Runs nothing.

use std::{
    collections::HashMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use toolwave_client::v1;
use toolwave_worker::tools::Builtin;

use crate::{
    again::AgainArgs,
    args::{GraphFormat, OutputFormat, PlanArgs},
    check,
    cluster::{self, Cluster},
    document,
    failure::{Failure, Verdict},
    graph::{self, Arrow},
    mounted, output, permission,
    plan::{Diagnostics, Plan, Position},
    text, words,
};

pub(crate) async fn plan(args: PlanArgs) -> Result<Verdict, Failure> {
    let mut wrong = Diagnostics::default();
    let plan = Plan::read(&args.file, &mut wrong).map_err(Failure::from_read)?;
    let cluster = match &args.coordinator {
        Some(url) => check::or_plan(
            Cluster::remote(url, &args.link, AgainArgs::default()).await,
            &plan,
            &mut wrong,
        )?,
        None => embedded(&plan, args.tools.as_deref(), &mut wrong).await?,
    };
    let planned = check::with_coordinator(&plan, &cluster.client, wrong).await;
    cluster.close().await;
    let planned = planned?;
    let names = names(&plan.request.calls);
    match (args.graph, args.output.format) {
        (Some(GraphFormat::Mermaid), _) => {
            output::write(&graph::mermaid(&plan.request.calls, &names, &planned))?;
        }
        (Some(GraphFormat::Dot), _) => output::write(&graph::dot(&plan.request.calls, &names, &planned))?,
        (None, OutputFormat::Json) => output::write_json(&as_json(&names, &planned))?,
        (None, OutputFormat::Text) => output::write(&as_text(&plan, &names, &planned))?,
    }
    match planned.rejected.is_empty() {
        true => Ok(Verdict::Success),
        false => Ok(Verdict::SomeCallsFailed),
    }
}

/// With the tools that the plan asks for, so that their effects and schemas count. Nothing runs, and nothing that the
/// plan names is touched: the tools get an empty place of their own.
async fn embedded(plan: &Plan, tools: Option<&Path>, wrong: &mut Diagnostics) -> Result<Cluster, Failure> {
    let needs: Vec<String> = plan.needs.iter().map(|need| need.grant.clone()).collect();
    permission::check(plan, &needs, wrong);
    let mut allowed = match cluster::allowed(&needs) {
        Ok(allowed) => allowed,
        // Two directories, say. Each need alone is fine, so it is said of the first.
        Err(failure) if wrong.is_empty() => {
            let at = plan.needs.first().map_or(Position::START, |need| need.at);
            return Err(Failure::Plan(vec![format!("{}:{at}: {failure}", plan.file)]));
        }
        Err(_) => Builtin::default(),
    };
    let empty =
        EmptyPlace::make().map_err(|error| Failure::Other(format!("no temporary directory: {error}")))?;
    if let Some(files) = &mut allowed.files {
        files.root.clone_from(&empty.0);
    }
    if let Some(sql) = &mut allowed.sql {
        // Tools name the database in what they touch; a file without bytes is a database without tables.
        sql.path = empty.0.join(sql.path.file_name().unwrap_or_default());
        std::fs::write(&sql.path, "")
            .map_err(|error| Failure::Other(format!("{}: {error}", sql.path.display())))?;
    }
    let file = tools.map(mounted::read).transpose()?;
    Cluster::embedded(&allowed, 1, file).await
}

/// A temporary directory. Tools keep what they have opened, so it can go before they do.
struct EmptyPlace(PathBuf);

impl EmptyPlace {
    fn make() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("toolwave-plan-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for EmptyPlace {
    fn drop(&mut self) {
        // What cannot be removed is an empty directory among temporary ones.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How calls are named: by id, or by index.
pub(crate) fn names(calls: &[v1::Call]) -> Vec<String> {
    let name = |(index, call): (usize, &v1::Call)| call.id.clone().unwrap_or_else(|| index.to_string());
    calls.iter().enumerate().map(name).collect()
}

fn as_text(plan: &Plan, names: &[String], planned: &v1::PlanExecutionResponse) -> String {
    let calls = &plan.request.calls;
    let name = |index: u32| {
        names
            .get(index as usize)
            .map_or_else(|| "?".to_owned(), |name| text::printable(name))
    };
    let mut arrows: HashMap<u32, Vec<Arrow<'_>>> = HashMap::new();
    for arrow in graph::arrows(&planned.edges) {
        arrows.entry(arrow.to).or_default().push(arrow);
    }
    let mut shown = String::new();
    for (number, wave) in planned.waves.iter().enumerate() {
        let _ = writeln!(shown, "wave {number}");
        for &index in &wave.calls {
            let tool = calls
                .get(index as usize)
                .map_or("?", |call| call.tool_name.as_str());
            let _ = writeln!(shown, "  {} ({})", name(index), text::printable(tool));
            for arrow in arrows.get(&index).into_iter().flatten() {
                let _ = writeln!(shown, "    waits for {}: {}", name(arrow.from), because(arrow));
            }
        }
    }
    let critical = text::counted(planned.critical_path_calls as usize, "call");
    let (count, waves) = (
        text::counted(calls.len(), "call"),
        text::counted(planned.waves.len(), "wave"),
    );
    let _ = writeln!(shown, "\n{count} in {waves}; the longest chain has {critical}");
    if !plan.needs.is_empty() {
        let flags = plan
            .needs
            .iter()
            .map(|need| format!(" --allow {}", permission::quoted(&need.grant)));
        let _ = writeln!(shown, "needs{}", text::printable(&flags.collect::<String>()));
    }
    for rejected in &planned.rejected {
        let _ = write!(shown, "\n{}", rejection(plan, rejected));
    }
    shown
}

fn because(arrow: &Arrow<'_>) -> String {
    let reasons: Vec<String> = arrow
        .reasons
        .iter()
        .map(|reason| text::printable(reason))
        .collect();
    let reasons = reasons.join(", ");
    if arrow.only_order {
        format!("both touch {reasons}")
    } else {
        reasons
    }
}

/// A call that would be rejected as it stands, at its place in the file.
fn rejection(plan: &Plan, rejected: &v1::CallEnded) -> String {
    let Some(error) = rejected.result.as_ref().and_then(|result| result.error.as_ref()) else {
        return String::new();
    };
    let call = rejected.call_index as usize;
    let file = &plan.file;
    let mut shown = String::new();
    let mut add = |at: Position, what: &str| {
        let _ = writeln!(
            shown,
            "{}",
            text::printable(&format!("{file}:{at}: would be rejected: {what}"))
        );
    };
    if error.violations.is_empty() {
        let part = if error.code == "UNKNOWN_TOOL" {
            "tool"
        } else {
            "parameters"
        };
        add(
            plan.locate(&format!("calls[{call}].{part}")),
            &format!("{}: {}", error.code, words::message(error)),
        );
    }
    for violation in &error.violations {
        add(
            plan.locate_parameter(call, &violation.path),
            &format!("{}: {}", error.code, violation.description),
        );
    }
    shown
}

fn as_json(names: &[String], planned: &v1::PlanExecutionResponse) -> Value {
    let name = |index: u32| names.get(index as usize).cloned().unwrap_or_default();
    json!({
        "waves": planned.waves.iter().map(|wave| wave.calls.iter().map(|&call| name(call)).collect()).collect::<Vec<Vec<_>>>(),
        "edges": planned.edges.iter().map(|edge| json!({
            "from": name(edge.from),
            "to": name(edge.to),
            "origin": words::edge_origin(edge.origin()),
            "detail": edge.detail,
        })).collect::<Vec<_>>(),
        "critical_path_calls": planned.critical_path_calls,
        "rejected": planned.rejected.iter().map(|rejected| json!({
            "id": name(rejected.call_index),
            "error": rejected.result.as_ref().and_then(|result| result.error.as_ref()).map(document::error_value),
        })).collect::<Vec<_>>(),
    })
}
