//! `toolwave trace`: one execution's timeline as text, SVG or JSON, whether it runs or has ended.

pub(crate) mod json;
#[cfg(test)]
pub(crate) mod sample;
mod svg;
pub(crate) mod text;
pub(crate) mod timeline;

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use toolwave_client::v1;

use crate::{
    analysis::{self, Detail},
    args::{OutputArgs, OutputFormat, RemoteArgs},
    asking::{self, ask},
    executions,
    failure::{Failure, Verdict},
    glyphs::{self, Glyphs},
    output::{self, Look},
};
use timeline::Timeline;

/// Calls that a text shows, and a picture, unless asked for others.
const SHOWN_CALLS: usize = 100;
const DRAWN_CALLS: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The execution's id, or any beginning of it that is no other's
    pub(crate) execution: String,
    /// Draws at most so many calls: those of the critical path, then the slowest; 0: all [default: 100, as SVG 1000]
    #[arg(long, value_name = "N")]
    pub(crate) calls: Option<usize>,
    /// Writes a picture to this file instead; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "format"])]
    pub(crate) svg: Option<PathBuf>,
    /// As --output json
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl TraceArgs {
    fn most(&self, otherwise: usize) -> Option<usize> {
        Some(self.calls.unwrap_or(otherwise)).filter(|most| *most > 0)
    }
}

pub(crate) async fn trace(args: TraceArgs) -> Result<Verdict, Failure> {
    let execution = ask(&args.remote, async |client| {
        asking::execution(&client, &args.execution).await
    })
    .await?;
    if args.json || args.output.format == OutputFormat::Json {
        output::write_json(&json::execution(&execution))?;
    } else if let Some(path) = &args.svg {
        let timeline = Timeline::of(&execution, args.most(DRAWN_CALLS));
        let picture = svg::picture(&execution, &timeline).map_err(Failure::Output)?;
        write_file(path, &picture)?;
    } else {
        let timeline = Timeline::of(&execution, args.most(SHOWN_CALLS));
        output::write(&drawing(&execution, &timeline))?;
    }
    Ok(Verdict::Success)
}

/// With a heading above and why it took as long as it did below.
fn drawing(execution: &v1::GetExecutionResponse, timeline: &Timeline) -> String {
    let colour = Look::of_stdout().colour();
    let mut shown = executions::heading(execution);
    shown.push('\n');
    let lines = text::lines(timeline, glyphs::width_of_stdout(), &Glyphs::of_environment());
    for line in &lines {
        if !colour {
            let _ = writeln!(shown, "{}", text::plain(line));
            continue;
        }
        for (ink, piece) in line {
            shown.push_str(&glyphs::painted(*ink, piece, colour));
        }
        shown.push('\n');
    }
    if lines.is_empty() {
        let _ = writeln!(shown, "{}", nothing_to_draw(execution));
    }
    for line in why(execution, Detail::Full) {
        let _ = writeln!(shown, "{line}");
    }
    shown
}

pub(crate) fn nothing_to_draw(execution: &v1::GetExecutionResponse) -> &'static str {
    match execution.calls_forgotten {
        true => "the coordinator no longer keeps its calls, only what is said above",
        false => "it has no calls yet",
    }
}

/// Why it took as long as it did, once it has ended.
pub(crate) fn why(execution: &v1::GetExecutionResponse, detail: Detail) -> Vec<String> {
    let name = |index: u32| {
        let call = execution.calls.get(index as usize);
        match call.map(|call| call.id.as_str()) {
            None | Some("") => index.to_string(),
            Some(id) => crate::text::printable(id),
        }
    };
    let summary = execution.summary.as_ref();
    summary
        .map(|summary| analysis::lines(summary, &name, detail))
        .unwrap_or_default()
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        return output::write(text);
    }
    fs::write(path, text).map_err(|error| {
        Failure::Output(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        ))
    })
}
