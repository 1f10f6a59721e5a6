//! An MCP server that misbehaves as it is told: the other side of the tests.
//!
//! Beside its own tools it lists those of the file that `MUTABLE_TOOLS` names, read anew each time.

use std::{borrow::Cow, io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ContentBlock,
        CreateTaskResult, GetTaskParams, GetTaskResult, InputRequiredResult, ListToolsResult,
        PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion, ServerCapabilities, ServerConfig,
        SubscriptionFilter, Tool,
    },
    service::{RequestContext, SubscriptionContext},
    task_manager::{TaskExit, TaskManager, TaskOptions},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

/// The server.
#[derive(Clone)]
pub struct Mutable {
    tools: Option<PathBuf>,
    versions: &'static [ProtocolVersion],
    tasks: TaskManager,
    changes: watch::Sender<u64>,
    /// One call of `serial` at a time.
    turn: Arc<Mutex<()>>,
}

impl Mutable {
    /// With further tools in a file, and of the older protocol alone.
    pub fn new(tools: Option<PathBuf>, older: bool) -> Self {
        const OLDER: &[ProtocolVersion] = &[ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25];
        Self {
            tools,
            versions: if older {
                OLDER
            } else {
                ProtocolVersion::KNOWN_VERSIONS
            },
            tasks: TaskManager::new(),
            changes: watch::Sender::new(0),
            turn: Arc::default(),
        }
    }

    fn listed(&self) -> Vec<Tool> {
        let own = [
            ("echo", json!({"text": {"type": "string"}})),
            ("content", json!({})),
            (
                "sleep",
                json!({"ms": {"type": "integer"}, "stops": {"type": "boolean"}, "steps": {"type": "integer"}}),
            ),
            ("serial", json!({"ms": {"type": "integer"}})),
            ("spin", json!({"ms": {"type": "integer"}})),
            ("fail", json!({})),
            ("refuse", json!({})),
            ("ask", json!({})),
            (
                "task",
                json!({"ms": {"type": "integer"}, "stops": {"type": "boolean"}}),
            ),
            ("die", json!({})),
            ("flood", json!({"lines": {"type": "integer"}})),
            ("huge", json!({"bytes": {"type": "integer"}})),
            ("whoami", json!({})),
            ("mismatch", json!({})),
            ("meta", json!({})),
            ("notify", json!({})),
            ("complain", json!({"text": {"type": "string"}})),
        ];
        let mut tools: Vec<Value> = own
            .into_iter()
            .map(|(name, properties)| json!({"name": name, "description": name, "inputSchema": {"type": "object", "properties": properties}}))
            .collect();
        for tool in &mut tools {
            if tool["name"] == "echo" || tool["name"] == "mismatch" {
                tool["outputSchema"] = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
            }
        }
        if let Some(text) = self
            .tools
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok())
        {
            let more: Vec<Value> = serde_json::from_str(&text).expect("a list of tools");
            tools.extend(more);
        }
        tools
            .into_iter()
            .map(|tool| serde_json::from_value(tool).expect("a tool"))
            .collect()
    }
}

fn text(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text.into())]).into()
}

fn parse(value: Value) -> CallToolResponse {
    let result: CallToolResult = serde_json::from_value(value).expect("a result");
    result.into()
}

async fn sleep(arguments: &Value, context: &RequestContext<RoleServer>) {
    let ms = arguments["ms"].as_u64().unwrap_or(0);
    let steps = arguments["steps"].as_u64().unwrap_or(0);
    let stops = arguments["stops"].as_bool().unwrap_or(true);
    let work = async {
        for step in 0..=steps {
            if let Some(token) = context.meta.get_progress_token().filter(|_| steps > 0) {
                let progress = ProgressNotificationParam::new(token, step as f64)
                    .with_total(steps as f64)
                    .with_message(format!("step {step}"));
                let _ = context.peer.notify_progress(progress).await;
            }
            tokio::time::sleep(Duration::from_millis(ms / (steps + 1))).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = context.ct.cancelled(), if stops => {}
    }
}

impl ServerHandler for Mutable {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.versions.into()
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder()
                .enable_tools()
                .enable_tool_list_changed()
                .enable_tasks()
                .build(),
        )
    }

    /// Two tools a page.
    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let from: usize = page.and_then(|page| page.cursor?.parse().ok()).unwrap_or(0);
        let tools = self.listed();
        Ok(ListToolsResult {
            next_cursor: (from + 2 < tools.len()).then(|| (from + 2).to_string()),
            tools: tools.into_iter().skip(from).take(2).collect(),
            ..ListToolsResult::default()
        })
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.subscribe();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                _ = changes.changed() => {
                    let _ = context.sink().notify_tool_list_changed().await;
                }
            }
        }
    }

    async fn get_task(
        &self,
        task: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.tasks.get_task(&task.task_id)?))
    }

    async fn cancel_task(
        &self,
        task: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&task.task_id)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        Ok(match request.name.as_ref() {
            "echo" => parse(json!({
                "content": [{"type": "text", "text": arguments["text"]}],
                "structuredContent": {"text": arguments["text"]},
            })),
            "content" => parse(content()),
            "sleep" => {
                sleep(&arguments, &context).await;
                text("slept")
            }
            "serial" => {
                let _turn = self.turn.lock().await;
                sleep(&arguments, &context).await;
                text(std::process::id().to_string())
            }
            "spin" => {
                // all of one core, and of the server's one thread
                let until =
                    std::time::Instant::now() + Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0));
                while std::time::Instant::now() < until {
                    std::hint::spin_loop();
                }
                text("spun")
            }
            "fail" => CallToolResult::error(vec![ContentBlock::text("it failed")]).into(),
            "refuse" => {
                return Err(ErrorData::invalid_params(
                    "no such thing",
                    Some(json!({"thing": 1})),
                ));
            }
            "ask" => {
                let wants = json!({"resultType": "input_required", "inputRequests": {}, "requestState": "s"});
                let wants: InputRequiredResult = serde_json::from_value(wants).expect("a result");
                wants.into()
            }
            "task" => {
                let ms = arguments["ms"].as_u64().unwrap_or(0);
                let stops = arguments["stops"].as_bool().unwrap_or(true);
                let options = TaskOptions::new().with_poll_interval_ms(20);
                let task = self.tasks.spawn(options, move |task| {
                    Box::pin(async move {
                        tokio::select! {
                            () = task.cancelled(), if stops => Err(TaskExit::Cancelled),
                            () = tokio::time::sleep(Duration::from_millis(ms)) => {
                                Ok(CallToolResult::success(vec![ContentBlock::text("the task is done")]))
                            }
                        }
                    })
                });
                CallToolResponse::Task(CreateTaskResult::new(task))
            }
            "die" => std::process::exit(3),
            "flood" => {
                let mut stdout = std::io::stdout().lock();
                for line in 0..arguments["lines"].as_u64().unwrap_or(0) {
                    let _ = writeln!(stdout, "\u{1b}[31mline {line} is {{no message");
                }
                drop(stdout);
                text("flooded")
            }
            "huge" => text("x".repeat(arguments["bytes"].as_u64().unwrap_or(0) as usize)),
            "whoami" => {
                let environment: Vec<(String, String)> = std::env::vars().collect();
                let arguments: Vec<String> = std::env::args().collect();
                text(
                    json!({"pid": std::process::id(), "environment": environment, "arguments": arguments})
                        .to_string(),
                )
            }
            "mismatch" => parse(json!({"content": [], "structuredContent": {"text": 5}})),
            "meta" => text(serde_json::to_string(&context.meta).expect("JSON")),
            "notify" => {
                self.changes.send_modify(|changes| *changes += 1);
                let _ = context.peer.notify_tool_list_changed().await;
                text("told")
            }
            "complain" => {
                eprintln!("{}", arguments["text"].as_str().unwrap_or_default());
                text("complained")
            }
            name => text(format!("called {name}")),
        })
    }
}

/// One of each kind.
pub fn content() -> Value {
    json!({"content": [
        {"type": "text", "text": "plain", "annotations": {"audience": ["user"], "priority": 0.5}},
        {"type": "image", "data": "aW1hZ2U=", "mimeType": "image/png"},
        {"type": "audio", "data": "YXVkaW8=", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "inside"}},
        {"type": "resource_link", "uri": "file:///b", "name": "b"},
    ]})
}
