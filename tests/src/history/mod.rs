//! Holds what tools did against what clients were told, by the promise in `docs/semantics.md`.
//!
//! [`Recorder`] writes what tools do, in their own processes; [`Answered`] keeps what a client asked for and got;
//! [`breaches`] lists where the two break the promise. A worker that was killed between an effect and its report
//! leaves a start without an end, so nothing here counts on an end having been written.

mod attempts;
mod breach;
mod calls;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use toolwave_client::v1;

pub use breach::Breach;
pub use record::{Kind, Line, Recorded, Recorder};

/// What is asked for in one call, as far as the promise depends on it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// Its tool says that it may run more than once.
    pub repeatable: bool,
    /// Ids that must have succeeded before it starts.
    pub depends_on: Vec<String>,
    /// Attempts that its policy allows.
    pub max_attempts: u32,
}

/// What one client asked for, and what it was told.
#[derive(Clone, Debug)]
pub struct Answered {
    /// In request order.
    pub calls: Vec<Asked>,
    /// The whole answer.
    pub response: v1::ExecuteParallelResponse,
}

impl Answered {
    /// The answer to this request; `repeatable` says of a tool what it declares.
    #[must_use]
    pub fn new(
        request: &v1::ExecuteParallelRequest,
        response: v1::ExecuteParallelResponse,
        repeatable: impl Fn(&str) -> bool,
    ) -> Self {
        let default = v1::RetryPolicy {
            max_attempts: 3,
            ..v1::RetryPolicy::default()
        };
        let asked = |(index, call): (usize, &v1::Call)| Asked {
            id: call.id.clone().unwrap_or_else(|| index.to_string()),
            repeatable: repeatable(&call.tool_name),
            depends_on: call.depends_on.clone(),
            max_attempts: call.retry.or(request.retry).unwrap_or(default).max_attempts,
        };
        Self {
            calls: request.calls.iter().enumerate().map(asked).collect(),
            response,
        }
    }

    fn execution(&self) -> &str {
        self.response
            .summary
            .as_ref()
            .map_or("", |summary| &summary.execution_id)
    }
}

/// What is known of one attempt from what was written.
#[derive(Clone, Debug, Default)]
struct Written {
    /// By place in the file.
    starts: Vec<usize>,
    ends: Vec<(usize, Kind)>,
    worker: String,
    repeatable: bool,
}

impl Written {
    /// It started, and its tool did not say that nothing came of it.
    fn may_have_had_effect(&self) -> bool {
        !self.starts.is_empty() && !self.ends.iter().any(|(_, kind)| *kind == Kind::Declined)
    }
}

/// Execution and call.
type CallName = (String, String);

/// What was written, by call and by attempt.
struct History {
    calls: HashMap<CallName, HashMap<u32, Written>>,
}

impl History {
    fn new(lines: &[Line]) -> Self {
        let mut calls: HashMap<CallName, HashMap<u32, Written>> = HashMap::new();
        for (place, line) in lines.iter().enumerate() {
            let call = calls
                .entry((line.execution.clone(), line.call.clone()))
                .or_default();
            let written = call.entry(line.attempt).or_default();
            written.repeatable = line.repeatable;
            match line.kind {
                Kind::Start => {
                    written.starts.push(place);
                    written.worker.clone_from(&line.worker);
                }
                kind => written.ends.push((place, kind)),
            }
        }
        Self { calls }
    }

    fn call(&self, execution: &str, call: &str) -> Option<&HashMap<u32, Written>> {
        self.calls.get(&(execution.to_owned(), call.to_owned()))
    }
}

/// Every breach of the promise. `slots`: of each worker, by name; an unknown worker's are not looked at.
///
/// Executions without an answer (their client or coordinator died) are held to what needs none: that no attempt
/// and no call that is not safe to repeat ran twice.
#[must_use]
pub fn breaches(lines: &[Line], answers: &[Answered], slots: &HashMap<String, usize>) -> Vec<Breach> {
    let history = History::new(lines);
    let mut found = Vec::new();
    attempts::check(&history, &mut found);
    attempts::check_slots(lines, slots, &mut found);
    let mut told: HashMap<&str, &Answered> = HashMap::new();
    for answer in answers {
        if let Some(before) = told.insert(answer.execution(), answer)
            && unchangeable(before) != unchangeable(answer)
        {
            found.push(Breach::AnswersDiffer {
                execution: answer.execution().to_owned(),
            });
        }
        calls::check(&history, answer, &mut found);
    }
    found
}

/// The results without what may be added later: that a report came after the end.
fn unchangeable(answer: &Answered) -> Vec<v1::CallResult> {
    let mut results = answer.response.results.clone();
    for attempt in results.iter_mut().flat_map(|result| &mut result.attempts) {
        attempt.late = false;
    }
    results
}
