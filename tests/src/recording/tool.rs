//! The recording tools: each writes a line before and one after what it does.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use toolwave_worker::{
    CallContext, Declaration, Output, Parameters, Safety, SharedTool, Stopping, Tool, ToolError,
};

use super::Deed;
use crate::history::{Kind, Line, Recorder};

/// Name, deed, and whether its calls are safe to repeat.
const TOOLS: [(&str, Deed, bool); 11] = [
    ("record_safe", Deed::Wait, true),
    ("record_once", Deed::Wait, false),
    ("die", Deed::Die, true),
    ("die_once", Deed::Die, false),
    ("hang_threads", Deed::HangThreads, true),
    ("hang_threads_once", Deed::HangThreads, false),
    ("panic", Deed::Panic, true),
    ("ignore_stop", Deed::IgnoreStop, true),
    ("ignore_stop_once", Deed::IgnoreStop, false),
    ("eat_memory", Deed::EatMemory, true),
    ("eat_memory_once", Deed::EatMemory, false),
];

/// Whether the tool of this name says that its calls may run more than once.
#[must_use]
pub fn is_repeatable(tool: &str) -> bool {
    TOOLS
        .iter()
        .any(|(name, _, repeatable)| *name == tool && *repeatable)
}

/// All of them, for a worker of this name that takes `slower` longer than others for each call.
pub fn tools(
    recorder: &Arc<Recorder>,
    worker: &str,
    slower: Duration,
) -> impl Iterator<Item = SharedTool> + use<> {
    let (recorder, worker) = (Arc::clone(recorder), worker.to_owned());
    TOOLS.into_iter().map(move |(name, deed, repeatable)| {
        Arc::new(RecordingTool {
            name,
            deed,
            repeatable,
            recorder: Arc::clone(&recorder),
            worker: worker.clone(),
            slower,
        }) as SharedTool
    })
}

/// What a call may ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// How long it takes, in milliseconds.
    ms: u64,
    /// Attempts below this number return an error that is safe to try again.
    decline_before: u32,
    /// From this attempt on there is no deed but waiting; 0: never.
    harmless_from: u32,
    /// So many bytes more in the result.
    bytes: usize,
    /// Anything; what it is made of are references.
    with: serde_json::Value,
}

/// One of them.
#[derive(Debug)]
pub struct RecordingTool {
    name: &'static str,
    deed: Deed,
    repeatable: bool,
    recorder: Arc<Recorder>,
    worker: String,
    slower: Duration,
}

impl RecordingTool {
    async fn perform(&self, parameters: Parameters, context: CallContext) -> Result<Output, ToolError> {
        let wanted: Wanted = parameters.parse()?;
        let call = context.call();
        let line = Line {
            kind: Kind::Start,
            execution: call.execution_id.clone(),
            call: call.call_id.clone(),
            attempt: call.attempt,
            worker: self.worker.clone(),
            pid: std::process::id(),
            repeatable: self.repeatable,
        };
        let running = Running::start(&self.recorder, line)?;
        let time = Duration::from_millis(wanted.ms) + self.slower;
        let is_harmless = wanted.harmless_from > 0 && call.attempt >= wanted.harmless_from;
        let deed = if is_harmless { Deed::Wait } else { self.deed };
        deed.perform(time, &context).await;
        if call.attempt < wanted.decline_before {
            running.end(Kind::Declined)?;
            return Err(ToolError::new("NOT_YET", "a later attempt will do").retryable());
        }
        running.end(Kind::End)?;
        let result = json!({
            "call": call.call_id,
            "attempt": call.attempt,
            "worker": self.worker,
            "key": call.idempotency_key,
            "bytes": "x".repeat(wanted.bytes),
        });
        Output::json(&result)
    }
}

impl Tool for RecordingTool {
    fn declaration(&self) -> Declaration {
        let mut declaration = Declaration::new(self.name, "Writes down that it runs");
        if self.repeatable {
            declaration.safety = Safety::Idempotent;
        }
        declaration
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(self.perform(parameters, context))
    }

    fn stopping(&self) -> Stopping {
        if self.deed == Deed::IgnoreStop {
            Stopping::Wait
        } else {
            Stopping::Drop
        }
    }
}

/// An execution whose start was written. Dropped before its end, it writes that.
struct Running<'a> {
    recorder: &'a Recorder,
    line: Line,
    ended: bool,
}

impl<'a> Running<'a> {
    fn start(recorder: &'a Recorder, line: Line) -> Result<Self, ToolError> {
        let running = Self {
            recorder,
            line,
            ended: false,
        };
        recorder
            .write(&running.line)
            .map_err(|error| ToolError::new("NO_RECORD", error.to_string()))?;
        Ok(running)
    }

    fn end(mut self, kind: Kind) -> Result<(), ToolError> {
        self.ended = true;
        self.line.kind = kind;
        self.recorder
            .write(&self.line)
            .map_err(|error| ToolError::new("NO_RECORD", error.to_string()))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.line.kind = Kind::Dropped;
            // a process that cannot write any more leaves a start without an end, as one that is killed does
            let _ = self.recorder.write(&self.line);
        }
    }
}
