//! `toolwave check`: every mistake of a file of tools with its place; with `--start`, what its MCP servers offer too.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use serde_json::{Value, json};
use toolwave_config::Problem;
use toolwave_mounted::{Pinning, ToolsFile};

use crate::{
    args::{OutputArgs, OutputFormat},
    failure::{Failure, Verdict},
    mounted, output, text,
};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file of tools, TOML or YAML
    pub(crate) file: PathBuf,
    /// Starts its MCP servers too, lists what they offer, and ends them
    #[arg(long)]
    pub(crate) start: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

pub(crate) async fn check(args: CheckArgs) -> Result<Verdict, Failure> {
    let json = args.output.format == OutputFormat::Json;
    let file = match ToolsFile::read(&args.file, &mounted::reserved(), Pinning::Kept) {
        Ok(file) => file,
        Err(problems) if json => {
            output::write_json(&json!({"ok": false, "problems": told(&problems)}))?;
            return Err(Failure::ToolsFile(problems));
        }
        Err(problems) => {
            let is_plan = problems.iter().any(|problem| problem.key == "calls");
            if is_plan {
                output::note(
                    "hint: a file with `calls` is a plan; `toolwave plan FILE` says what is wrong with it",
                );
            }
            return Err(Failure::ToolsFile(problems));
        }
    };
    mounted::warn(&file);
    let warnings = told(file.warnings());
    let declared: Vec<String> = file.declarations().map(|tool| tool.name.clone()).collect();
    let servers: Vec<String> = file.server_names().map(str::to_owned).collect();
    let started = match args.start {
        true => Some(start(file).await?),
        false => None,
    };
    if json {
        let mut document = json!({
            "ok": true,
            "tools": declared,
            "servers": servers,
            "warnings": warnings,
        });
        if let Some(started) = &started {
            document["started"] = started.iter().map(Offered::as_json).collect();
        }
        output::write_json(&document)?;
    } else {
        let (tools, count) = (
            text::counted(declared.len(), "tool"),
            text::counted(servers.len(), "server"),
        );
        let mut shown = format!("ok: {tools}, {count}\n");
        for server in started.iter().flatten() {
            server.show(&mut shown);
        }
        output::write(&shown)?;
    }
    match started.iter().flatten().all(|server| !server.tools.is_empty()) {
        true => Ok(Verdict::Success),
        false => Ok(Verdict::SomeCallsFailed),
    }
}

/// What one server offers.
struct Offered {
    server: String,
    /// Names, and whether they are approved, in words.
    tools: Vec<(String, String)>,
    /// Why it does not work.
    failure: Option<String>,
}

async fn start(file: ToolsFile) -> Result<Vec<Offered>, Failure> {
    let mounts = mounted::mount(file).await?;
    let offered = mounts
        .definitions()
        .map(|(server, definitions, failure)| Offered {
            failure,
            server: server.to_owned(),
            tools: definitions
                .iter()
                .map(|definition| (definition.name.clone(), mounted::state(definition)))
                .collect(),
        });
    let offered = offered.collect();
    mounts.close().await;
    Ok(offered)
}

impl Offered {
    fn as_json(&self) -> Value {
        let tools = self
            .tools
            .iter()
            .map(|(name, state)| json!({"name": name, "state": state}));
        json!({
            "server": self.server,
            "tools": tools.collect::<Vec<_>>(),
            "failure": self.failure,
        })
    }

    fn show(&self, shown: &mut String) {
        let server = &self.server;
        if self.tools.is_empty() {
            let why = self.failure.as_deref().unwrap_or("it offers no tools");
            let _ = writeln!(shown, "{server}: no tools: {}", text::printable(why));
        }
        for (name, state) in &self.tools {
            let _ = writeln!(
                shown,
                "{server}.{}: {}",
                text::printable(name),
                text::printable(state)
            );
        }
    }
}

fn told(problems: &[Problem]) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "file": problem.file.as_ref().map(|file| file.display().to_string()),
            "line": problem.position.map(|(line, _)| line),
            "column": problem.position.map(|(_, column)| column),
            "key": problem.key,
            "what": problem.what,
            "expected": problem.expected,
        })
    };
    problems.iter().map(problem).collect()
}
