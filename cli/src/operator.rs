//! What operators ask of a cluster: `tools`, `workers`, `drain`, `cancel`.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Color};
use serde_json::{Value, json};
use toolwave_client::{Client, ClientError, duration, v1};

use crate::{
    args::{CancelArgs, DrainArgs, OutputFormat, ToolsArgs, WorkersArgs},
    asking::{self, ask},
    cluster::{self, Cluster},
    definitions,
    document::milliseconds,
    failure::{Failure, Verdict},
    mounted,
    output::{self, Look},
    text, words,
};

/// Characters of a tool's description that the table shows.
const SHOWN_DESCRIPTION: usize = 72;

pub(crate) async fn tools(args: ToolsArgs) -> Result<Verdict, Failure> {
    let tools = if args.builtin {
        let file = args.tools.as_deref().map(mounted::read).transpose()?;
        let cluster = Cluster::embedded(&cluster::allowed(&args.allow)?, 1, file).await?;
        let tools = cluster.client.list_tools().await;
        cluster.close().await;
        tools?
    } else {
        ask(&args.remote, async |client| Ok(client.list_tools().await?)).await?
    };
    let named = tools
        .iter()
        .filter_map(|listed| listed.tool.as_ref().map(|tool| (listed, tool)));
    if let Some(format) = args.for_provider {
        output::write_json(&definitions::of(format, named.map(|(_, tool)| tool)))?;
        return Ok(Verdict::Success);
    }
    if args.output.format == OutputFormat::Json {
        output::write_json(
            &named
                .map(|(listed, tool)| tool_json(listed, tool))
                .collect::<Vec<_>>(),
        )?;
        return Ok(Verdict::Success);
    }
    let mut shown = String::new();
    if args.schema {
        for (_, tool) in named {
            let schema = serde_json::to_string_pretty(&schema(&tool.input_schema_json)).unwrap_or_default();
            let (name, description) = (text::printable(&tool.name), text::printable(&tool.description));
            let _ = writeln!(
                shown,
                "{name}: {description}\n{}\n",
                text::printable_lines(&schema)
            );
        }
    } else {
        let mut table =
            Look::of_stdout().table(&["tool", "workers", "queued", "in flight", "repeat", "description"]);
        for (listed, tool) in named {
            let number = |number: u32| Cell::new(number).set_alignment(CellAlignment::Right);
            table.add_row(vec![
                Cell::new(text::printable(&tool.name)),
                number(listed.workers),
                number(listed.queued),
                number(listed.in_flight),
                Cell::new(safety(tool)),
                Cell::new(text::clipped(
                    &text::printable(&tool.description),
                    SHOWN_DESCRIPTION,
                )),
            ]);
        }
        let _ = writeln!(shown, "{}", table.trim_fmt());
    }
    output::write(&shown)?;
    Ok(Verdict::Success)
}

/// Why a call may be repeated.
fn safety(tool: &v1::Tool) -> &'static str {
    match (tool.read_only, tool.idempotent, tool.honours_idempotency_key) {
        (true, _, _) => "safe: read only",
        (_, true, _) => "safe: idempotent",
        (_, _, true) => "safe with a key",
        (false, false, false) => "no",
    }
}

fn schema(text: &[u8]) -> Value {
    if text.is_empty() {
        json!({"type": "object"})
    } else {
        serde_json::from_slice(text).unwrap_or(Value::Null)
    }
}

fn tool_json(listed: &v1::ListedTool, tool: &v1::Tool) -> Value {
    let effects = tool.effects.iter().map(|effect| {
        let mode = if effect.mode() == v1::EffectMode::Writes {
            "writes"
        } else {
            "reads"
        };
        json!({"mode": mode, "key": effect.key_template})
    });
    json!({
        "name": tool.name,
        "description": tool.description,
        "input_schema": schema(&tool.input_schema_json),
        "output_schema": (!tool.output_schema_json.is_empty()).then(|| schema(&tool.output_schema_json)),
        "effects": effects.collect::<Vec<_>>(),
        "read_only": tool.read_only,
        "idempotent": tool.idempotent,
        "honours_idempotency_key": tool.honours_idempotency_key,
        "timeout_ms": milliseconds(tool.timeout.as_ref()),
        "workers": listed.workers,
        "queued": listed.queued,
        "in_flight": listed.in_flight,
    })
}

pub(crate) async fn workers(args: WorkersArgs) -> Result<Verdict, Failure> {
    let workers = ask(&args.remote, async |client| Ok(client.list_workers().await?)).await?;
    if args.output.format == OutputFormat::Json {
        output::write_json(&workers.iter().map(worker_json).collect::<Vec<_>>())?;
        return Ok(Verdict::Success);
    }
    let look = Look::of_stdout();
    let mut table = look.table(&[
        "worker",
        "state",
        "slots",
        "in flight",
        "tools",
        "heard",
        "address",
        "build",
    ]);
    for worker in &workers {
        let ready = worker.state() == v1::WorkerState::Ready && !worker.draining;
        let state = match worker.draining {
            true => format!("{}, draining", words::worker_state(worker.state())),
            false => words::worker_state(worker.state()).to_owned(),
        };
        let heard = worker
            .silence
            .as_ref()
            .map(|silence| format!("{} ago", text::duration(duration(silence))));
        table.add_row(vec![
            Cell::new(text::printable(&worker.worker)),
            look.cell(&state, if ready { Color::Green } else { Color::Yellow }),
            Cell::new(worker.slots).set_alignment(CellAlignment::Right),
            Cell::new(worker.in_flight).set_alignment(CellAlignment::Right),
            Cell::new(worker.tools.len()).set_alignment(CellAlignment::Right),
            Cell::new(heard.unwrap_or_else(|| "-".to_owned())),
            Cell::new(text::printable(&worker.address)),
            Cell::new(text::printable(&worker.build)),
        ]);
    }
    output::write(&format!("{}\n", table.trim_fmt()))?;
    Ok(Verdict::Success)
}

fn worker_json(worker: &v1::WorkerStatus) -> Value {
    json!({
        "worker": worker.worker,
        "state": words::worker_state(worker.state()),
        "draining": worker.draining,
        "slots": worker.slots,
        "in_flight": worker.in_flight,
        "tools": worker.tools,
        "labels": worker.labels.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "build": worker.build,
        "address": worker.address,
        "silence_ms": milliseconds(worker.silence.as_ref()),
        "instance_id": worker.instance_id,
    })
}

pub(crate) async fn drain(args: DrainArgs) -> Result<Verdict, Failure> {
    let answer = ask(&args.remote, async |client| {
        drain_worker(&client, &args.worker, args.resume).await
    })
    .await?;
    let in_flight = answer.in_flight;
    match args.output.format {
        OutputFormat::Json => {
            output::write_json(
                &json!({"worker": args.worker, "draining": !args.resume, "in_flight": in_flight}),
            )?;
        }
        OutputFormat::Text => {
            let worker = text::printable(&args.worker);
            let attempts = text::counted(in_flight as usize, "attempt");
            output::write(&match args.resume {
                true => format!("{worker} takes calls again; {attempts} in flight\n"),
                false => {
                    format!("{worker} takes no new calls; {attempts} in flight there go on to their end\n")
                }
            })?;
        }
    }
    Ok(Verdict::Success)
}

async fn drain_worker(
    client: &Client,
    worker: &str,
    resume: bool,
) -> Result<v1::DrainWorkerResponse, Failure> {
    let message = match client.drain_worker(worker, resume).await {
        Err(ClientError::NotFound { message }) => message,
        answer => return Ok(answer?),
    };
    let workers = client.list_workers().await.unwrap_or_default();
    let near = asking::nearest(worker, workers.iter().map(|worker| worker.worker.as_str()));
    let hint = near.unwrap_or_else(|| "`toolwave workers` lists those that there are".to_owned());
    Err(Failure::Other(format!("not found: {message}; {hint}")))
}

/// One's own by its id; as an operator, that of anybody, by any beginning of its id that is its alone.
async fn cancel_execution(client: &Client, given: &str) -> Result<v1::CancelExecutionResponse, Failure> {
    let message = match client.cancel_execution(given).await {
        Err(ClientError::NotFound { message }) => message,
        answer => return Ok(answer?),
    };
    let not_found = || Failure::Other(format!("not found: {message}"));
    let cancel_any = async |id: &str| client.cancel_any_execution(id).await;
    let (id, answer) = match cancel_any(given).await {
        Ok(answer) => (given.to_owned(), answer),
        Err(ClientError::NotFound { .. }) => {
            let id = asking::execution_id(client, given).await?;
            let answer = cancel_any(&id).await?;
            (id, answer)
        }
        // Who is no operator, or asks an older coordinator, has no more executions than their own.
        Err(ClientError::PermissionDenied { .. } | ClientError::NotToolwave { .. }) => {
            return Err(not_found());
        }
        Err(error) => return Err(error.into()),
    };
    Ok(v1::CancelExecutionResponse {
        execution_id: id,
        already_ended: answer.already_ended,
    })
}

pub(crate) async fn cancel(args: CancelArgs) -> Result<Verdict, Failure> {
    let answer = ask(&args.remote, async |client| {
        cancel_execution(&client, &args.execution).await
    })
    .await?;
    match args.output.format {
        OutputFormat::Json => output::write_json(
            &json!({"execution_id": answer.execution_id, "already_ended": answer.already_ended}),
        )?,
        OutputFormat::Text => {
            let id = text::printable(&answer.execution_id);
            output::write(&match answer.already_ended {
                true => format!("{id} had ended before; nothing changed\n"),
                false => format!("{id} is cancelled\n"),
            })?;
        }
    }
    Ok(Verdict::Success)
}
