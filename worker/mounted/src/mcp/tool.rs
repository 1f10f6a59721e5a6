//! A tool of a server: takes a connection, calls, and tells how it ended.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::time::{sleep, sleep_until};
use toolwave_tool::{CallContext, Declaration, Output, Parameters, Safety, Stopping, Tool, ToolError};

use super::{
    catalogue::{Entry, Quarantine},
    connection::{Connection, Ending},
    result::{self, Reply},
    serving::Serving,
};

/// How often a task is asked for, where the server does not say.
const POLL: Duration = Duration::from_millis(500);
/// The bounds of what it may say.
const POLLS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(30));

/// A tool as it was listed: should its definition change, calls of this one are refused.
pub(super) struct McpTool {
    pub(super) declaration: Declaration,
    pub(super) entry: Arc<Entry>,
    pub(super) serving: Arc<Serving>,
}

impl Tool for McpTool {
    fn declaration(&self) -> Declaration {
        self.declaration.clone()
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(self.run(parameters, context))
    }

    /// The slot is taken until the server has stopped, or its process is gone.
    fn stopping(&self) -> Stopping {
        Stopping::Wait
    }
}

impl McpTool {
    async fn run(&self, parameters: Parameters, context: CallContext) -> Result<Output, ToolError> {
        self.check()?;
        let arguments: Map<String, Value> = parameters.parse()?;
        let grace = self.serving.server.grace;
        let patience = tokio::time::Instant::now() + patience(&context);
        let (mut lease, mut ending) = loop {
            let lease = tokio::select! {
                biased;
                lease = self.serving.pool.lease() => lease,
                () = context.cancelled() => return Err(stopped()),
                () = sleep_until(patience) => return Err(self.unavailable()),
            };
            // while it waited
            self.check()?;
            let connection = lease.connection();
            match connection
                .call(&self.entry.name, arguments.clone(), &context, grace)
                .await
            {
                // the process is gone and nobody knew: another one may take the call
                Ending::NeverSent(_) if connection.wire.is_some() => lease.found_closed(),
                ending => break (lease, ending),
            }
        };
        if let Ending::Answered(answer) = ending {
            match result::read(answer)? {
                Reply::Complete(answer) => return result::complete(answer, self.entry.output.as_ref()),
                Reply::InputRequired(requests) => return Err(result::input_required(requests)),
                Reply::Task { id, poll } => {
                    ending = follow(lease.connection(), &id, poll, &context, grace).await;
                }
            }
        }
        match ending {
            Ending::Answered(answer) => match result::read(answer)? {
                Reply::Complete(answer) => result::complete(answer, self.entry.output.as_ref()),
                Reply::InputRequired(requests) => Err(result::input_required(requests)),
                Reply::Task { .. } => Err(result::broken("the result of the task is a task")),
            },
            Ending::Refused(error) => Err(result::refused(error)),
            Ending::NeverSent(why) => Err(self
                .lost(&format!("the call did not reach the server: {why}"))
                .retryable()),
            Ending::Busy(why, wait) => {
                let error = self.lost(&format!("the server takes no call now: {why}"));
                Err(wait.map_or_else(
                    || error.clone().retryable(),
                    |wait| error.clone().retry_after(wait),
                ))
            }
            Ending::Lost(why) => Err(self.lost_while_running(&why, &context)),
            Ending::Stopped => Err(stopped()),
            Ending::Working => {
                if self.serving.gives_up() {
                    lease.abandon();
                    lease.connection().ended.cancelled().await;
                }
                Err(stopped())
            }
        }
    }

    /// The definition is still the one that was listed, and may be called.
    fn check(&self) -> Result<(), ToolError> {
        let now = self.serving.find(&self.entry.name);
        let Some(now) = now else {
            let message = format!("the server lists `{}` no more", self.entry.name);
            return Err(ToolError::new("MCP_TOOL_GONE", message));
        };
        let name = &self.declaration.name;
        let (held, found) = match &now.quarantine {
            None if now.hash == self.entry.hash && self.entry.quarantine.is_none() => return Ok(()),
            // accepted since, or changed to what is: the worker is about to declare it so
            None => (self.entry.hash.as_str(), now.hash.as_str()),
            Some(Quarantine::Changed { held }) => (held.as_str(), now.hash.as_str()),
            Some(Quarantine::Unapproved) => {
                let message = format!(
                    "the definition of `{name}` is not approved: its hash is {}; the operator accepts it with `toolwave approve FILE {name}`",
                    now.hash
                );
                return Err(ToolError::new("TOOL_NOT_APPROVED", message));
            }
            Some(Quarantine::Refused { why }) => {
                return Err(ToolError::new(
                    "TOOL_QUARANTINED",
                    format!("`{name}` is not used: {why}"),
                ));
            }
        };
        let message = format!(
            "the definition of `{name}` has changed: {held} is held, {found} was found; the operator accepts it with `toolwave approve FILE {name}`"
        );
        let details = serde_json::json!({"held": held, "found": found});
        Err(ToolError::new("TOOL_CHANGED", message).details(details))
    }

    fn unavailable(&self) -> ToolError {
        let why = match self.serving.pool.failure() {
            Some(why) => format!("it does not start: {why}"),
            None => "all its connections were busy or starting for as long as the call could wait".to_owned(),
        };
        let message = format!("the MCP server `{}` took no call: {why}", self.serving.name);
        ToolError::new("MCP_SERVER_UNAVAILABLE", message).retryable()
    }

    fn lost(&self, what: &str) -> ToolError {
        let message = format!("the MCP server `{}`: {what}", self.serving.name);
        ToolError::new("MCP_SERVER_UNAVAILABLE", message)
    }

    fn lost_while_running(&self, why: &str, context: &CallContext) -> ToolError {
        let safe = match self.declaration.safety {
            Safety::ReadOnly | Safety::Idempotent => true,
            Safety::HonoursIdempotencyKey => !context.idempotency_key().is_empty(),
            Safety::NotRepeatable => false,
        };
        let name = &self.serving.name;
        let message = format!(
            "the MCP server `{name}` was lost while the call ran, so it may have had its effect: {why}"
        );
        let error = ToolError::new("MCP_SERVER_LOST", message);
        if safe { error.retryable() } else { error }
    }
}

/// Asks for a task until it has ended; once the call is not wanted any more, has it stopped.
async fn follow(
    connection: &Connection,
    task: &str,
    mut poll: Option<u64>,
    context: &CallContext,
    grace: Duration,
) -> Ending {
    loop {
        let wait = poll.map_or(POLL, Duration::from_millis).clamp(POLLS.0, POLLS.1);
        tokio::select! {
            biased;
            () = context.cancelled() => return stop_task(connection, task, grace).await,
            () = connection.ended.cancelled() => return Ending::Lost("its connection is closed".to_owned()),
            () = sleep(wait) => {}
        }
        let asked = tokio::select! {
            biased;
            asked = connection.task(task) => asked,
            () = context.cancelled() => return stop_task(connection, task, grace).await,
        };
        let Ending::Answered(mut state) = asked else {
            return match asked {
                // the task runs, whatever became of the question
                Ending::NeverSent(why) | Ending::Busy(why, _) => Ending::Lost(why),
                other => other,
            };
        };
        poll = state.get("pollIntervalMs").and_then(Value::as_u64);
        match state.get("status").and_then(Value::as_str) {
            Some("completed") => return Ending::Answered(state["result"].take()),
            Some("failed") => {
                let error = serde_json::from_value(state["error"].take());
                return error.map_or_else(|_| Ending::Lost("its task failed".to_owned()), Ending::Refused);
            }
            Some("cancelled") => return Ending::Lost("it cancelled the task".to_owned()),
            Some("input_required") => {
                connection.cancel_task(task).await;
                let requests = state["inputRequests"].take();
                let answer = serde_json::json!({"resultType": "input_required", "inputRequests": requests});
                return Ending::Answered(answer);
            }
            _ => {
                let message = state.get("statusMessage").and_then(Value::as_str);
                if let Some(message) = message {
                    context.progress(None, message);
                }
            }
        }
    }
}

async fn stop_task(connection: &Connection, task: &str, grace: Duration) -> Ending {
    let stopped = async {
        connection.cancel_task(task).await;
        loop {
            let Ending::Answered(state) = connection.task(task).await else {
                return;
            };
            let status = state.get("status").and_then(Value::as_str);
            if matches!(status, Some("completed" | "failed" | "cancelled")) {
                return;
            }
            sleep(POLLS.0).await;
        }
    };
    match tokio::time::timeout(grace, stopped).await {
        Ok(()) => Ending::Stopped,
        Err(_) => Ending::Working,
    }
}

/// For as long a call waits for a connection: a little less than it has, so that it can say that it never began.
fn patience(context: &CallContext) -> Duration {
    let remaining = context.remaining();
    remaining.saturating_sub((remaining / 10).min(Duration::from_millis(100)))
}

/// The worker says how a call ended that it stopped itself.
fn stopped() -> ToolError {
    ToolError::new("STOPPED", "the call was stopped")
}
