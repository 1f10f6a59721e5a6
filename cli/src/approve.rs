//! `toolwave approve`: what MCP servers say of their tools now, against what was approved; and the approval.
//!
//! Nothing is approved that was not named, or asked for with `--all`; without either, it is only shown.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use clap::Args;
use toolwave_mounted::{
    Pinning, Pins, ToolsFile,
    mcp::{Definition, Standing},
};

use crate::{
    difference,
    failure::{Failure, Verdict},
    mounted, output, text,
};

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The file of tools, TOML or YAML
    pub(crate) file: PathBuf,
    /// What to approve: a server, or one of its tools
    #[arg(value_name = "SERVER[.TOOL]")]
    pub(crate) what: Vec<String>,
    /// Approves everything that is new or changed, and forgets what is gone
    #[arg(long, conflicts_with = "what")]
    pub(crate) all: bool,
}

/// What one definition is, next to what was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Approved,
    New,
    Changed,
}

/// What the whole comparison comes to.
#[derive(Debug, Default)]
struct Tally {
    shown: String,
    open: usize,
    approved: usize,
    forgotten: usize,
}

pub(crate) async fn approve(args: ApproveArgs) -> Result<Verdict, Failure> {
    let file =
        ToolsFile::read(&args.file, &mounted::reserved(), Pinning::Ignored).map_err(Failure::ToolsFile)?;
    mounted::warn(&file);
    check_names(&args, &file)?;
    let path = file.pins_path().to_owned();
    let mut pins = Pins::read(&path).map_err(Failure::ToolsFile)?;
    let servers: BTreeSet<String> = file.server_names().map(str::to_owned).collect();
    let mut tally = Tally::default();
    let (digest, require_pins) = (file.digest().to_owned(), file.requires_pins());
    let file_changed = require_pins && pins.file.as_deref() != Some(digest.as_str());
    if file_changed {
        let state = if pins.file.is_some() {
            "has changed"
        } else {
            "is new"
        };
        let _ = writeln!(tally.shown, "{}: {state}", args.file.display());
    }
    let mounts = mounted::mount(file).await?;
    let mut silent = Vec::new();
    let mut slips = Vec::new();
    for (server, definitions, failure) in mounts.definitions() {
        slips.extend(slips_of(server, &definitions, &args, &pins));
        if definitions.is_empty() {
            let why = failure.unwrap_or_else(|| "it offers no tools".to_owned());
            silent.push((server.to_owned(), why));
        }
        compare(server, &definitions, &args, &mut pins, &mut tally);
    }
    mounts.close().await;
    forget(&servers, &args, &mut pins, &mut tally);
    let asked = args.all || !args.what.is_empty();
    if asked {
        pins.file = require_pins.then_some(digest);
        pins.write(&path)
            .map_err(|error| Failure::Other(error.to_string()))?;
        let approved = text::counted(tally.approved, "definition");
        let _ = writeln!(
            tally.shown,
            "{approved} approved, {} forgotten: {}",
            tally.forgotten,
            path.display()
        );
    } else if tally.open > 0 || file_changed {
        tally
            .shown
            .push_str("nothing was approved now: name servers or tools, or give --all\n");
    } else {
        tally.shown.push_str("everything is approved\n");
    }
    output::write(&tally.shown)?;
    for (server, why) in &silent {
        output::note(&text::printable(&format!(
            "error: nothing is known of the server `{server}`: {why}"
        )));
    }
    for slip in &slips {
        output::note(&text::printable(&format!("error: {slip}")));
    }
    let left = tally.open > 0 || !slips.is_empty() || !silent.is_empty() || (file_changed && !asked);
    Ok(if left {
        Verdict::SomeCallsFailed
    } else {
        Verdict::Success
    })
}

/// A name that is none is a slip that would leave something unapproved.
fn check_names(args: &ApproveArgs, file: &ToolsFile) -> Result<(), Failure> {
    for name in &args.what {
        let server = name.split_once('.').map_or(name.as_str(), |(server, _)| server);
        if !file.server_names().any(|known| known == server) {
            let known: Vec<&str> = file.server_names().collect();
            let expected = match known.is_empty() {
                true => "the file has no servers".to_owned(),
                false => format!("expected one of {}", known.join(", ")),
            };
            return Err(Failure::Usage(format!(
                "`{name}` names no server of the file; {expected}"
            )));
        }
    }
    Ok(())
}

/// The same of tools, as far as the server is known: it may offer none while it does not start.
fn slips_of(server: &str, definitions: &[Definition], args: &ApproveArgs, pins: &Pins) -> Vec<String> {
    let offered = definitions.iter().map(|definition| definition.name.as_str());
    let offered: Vec<&str> = offered.collect();
    let known = pins.hashes(server);
    let named = args
        .what
        .iter()
        .filter_map(|name| name.strip_prefix(server)?.strip_prefix('.'));
    named
        .filter(|tool| !offered.is_empty() && !offered.contains(tool) && !known.contains_key(*tool))
        .map(|tool| {
            let offered = offered.join(", ");
            format!("`{server}.{tool}` names no tool of the server `{server}`; expected one of {offered}")
        })
        .collect()
}

fn compare(server: &str, definitions: &[Definition], args: &ApproveArgs, pins: &mut Pins, tally: &mut Tally) {
    let known = pins.hashes(server);
    for definition in definitions {
        let tool = definition.name.as_str();
        let state = match known.get(tool) {
            Some(hash) if *hash == definition.hash => State::Approved,
            Some(_) => State::Changed,
            None => State::New,
        };
        if let Standing::Refused { why } = &definition.standing {
            let _ = writeln!(
                tally.shown,
                "{server}.{}: refused: {}",
                text::printable(tool),
                text::printable(why)
            );
            continue;
        }
        if state == State::Approved {
            continue;
        }
        let now = mounted::definition_text(definition);
        let before = pins.definition(server, tool).map(str::to_owned);
        let word = if state == State::New { "new" } else { "changed" };
        let _ = writeln!(tally.shown, "{server}.{}: {word}", text::printable(tool));
        let lines = difference::lines(before.as_deref().unwrap_or_default(), &now);
        for line in lines {
            let _ = writeln!(tally.shown, "  {}", text::printable(&line));
        }
        let wanted = |name: &String| name == server || *name == format!("{server}.{tool}");
        if args.all || args.what.iter().any(wanted) {
            pins.approve(server, tool, &definition.hash, now);
            tally.approved += 1;
        } else {
            tally.open += 1;
        }
    }
    let there: BTreeSet<&str> = definitions
        .iter()
        .map(|definition| definition.name.as_str())
        .collect();
    // A server that offers nothing has not started, perhaps: what it had stays approved.
    for tool in known
        .keys()
        .filter(|tool| !there.is_empty() && !there.contains(tool.as_str()))
    {
        let _ = writeln!(tally.shown, "{server}.{}: gone", text::printable(tool));
        if args.all {
            pins.forget(server, tool);
            tally.forgotten += 1;
        }
    }
}

/// What was approved of servers that the file does not name any more.
fn forget(servers: &BTreeSet<String>, args: &ApproveArgs, pins: &mut Pins, tally: &mut Tally) {
    let gone: Vec<(String, String)> = pins
        .approved()
        .filter(|(server, _)| !servers.contains(*server))
        .map(|(server, tool)| (server.to_owned(), tool.to_owned()))
        .collect();
    for (server, tool) in gone {
        let _ = writeln!(
            tally.shown,
            "{}.{}: gone",
            text::printable(&server),
            text::printable(&tool)
        );
        if args.all {
            pins.forget(&server, &tool);
            tally.forgotten += 1;
        }
    }
}
