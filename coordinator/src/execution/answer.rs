//! What clients get back: the end of each call on the wire, events, the summary; within the size that the
//! client can receive.

use std::{cell::Cell, collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use toolwave_proto::v1::{self, call_result, execution_event::Kind};
use toolwave_scheduler::{Outcome, plan::Plan};

use super::{
    convert::{to_duration, to_outcome, to_timestamp},
    prepared::{EndedCall, ExecutionNews},
    struct_json::value_of,
    text::cut,
    words::{Scene, attempt_error, call_error},
};
use crate::catalogue::Catalogue;

/// Unknown tools of one execution for which near names are looked for; the search reads every declared name.
const NEAREST_LOOKUPS: u32 = 32;
/// Tags and lengths around one result, at most.
const AROUND: usize = 24;
/// Failures whose words are kept for the calls that are skipped because of them.
const KEPT_FAULTS: usize = 10_000;

/// What is needed of a request to answer it.
#[derive(Debug)]
pub struct Shape {
    /// In request order.
    pub calls: Vec<ShapeCall>,
    /// The waves.
    pub plan: Plan,
    /// The most that the client receives in one message.
    pub max_response_bytes: usize,
}

/// One call of it.
#[derive(Debug)]
pub struct ShapeCall {
    /// Its id.
    pub id: Box<str>,
    /// Its tool.
    pub tool_name: Arc<str>,
    /// How its result comes back.
    pub form: ResultForm,
}

/// How a result comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultForm {
    /// As the parameters came.
    AsCalled,
    /// As a `Value`, while it can hold the result.
    Value,
    /// As JSON text.
    Json,
}

impl From<v1::ResultForm> for ResultForm {
    fn from(form: v1::ResultForm) -> Self {
        match form {
            v1::ResultForm::Unspecified => Self::AsCalled,
            v1::ResultForm::Value => Self::Value,
            v1::ResultForm::Json => Self::Json,
        }
    }
}

impl ResultForm {
    /// This form, or `called` where the request does not say.
    #[must_use]
    pub fn or(self, called: Self) -> Self {
        if self == Self::AsCalled { called } else { self }
    }
}

/// Turns what happens into what is answered, and counts.
#[derive(Debug)]
pub struct Answer {
    shape: Arc<Shape>,
    catalogue: Arc<Catalogue>,
    execution_id: String,
    faults: HashMap<u32, (String, String)>,
    counts: Vec<(v1::Outcome, u32)>,
    ended: u32,
    attempts: u32,
    sequential: Duration,
    lookups: Cell<u32>,
}

/// The end of a call before its result is put in.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub call: u32,
    result: v1::CallResult,
    payload: Option<Bytes>,
    form: ResultForm,
}

impl Answer {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(shape: Arc<Shape>, catalogue: Arc<Catalogue>, execution_id: &str) -> Self {
        Self {
            shape,
            catalogue,
            execution_id: execution_id.to_owned(),
            faults: HashMap::new(),
            counts: Vec::new(),
            ended: 0,
            attempts: 0,
            sequential: Duration::ZERO,
            lookups: Cell::new(0),
        }
    }

    /// What it answers to.
    #[must_use]
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Takes in the end of a call.
    pub fn end(&mut self, ended: &EndedCall) -> Ended {
        let outcome = to_outcome(ended.outcome);
        let error = self.error(ended);
        if let Some(error) = &error
            && self.faults.len() < KEPT_FAULTS
        {
            self.faults
                .insert(ended.call, (error.code.clone(), error.message.clone()));
        }
        match self.counts.iter_mut().find(|(counted, _)| *counted == outcome) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((outcome, 1)),
        }
        self.ended += 1;
        self.attempts = self.attempts.saturating_add(ended.attempts.len() as u32);
        self.sequential = self.sequential.saturating_add(ended.execution_time);
        let call = &self.shape.calls[ended.call as usize];
        let success = ended.outcome == Outcome::Succeeded;
        let result = v1::CallResult {
            id: call.id.to_string(),
            tool_name: call.tool_name.to_string(),
            success,
            outcome: outcome.into(),
            error,
            wave: self.shape.plan.wave(ended.call),
            attempts: ended.attempts.iter().map(to_attempt).collect(),
            queue_time: Some(to_duration(ended.queue_time)),
            execution_time: Some(to_duration(ended.execution_time)),
            omitted_result_bytes: 0,
            result_form: None,
        };
        let payload = if success { ended.result.clone() } else { None };
        Ended {
            call: ended.call,
            result,
            payload,
            form: call.form,
        }
    }

    fn error(&self, ended: &EndedCall) -> Option<v1::CallError> {
        let tool = &self.shape.calls[ended.call as usize].tool_name;
        let nearest = || {
            self.lookups.set(self.lookups.get() + 1);
            if self.lookups.get() > NEAREST_LOOKUPS {
                return Vec::new();
            }
            self.catalogue
                .nearest(tool)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let id = |call: u32| {
            self.shape
                .calls
                .get(call as usize)
                .map_or_else(String::new, |call| call.id.to_string())
        };
        let fault = |call: u32| self.faults.get(&call).cloned();
        call_error(
            ended,
            &Scene {
                tool,
                id: &id,
                fault: &fault,
                nearest: &nearest,
            },
        )
    }

    /// The counts so far.
    #[must_use]
    pub fn summary(&self, duration: Duration) -> v1::ExecutionSummary {
        let mut outcomes: Vec<v1::OutcomeCount> = self
            .counts
            .iter()
            .map(|&(outcome, count)| v1::OutcomeCount {
                outcome: outcome.into(),
                count,
            })
            .collect();
        outcomes.sort_unstable_by_key(|count| count.outcome);
        v1::ExecutionSummary {
            execution_id: self.execution_id.clone(),
            calls: self.shape.calls.len() as u32,
            waves: self.shape.plan.wave_count(),
            outcomes,
            duration: Some(to_duration(duration)),
            sequential_duration: Some(to_duration(self.sequential)),
            attempts: self.attempts,
        }
    }

    /// The event for a piece of news, small enough for one message.
    #[must_use]
    pub fn event(&mut self, news: &ExecutionNews) -> v1::ExecutionEvent {
        let (at, kind) = match news {
            ExecutionNews::Started {
                call,
                attempt,
                worker,
                at,
            } => (
                *at,
                Kind::Started(v1::AttemptStarted {
                    call_index: *call,
                    attempt: *attempt,
                    worker: worker.to_string(),
                }),
            ),
            ExecutionNews::Progress {
                call,
                attempt,
                fraction,
                message,
                at,
            } => (
                *at,
                Kind::Progress(v1::AttemptProgress {
                    call_index: *call,
                    attempt: *attempt,
                    fraction: *fraction,
                    message: message.clone(),
                }),
            ),
            ExecutionNews::Retried {
                call,
                attempt,
                failure,
                backoff,
                at,
            } => (
                *at,
                Kind::Retried(v1::AttemptRetried {
                    call_index: *call,
                    attempt: *attempt,
                    failure: Some(attempt_error(failure)),
                    backoff: Some(to_duration(*backoff)),
                }),
            ),
            ExecutionNews::Ended(ended) => {
                let limit = self.shape.max_response_bytes;
                let end = self.end(ended);
                let call_index = end.call;
                let result = end.fit(limit);
                (
                    ended.at,
                    Kind::Result(v1::CallEnded {
                        call_index,
                        result: Some(result),
                    }),
                )
            }
            ExecutionNews::Finished { duration } => (
                std::time::SystemTime::now(),
                Kind::Summary(self.summary(*duration)),
            ),
        };
        v1::ExecutionEvent {
            at: Some(to_timestamp(at)),
            kind: Some(kind),
        }
    }

    /// The first event of a stream.
    #[must_use]
    pub fn planned(&self) -> v1::ExecutionEvent {
        let planned = v1::ExecutionPlanned {
            execution_id: self.execution_id.clone(),
            waves: waves(&self.shape.plan),
        };
        v1::ExecutionEvent {
            at: Some(to_timestamp(std::time::SystemTime::now())),
            kind: Some(Kind::Planned(planned)),
        }
    }

    /// The whole answer: all ends in request order, with as many results as fit.
    #[must_use]
    pub fn response(&self, ended: Vec<Ended>, duration: Duration) -> v1::ExecuteParallelResponse {
        let summary = self.summary(duration);
        let limit = self
            .shape
            .max_response_bytes
            .saturating_sub(summary.encoded_len() + AROUND);
        v1::ExecuteParallelResponse {
            results: fit_all(ended, limit),
            summary: Some(summary),
        }
    }
}

/// On the wire.
#[must_use]
pub fn waves(plan: &Plan) -> Vec<v1::Wave> {
    plan.waves().into_iter().map(|calls| v1::Wave { calls }).collect()
}

fn to_attempt(attempt: &super::prepared::EndedAttempt) -> v1::Attempt {
    v1::Attempt {
        number: attempt.number,
        worker: attempt.worker.to_string(),
        started_at: Some(to_timestamp(attempt.started_at)),
        ended_at: Some(to_timestamp(attempt.ended_at)),
        failure: attempt.failure.as_ref().map(attempt_error),
        late: attempt.late,
    }
}

/// Puts results in while they fit; what is said of each call has precedence.
fn fit_all(mut ended: Vec<Ended>, limit: usize) -> Vec<v1::CallResult> {
    let mut bare: usize = ended.iter().map(|end| end.result.encoded_len() + AROUND).sum();
    if bare > limit {
        ended.iter_mut().for_each(Ended::shorten);
        bare = ended.iter().map(|end| end.result.encoded_len() + AROUND).sum();
    }
    let mut left = limit.saturating_sub(bare);
    ended.into_iter().map(|end| end.put(&mut left)).collect()
}

impl Ended {
    /// As it is of a call that has none.
    #[must_use]
    pub fn without_result(self) -> v1::CallResult {
        self.result
    }

    /// With the result, or without it when the whole would not fit into a message of `limit` bytes.
    fn fit(mut self, limit: usize) -> v1::CallResult {
        // The event, and the message around it.
        let around = 4 * AROUND;
        if self.result.encoded_len() + around > limit {
            self.shorten();
        }
        let mut left = limit.saturating_sub(self.result.encoded_len() + around);
        self.put(&mut left)
    }

    fn put(mut self, left: &mut usize) -> v1::CallResult {
        let Some(text) = self.payload.take() else {
            return self.result;
        };
        let bytes = text.len();
        // JSON is never much longer than its value, so what cannot fit is not even converted.
        let form = if bytes / 2 > *left {
            None
        } else {
            Some(form(text, self.form))
        };
        let size = form
            .as_ref()
            .map_or(usize::MAX, call_result::ResultForm::encoded_len);
        if size <= *left {
            *left -= size;
            self.result.result_form = form;
        } else {
            self.result.omitted_result_bytes = bytes as u64;
        }
        self.result
    }

    /// Leaves out what is long and not needed to know how the call ended.
    fn shorten(&mut self) {
        let errors = self.result.error.iter_mut().chain(
            self.result
                .attempts
                .iter_mut()
                .filter_map(|attempt| attempt.failure.as_mut()),
        );
        for error in errors {
            error.details_json = Bytes::new();
            error.violations.clear();
            error.message.truncate(cut(&error.message, 128).len());
        }
    }
}

fn form(text: Bytes, form: ResultForm) -> call_result::ResultForm {
    match form {
        ResultForm::Json => call_result::ResultForm::ResultJson(text),
        // What a Value cannot hold safely comes as text, rather than not at all.
        ResultForm::Value | ResultForm::AsCalled => match value_of(&text) {
            Some(value) => call_result::ResultForm::Result(value),
            None => call_result::ResultForm::ResultJson(text),
        },
    }
}
