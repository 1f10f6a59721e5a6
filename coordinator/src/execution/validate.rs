//! A request as it came becomes an execution that is right as a whole, or the list of all that is wrong with it.
//! One pass; nothing runs, nothing is kept.

use std::time::Duration;

use toolwave_proto::v1::{self, call::ParametersForm};
use toolwave_scheduler::{OnFailure, RetryPolicy, Schedule};

use super::{
    answer::{ResultForm, Shape, ShapeCall},
    calls::{Checker, Tools, is_key},
    convert,
    graph::Graph,
    ids::Ids,
    limits::{DEFAULT_CONCURRENCY, DEFAULT_RESPONSE_BYTES, DEFAULT_TIMEOUT, NAME_BYTES, RequestLimits},
    prepared::{Detail, PreparedExecution},
    violations::Violations,
};
use crate::{
    catalogue::Catalogue,
    error::{Reason, RequestError},
};

/// The smallest answer that a client may ask for, in bytes.
const SMALLEST_RESPONSE: u32 = 1024;

/// A request that is right.
#[derive(Debug)]
pub struct Prepared {
    /// For the driver.
    pub execution: PreparedExecution,
    /// For the answer.
    pub shape: Shape,
    /// Where each edge comes from, when that was asked for.
    pub edges: Vec<v1::Edge>,
}

/// What comes with a request besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// From the RPC's deadline, less the margin for the answer.
    pub deadline: Option<Duration>,
    /// Which events are wanted.
    pub detail: Detail,
    /// Say where each edge comes from.
    pub explain: bool,
}

/// Checks all of `request`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn prepare(
    request: v1::ExecuteParallelRequest,
    catalogue: &Catalogue,
    limits: &RequestLimits,
    circumstances: Circumstances,
) -> Result<Prepared, RequestError> {
    check_count(request.calls.len(), limits)?;
    let mut violations = Violations::default();
    let options = options(&request, circumstances.deadline, &mut violations);
    let form = ResultForm::from(request.result_form());
    let ids = Ids::of(&request.calls, &mut violations);
    let graph = Graph {
        explained: circumstances.explain.then(Vec::new),
        ..Graph::default()
    };
    let mut checker = Checker {
        catalogue,
        limits,
        ids: &ids,
        tools: Tools::default(),
        graph,
        violations,
    };
    let mut calls = Vec::with_capacity(ids.texts.len());
    let mut shapes = Vec::with_capacity(ids.texts.len());
    for (at, call) in request.calls.into_iter().enumerate() {
        let form = form.or(match &call.parameters_form {
            Some(ParametersForm::ParametersJson(_)) => ResultForm::Json,
            Some(ParametersForm::Parameters(_)) | None => ResultForm::Value,
        });
        let mut call = checker.check(at as u32, call);
        call.retry = call.retry.or(options.retry);
        shapes.push(ShapeCall {
            id: call.id.clone(),
            tool_name: call.tool_name.clone(),
            form,
        });
        calls.push(call);
    }
    let Checker {
        mut graph,
        mut violations,
        ..
    } = checker;
    // With an id twice, edges lead to the wrong call and cycles mean nothing.
    let plan = if ids.distinct {
        graph.plan(&ids.texts, limits, &mut violations)
    } else {
        None
    };
    let (Some(plan), true) = (plan, violations.is_empty()) else {
        return Err(RequestError::Invalid(violations));
    };
    let shape = Shape {
        calls: shapes,
        plan: plan.clone(),
        schedule: options.schedule,
        max_response_bytes: options.max_response_bytes,
    };
    let execution = PreparedExecution {
        plan,
        calls,
        max_concurrency: options.max_concurrency,
        schedule: options.schedule,
        on_failure: options.on_failure,
        timeout: options.timeout,
        detail: circumstances.detail,
    };
    Ok(Prepared {
        execution,
        shape,
        edges: graph.explained.unwrap_or_default(),
    })
}

fn check_count(calls: usize, limits: &RequestLimits) -> Result<(), RequestError> {
    let limit = limits.max_calls;
    let (reason, description) = match calls {
        0 => (
            Reason::EmptyRequest,
            "an execution has at least one call".to_owned(),
        ),
        calls if calls > limit => (
            Reason::TooManyCalls,
            format!("{calls} calls, at most {limit} are allowed"),
        ),
        _ => return Ok(()),
    };
    Err(RequestError::Invalid(Violations::one(
        reason,
        "calls",
        description,
    )))
}

struct Options {
    max_concurrency: Option<u32>,
    schedule: Schedule,
    on_failure: OnFailure,
    timeout: Duration,
    retry: Option<RetryPolicy>,
    max_response_bytes: usize,
}

fn options(
    request: &v1::ExecuteParallelRequest,
    deadline: Option<Duration>,
    violations: &mut Violations,
) -> Options {
    let mut add = |reason, field: &str, what: String| violations.add(reason, || field.to_owned(), || what);
    let max_concurrency = match (request.max_concurrency, request.max_concurrency_auto) {
        (None, false) => Some(DEFAULT_CONCURRENCY),
        (None, true) => None,
        (Some(0), _) => {
            add(
                Reason::BadConcurrency,
                "max_concurrency",
                "0 is no number of calls: leave it out for 5, or set max_concurrency_auto".into(),
            );
            None
        }
        (Some(_), true) => {
            let what = "max_concurrency must be left out with max_concurrency_auto";
            add(Reason::BadConcurrency, "max_concurrency", what.into());
            None
        }
        (Some(some), false) => Some(some),
    };
    let schedule = match v1::Schedule::try_from(request.schedule) {
        Ok(v1::Schedule::Unspecified | v1::Schedule::PipelinedWaves) => Schedule::Pipelined,
        Ok(v1::Schedule::BarrierWaves) => Schedule::Barrier,
        Err(_) => {
            add(
                Reason::BadEnum,
                "schedule",
                format!("{} is no Schedule", request.schedule),
            );
            Schedule::Pipelined
        }
    };
    let on_failure = match v1::OnFailure::try_from(request.on_failure) {
        Ok(v1::OnFailure::Unspecified | v1::OnFailure::Continue) => OnFailure::Continue,
        Ok(v1::OnFailure::FailFast) => OnFailure::FailFast,
        Err(_) => {
            add(
                Reason::BadEnum,
                "on_failure",
                format!("{} is no OnFailure", request.on_failure),
            );
            OnFailure::Continue
        }
    };
    if v1::ResultForm::try_from(request.result_form).is_err() {
        add(
            Reason::BadEnum,
            "result_form",
            format!("{} is no ResultForm", request.result_form),
        );
    }
    let asked = request
        .timeout
        .as_ref()
        .map(convert::timeout)
        .transpose()
        .unwrap_or_else(|what| {
            add(Reason::BadTimeout, "timeout", what);
            None
        });
    let retry = request
        .retry
        .as_ref()
        .map(convert::retry_policy)
        .transpose()
        .unwrap_or_else(|(field, what)| {
            add(Reason::BadRetry, &format!("retry.{field}"), what);
            None
        });
    if !is_key(&request.idempotency_key) {
        let what = format!("at most {NAME_BYTES} bytes without control characters are allowed");
        add(Reason::BadIdempotencyKey, "idempotency_key", what);
    }
    if request
        .max_response_bytes
        .is_some_and(|bytes| bytes < SMALLEST_RESPONSE)
    {
        let what = format!("at least {SMALLEST_RESPONSE} bytes are needed for any answer");
        add(Reason::BadResponseLimit, "max_response_bytes", what);
    }
    Options {
        max_concurrency,
        schedule,
        on_failure,
        timeout: asked.into_iter().chain(deadline).min().unwrap_or(DEFAULT_TIMEOUT),
        retry,
        max_response_bytes: request
            .max_response_bytes
            .map_or(DEFAULT_RESPONSE_BYTES, |bytes| bytes as usize),
    }
}
