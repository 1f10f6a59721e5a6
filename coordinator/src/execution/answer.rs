//! What clients get back: takes in what happens, counts it, and makes events, the summary and the whole answer
//! of it. What fits into a message is decided in [`super::answered`].

use std::{cell::Cell, collections::HashMap, sync::Arc, time::Duration};

use prost::Message;
use toolwave_proto::v1::{self, execution_event::Kind};
use toolwave_scheduler::{Schedule, plan::Plan};

use super::{
    analysis::Course,
    answered::{Answered, Ended, to_result},
    convert::{to_duration, to_outcome, to_timestamp},
    prepared::{EndedCall, ExecutionNews},
    words::{Scene, attempt_error, call_error},
};
use crate::catalogue::Catalogue;

/// Unknown tools of one execution for which near names are looked for; the search reads every declared name.
const NEAREST_LOOKUPS: u32 = 32;
/// Failures whose words are kept for the calls that are skipped because of them.
const KEPT_FAULTS: usize = 10_000;

/// Of what a client can receive, the analysis takes one part in so many at most; else its lists are cut.
const ANALYSIS: usize = 8;
/// What is left of its waits then.
const FEW_WAITS: usize = 3;

/// What is needed of a request to answer it.
#[derive(Debug)]
pub struct Shape {
    /// In request order.
    pub calls: Vec<ShapeCall>,
    /// The waves.
    pub plan: Plan,
    /// When one may start.
    pub schedule: Schedule,
    /// The most that the client receives in one message.
    pub max_response_bytes: usize,
}

/// One call of it.
#[derive(Debug)]
pub struct ShapeCall {
    /// Its id.
    pub id: Arc<str>,
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
    tenant: Option<Arc<str>>,
    course: Course,
}

impl Answer {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(shape: Arc<Shape>, catalogue: Arc<Catalogue>, execution_id: &str) -> Self {
        Self {
            course: Course::of(shape.calls.len()),
            shape,
            catalogue,
            execution_id: execution_id.to_owned(),
            faults: HashMap::new(),
            counts: Vec::new(),
            ended: 0,
            attempts: 0,
            sequential: Duration::ZERO,
            lookups: Cell::new(0),
            tenant: None,
        }
    }

    /// Whose it is, for what it waited for.
    #[must_use]
    pub fn of_tenant(mut self, tenant: Arc<str>) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Names the execution.
    #[must_use]
    pub(super) fn execution_id(&self) -> &str {
        &self.execution_id
    }

    /// What it answers to.
    #[must_use]
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Takes in the end of a call.
    pub fn end(&mut self, ended: Arc<EndedCall>) -> Ended {
        let error = self.count(&ended);
        Ended::new(&self.shape, ended, error)
    }

    /// The same, as it is of a call that returned nothing.
    pub fn end_without_result(&mut self, ended: &EndedCall) -> v1::CallResult {
        let error = self.count(ended);
        to_result(&self.shape, ended, error)
    }

    fn count(&mut self, ended: &EndedCall) -> Option<v1::CallError> {
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
        self.course
            .end(ended, &self.shape.calls[ended.call as usize].tool_name);
        error
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
        let mut analysis = self
            .course
            .analysis(&self.shape, self.tenant.as_deref().unwrap_or_default());
        // It must not stand in the way of what was asked for.
        if analysis.encoded_len() > self.shape.max_response_bytes / ANALYSIS {
            analysis.critical_path.clear();
            analysis.waits.truncate(FEW_WAITS);
        }
        v1::ExecutionSummary {
            execution_id: self.execution_id.clone(),
            calls: self.shape.calls.len() as u32,
            waves: self.shape.plan.wave_count(),
            outcomes,
            duration: Some(to_duration(duration)),
            sequential_duration: Some(to_duration(self.sequential)),
            attempts: self.attempts,
            analysis: Some(analysis),
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
                let result = self.end(ended.clone()).fit(&self.shape);
                (
                    ended.at,
                    Kind::Result(v1::CallEnded {
                        call_index: ended.call,
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
    pub fn response(&self, ended: Vec<Ended>, duration: Duration) -> Answered {
        Answered::new(self.shape.clone(), ended, self.summary(duration))
    }
}

/// On the wire.
#[must_use]
pub fn waves(plan: &Plan) -> Vec<v1::Wave> {
    plan.waves().into_iter().map(|calls| v1::Wave { calls }).collect()
}
