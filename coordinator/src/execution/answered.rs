//! The whole answer to a request, before it is bytes: the ends of its calls, with as many results as fit into
//! what the client can receive. How it is written is in `answered_wire`.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use toolwave_proto::v1::{self, call_result};
use toolwave_scheduler::Outcome;

use super::{
    answer::{ResultForm, Shape},
    answered_wire::plain_len,
    convert::{to_duration, to_outcome, to_timestamp},
    prepared::{EndedAttempt, EndedCall},
    struct_json::value_of,
    text::cut,
    words::attempt_error,
};

/// Tags and lengths around one result, at most.
const AROUND: usize = 24;
/// Of a result on the wire, besides its texts, its attempts and what the tool returned: at most so many bytes.
const RESULT: usize = 160;
/// Of an attempt without a failure, besides its worker's name: at most so many bytes.
const ATTEMPT: usize = 120;

/// The whole answer.
#[derive(Debug)]
pub struct Answered {
    pub(super) shape: Arc<Shape>,
    /// In request order.
    pub(super) ended: Vec<Ended>,
    pub(super) summary: v1::ExecutionSummary,
}

/// The end of a call. Small: an execution has thousands.
#[derive(Debug)]
pub struct Ended(pub(super) End);

#[derive(Debug)]
pub(super) enum End {
    /// It succeeded, and no attempt failed: nothing is to be said that the driver has not said. Its result, if
    /// it stays so, travels as JSON text.
    Plain(Arc<EndedCall>),
    /// The same, and its result is left out.
    LeftOut(Arc<EndedCall>),
    /// Any other, and a result that travels as a `Value`.
    Said(Box<Said>),
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) result: v1::CallResult,
    form: ResultForm,
    /// What is not put in yet.
    payload: Option<Bytes>,
}

// === impl Answered ===

impl Answered {
    /// Puts results in while they fit.
    pub(super) fn new(shape: Arc<Shape>, mut ended: Vec<Ended>, summary: v1::ExecutionSummary) -> Self {
        let limit = shape
            .max_response_bytes
            .saturating_sub(summary.encoded_len() + AROUND);
        fit_all(&mut ended, &shape, limit);
        Self {
            shape,
            ended,
            summary,
        }
    }

    /// As the generated type.
    #[must_use]
    pub fn into_message(self) -> v1::ExecuteParallelResponse {
        let results = self.ended.into_iter().map(|end| end.into_message(&self.shape));
        v1::ExecuteParallelResponse {
            results: results.collect(),
            summary: Some(self.summary),
        }
    }
}

/// What is said of each call has precedence over results.
fn fit_all(ended: &mut [Ended], shape: &Shape, limit: usize) {
    // Nearly always all of it fits by far, and nothing needs to be measured exactly.
    let at_most: Option<usize> = ended.iter().map(|end| end.at_most(shape)).sum();
    if at_most.is_some_and(|bytes| bytes <= limit) {
        return;
    }
    let measure = |ended: &[Ended]| -> usize { ended.iter().map(|end| end.bare_len(shape) + AROUND).sum() };
    let mut bare = measure(ended);
    if bare > limit {
        ended.iter_mut().for_each(Ended::shorten);
        bare = measure(ended);
    }
    let mut left = limit.saturating_sub(bare);
    ended.iter_mut().for_each(|end| end.put_in(shape, &mut left));
}

// === impl Ended ===

impl Ended {
    pub(super) fn new(shape: &Shape, ended: Arc<EndedCall>, error: Option<v1::CallError>) -> Self {
        let success = ended.outcome == Outcome::Succeeded;
        let unfailing = ended.attempts.iter().all(|attempt| attempt.failure.is_none());
        if success && error.is_none() && unfailing {
            return Self(End::Plain(ended));
        }
        Self(End::Said(Box::new(Said {
            result: to_result(shape, &ended, error),
            form: shape.calls[ended.call as usize].form,
            payload: if success { ended.result.clone() } else { None },
        })))
    }

    /// No less than its bytes on the wire with its result, which needs no converting; `None` where that is not
    /// known without a closer look.
    fn at_most(&self, shape: &Shape) -> Option<usize> {
        let End::Plain(ended) = &self.0 else { return None };
        let call = &shape.calls[ended.call as usize];
        // A Value may be longer than the JSON that it holds.
        if ended.result.is_some() && call.form != ResultForm::Json {
            return None;
        }
        let attempts: usize = ended
            .attempts
            .iter()
            .map(|attempt| ATTEMPT + attempt.worker.len())
            .sum();
        let payload = ended.result.as_ref().map_or(0, Bytes::len);
        Some(RESULT + call.id.len() + call.tool_name.len() + attempts + payload)
    }

    /// Its bytes on the wire without its result.
    fn bare_len(&self, shape: &Shape) -> usize {
        match &self.0 {
            End::Plain(ended) | End::LeftOut(ended) => plain_len(shape, ended),
            End::Said(said) => said.result.encoded_len(),
        }
    }

    /// In an event: with the result, or without it when the whole would not fit into one message.
    pub(super) fn fit(mut self, shape: &Shape) -> v1::CallResult {
        // The event, and the message around it.
        let around = 4 * AROUND;
        let limit = shape.max_response_bytes;
        if self.bare_len(shape) + around > limit {
            self.shorten();
        }
        let mut left = limit.saturating_sub(self.bare_len(shape) + around);
        self.put_in(shape, &mut left);
        self.into_message(shape)
    }

    fn put_in(&mut self, shape: &Shape, left: &mut usize) {
        match &mut self.0 {
            End::Plain(ended) => {
                let Some(text) = &ended.result else { return };
                let form = shape.calls[ended.call as usize].form;
                match fitting(text, form, left) {
                    Some(call_result::ResultForm::ResultJson(_)) => {}
                    Some(value) => {
                        let mut result = to_result(shape, ended, None);
                        result.result_form = Some(value);
                        self.0 = End::Said(Box::new(Said {
                            result,
                            form,
                            payload: None,
                        }));
                    }
                    None => self.0 = End::LeftOut(ended.clone()),
                }
            }
            End::LeftOut(_) => {}
            End::Said(said) => {
                let Some(text) = said.payload.take() else { return };
                said.result.result_form = fitting(&text, said.form, left);
                if said.result.result_form.is_none() {
                    said.result.omitted_result_bytes = text.len() as u64;
                }
            }
        }
    }

    /// Leaves out what is long and not needed to know how the call ended.
    fn shorten(&mut self) {
        let End::Said(said) = &mut self.0 else { return };
        let result = &mut said.result;
        let failures = result
            .attempts
            .iter_mut()
            .filter_map(|attempt| attempt.failure.as_mut());
        for error in result.error.iter_mut().chain(failures) {
            error.details_json = Bytes::new();
            error.violations.clear();
            error.message.truncate(cut(&error.message, 128).len());
        }
    }

    fn into_message(self, shape: &Shape) -> v1::CallResult {
        match self.0 {
            End::Plain(ended) => v1::CallResult {
                result_form: ended.result.clone().map(call_result::ResultForm::ResultJson),
                ..to_result(shape, &ended, None)
            },
            End::LeftOut(ended) => v1::CallResult {
                omitted_result_bytes: ended.result.as_ref().map_or(0, |text| text.len() as u64),
                ..to_result(shape, &ended, None)
            },
            End::Said(said) => said.result,
        }
    }
}

/// A result as it travels, when it fits into what is left.
fn fitting(text: &Bytes, form: ResultForm, left: &mut usize) -> Option<call_result::ResultForm> {
    // JSON is never much longer than its value, so what cannot fit is not even converted.
    if text.len() / 2 > *left {
        return None;
    }
    let json = || call_result::ResultForm::ResultJson(text.clone());
    let form = match form {
        ResultForm::Json => json(),
        // What a Value cannot hold safely comes as text, rather than not at all.
        ResultForm::Value | ResultForm::AsCalled => {
            value_of(text).map_or_else(json, call_result::ResultForm::Result)
        }
    };
    *left = left.checked_sub(form.encoded_len())?;
    Some(form)
}

/// As it is of a call that returned nothing.
pub(super) fn to_result(shape: &Shape, ended: &EndedCall, error: Option<v1::CallError>) -> v1::CallResult {
    let call = &shape.calls[ended.call as usize];
    v1::CallResult {
        id: call.id.to_string(),
        tool_name: call.tool_name.to_string(),
        success: ended.outcome == Outcome::Succeeded,
        outcome: to_outcome(ended.outcome).into(),
        error,
        wave: shape.plan.wave(ended.call),
        attempts: ended.attempts.iter().map(to_attempt).collect(),
        queue_time: Some(to_duration(ended.queue_time)),
        execution_time: Some(to_duration(ended.execution_time)),
        omitted_result_bytes: 0,
        result_form: None,
    }
}

/// As it is on the wire.
pub(crate) fn to_attempt(attempt: &EndedAttempt) -> v1::Attempt {
    v1::Attempt {
        number: attempt.number,
        worker: attempt.worker.to_string(),
        started_at: Some(to_timestamp(attempt.started_at)),
        ended_at: Some(to_timestamp(attempt.ended_at)),
        failure: attempt.failure.as_deref().map(attempt_error),
        late: attempt.late,
        dispatched_at: Some(to_timestamp(attempt.dispatched_at)),
    }
}

#[cfg(test)]
mod tests;
