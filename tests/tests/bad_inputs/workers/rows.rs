//! The rows of `data/bad_worker_messages.json`: what a worker does, step by step, and what becomes of its session
//! and its call.

use std::collections::BTreeMap;

use serde::Deserialize;
use toolwave_proto::v1;

use crate::{page::Line, status::ExpectedStatus};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) describes: String,
    /// TOML over the defaults of its coordinator.
    pub(crate) config: Option<String>,
    /// The worker proves to be this one of [`crate::folder::Setting::WorkerTls`].
    pub(crate) identity: Option<String>,
    /// A registration comes first where the first step is neither one nor bytes.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    pub(crate) expect: Option<Expected>,
    /// Where the answer needs a reason.
    why: Option<String>,
    pub(crate) not_applicable: Option<String>,
}

/// What the worker does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Step {
    Register(Box<Registration>),
    /// A message of these bytes.
    Raw(String),
    /// A message of so many bytes, well formed.
    Large(usize),
    /// A client calls the tool; the worker waits for the dispatch.
    Dispatch,
    /// The same for a call of another worker, whose attempt is then spoken of as this worker's.
    DispatchToOther,
    /// The other worker answers it.
    OtherAnswers(String),
    Started(Who),
    Result {
        of: Who,
        json: String,
    },
    /// A result of these bytes.
    ResultHex(String),
    /// A result of so many lists in one another, none of which ends.
    ResultLists(usize),
    /// A result of a JSON string of so many bytes.
    ResultBytes(usize),
    /// A result whose number is not the next.
    ResultNumbered(u64),
    Failure(Box<Failure>),
    /// A result that follows in chunks.
    Announce(u64),
    /// The same for an attempt of this number, of an execution that never was.
    AnnounceOfAnother(u32),
    Chunk {
        of: Who,
        offset: u64,
        text: String,
    },
    Heartbeat {
        listed: usize,
        current: bool,
        read: u64,
    },
    /// So many heartbeats, until the session ends.
    Heartbeats(u64),
    /// Messages of all kinds but heartbeats, until the session ends.
    NoHeartbeat,
    Progress {
        of: Who,
        fraction: String,
        message: String,
    },
    /// So many frames of so many progress reports.
    ManyProgress {
        frames: usize,
        reports: usize,
    },
    ToolsChanged(Vec<ToolRow>),
    Goodbye,
    HangUp,
    /// Another session of the same name; of the same process or another.
    Again {
        same_process: bool,
    },
    /// Before the worker another registers under its name, who proves to be this one.
    NameTaken(String),
    /// Waits until all of the above has been taken in.
    Settle,
}

/// Which attempt is named.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// The dispatched one.
    Current,
    /// One more than was dispatched.
    Next,
    /// Of an execution that never was.
    Unknown,
    /// None at all.
    None,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Registration {
    pub(crate) worker: String,
    pub(crate) instance: String,
    pub(crate) protocol: (u32, u32),
    pub(crate) slots: u32,
    pub(crate) max_message_bytes: u32,
    pub(crate) listed: usize,
    pub(crate) labels: usize,
    pub(crate) build: String,
    pub(crate) idempotent: bool,
    pub(crate) tools: Vec<ToolRow>,
    /// So many tools, named by their number.
    pub(crate) many_tools: usize,
    /// The frame holds a goodbye too.
    pub(crate) goodbye: bool,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            worker: "w".into(),
            instance: "w-1".into(),
            protocol: (1, 1),
            slots: 8,
            max_message_bytes: 0,
            listed: 0,
            labels: 0,
            build: String::new(),
            idempotent: false,
            tools: Vec::new(),
            many_tools: 0,
            goodbye: false,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ToolRow {
    pub(crate) name: String,
    pub(crate) schema: String,
    /// A schema of so many bytes.
    pub(crate) schema_bytes: usize,
    /// A schema of so many schemas in one another.
    pub(crate) schema_depth: usize,
    pub(crate) description_bytes: usize,
    pub(crate) rate: String,
    pub(crate) timeout_seconds: Option<i64>,
    pub(crate) effects: usize,
    pub(crate) max_attempts: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Failure {
    pub(crate) kind: i32,
    pub(crate) code: String,
    pub(crate) message: String,
    /// The message is repeated to so many bytes.
    pub(crate) message_bytes: usize,
    pub(crate) details: String,
    pub(crate) retryable: bool,
    pub(crate) retry_after: Option<(i64, i32)>,
    pub(crate) execution_time: Option<(i64, i32)>,
}

impl Default for Failure {
    fn default() -> Self {
        Self {
            kind: v1::AttemptFailureKind::ToolError.into(),
            code: String::new(),
            message: String::new(),
            message_bytes: 0,
            details: String::new(),
            retryable: false,
            retry_after: None,
            execution_time: None,
        }
    }
}

/// What is seen of it. A session whose end is not expected goes on: the next call is answered on it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expected {
    /// How the session ends.
    pub(crate) end: Option<ExpectedStatus>,
    /// It ends without a status.
    pub(crate) ends_well: bool,
    /// What becomes of the call.
    pub(crate) call: Option<ExpectedCall>,
    /// Attempts that the worker is told to stop.
    pub(crate) aborts: Option<usize>,
    /// The session goes on, and no call is given to it.
    pub(crate) no_next_call: bool,
    /// What is kept of the worker.
    pub(crate) slots: Option<u32>,
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) labels: Option<usize>,
    /// What a watcher reads: fraction and message.
    pub(crate) progress: Option<Vec<(Option<f64>, String)>>,
    /// At most so many.
    pub(crate) progress_at_most: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedCall {
    pub(crate) outcome: String,
    pub(crate) code: Option<String>,
    pub(crate) result: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) message_bytes_at_most: Option<usize>,
}

pub(crate) fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../../data/bad_worker_messages.json"))
        .expect("the catalogue is good JSON")
}

impl Registration {
    pub(crate) fn register(&self) -> v1::Register {
        let mut tools = vec![v1::Tool {
            name: "held".into(),
            idempotent: self.idempotent,
            ..v1::Tool::default()
        }];
        tools.extend(self.tools.iter().map(ToolRow::tool));
        tools.extend((0..self.many_tools).map(|number| v1::Tool {
            name: number.to_string(),
            ..v1::Tool::default()
        }));
        let labels: BTreeMap<String, String> = (0..self.labels)
            .map(|number| (number.to_string(), "\u{1b}".repeat(1000)))
            .collect();
        v1::Register {
            worker: self.worker.clone(),
            instance_id: self.instance.clone(),
            min_protocol: self.protocol.0,
            max_protocol: self.protocol.1,
            build: self.build.clone(),
            slots: self.slots,
            labels: labels.into_iter().collect(),
            tools,
            in_flight: invented(self.listed),
            max_message_bytes: self.max_message_bytes,
            ..v1::Register::default()
        }
    }
}

/// Attempts that never were.
pub(crate) fn invented(count: usize) -> Vec<v1::AttemptRef> {
    (0..count)
        .map(|at| v1::AttemptRef {
            execution: 1 << 40,
            call_index: at as u32,
            attempt: 1,
        })
        .collect()
}

impl ToolRow {
    pub(crate) fn tool(&self) -> v1::Tool {
        let schema = if self.schema_bytes > 0 {
            format!("{{\"title\":\"{}\"}}", "x".repeat(self.schema_bytes))
        } else if self.schema_depth > 0 {
            format!(
                "{}{{}}{}",
                "{\"not\":".repeat(self.schema_depth),
                "}".repeat(self.schema_depth)
            )
        } else {
            self.schema.clone()
        };
        v1::Tool {
            name: self.name.clone(),
            description: "d".repeat(self.description_bytes),
            input_schema_json: schema.into(),
            rate_per_second: match self.rate.as_str() {
                "" => 0.0,
                rate => rate.parse().expect("a number"),
            },
            timeout: self
                .timeout_seconds
                .map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
            effects: vec![v1::Effect::default(); self.effects],
            retry: (self.max_attempts > 0).then(|| v1::RetryPolicy {
                max_attempts: self.max_attempts,
                ..v1::RetryPolicy::default()
            }),
            ..v1::Tool::default()
        }
    }
}

impl Expected {
    pub(crate) fn session_ends(&self) -> bool {
        self.end.is_some() || self.ends_well
    }

    fn text(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(
            self.end
                .iter()
                .map(|end| format!("the session ends: {}", end.text())),
        );
        if self.ends_well {
            parts.push("the session ends".to_owned());
        }
        parts.extend(self.call.iter().map(|call| {
            let code = call.code.iter().map(|code| format!(" `{code}`"));
            format!("the call: {}{}", call.outcome, code.collect::<String>())
        }));
        if !self.session_ends() {
            parts.push("the session goes on".to_owned());
        }
        parts.join("; ")
    }
}

impl Row {
    /// For the page; none where there is nothing to be seen.
    pub(crate) fn line(&self) -> Option<Line> {
        let answer = self.expect.as_ref()?.text();
        Some(Line::new(&self.id, &self.describes, answer, self.why.as_deref()))
    }
}
