//! The answer to `PlanExecution`: waves, edges and where they come from, calls that would be rejected.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use prost::Message;
use toolwave_proto::v1;
use toolwave_scheduler::{Cause, Outcome, Waits};

use super::{
    answer::{Answer, waves},
    prepared::{CallState, EndedCall},
    validate::Prepared,
};
use crate::catalogue::Catalogue;

/// What would be, as things stand now.
#[must_use]
pub(super) fn plan_response(prepared: Prepared, catalogue: Arc<Catalogue>) -> v1::PlanExecutionResponse {
    let Prepared {
        execution,
        shape,
        edges,
    } = prepared;
    let limit = shape.max_response_bytes;
    let waves = waves(&shape.plan);
    let critical_path_calls = shape.plan.wave_count();
    let mut answer = Answer::new(Arc::new(shape), catalogue.clone(), "");
    let mut rejected = Vec::new();
    for (at, call) in execution.calls.into_iter().enumerate() {
        let (cause, rejection) = match call.state {
            CallState::Rejected(fault) => (Cause::Rejected, Some(Box::new(fault))),
            CallState::Unresolved if catalogue.tool(&call.tool_name).is_none() => (Cause::UnknownTool, None),
            CallState::Unresolved | CallState::Validated => continue,
        };
        let ended = EndedCall {
            call: at as u32,
            outcome: Outcome::Rejected,
            cause,
            result: None,
            rejection,
            attempts: smallvec::SmallVec::new(),
            queue_time: Duration::ZERO,
            execution_time: Duration::ZERO,
            waits: Waits::default(),
            at: SystemTime::UNIX_EPOCH,
        };
        rejected.push(v1::CallEnded {
            call_index: at as u32,
            result: Some(answer.end_without_result(&ended)),
        });
    }
    let mut response = v1::PlanExecutionResponse {
        waves,
        edges,
        rejected,
        critical_path_calls,
    };
    if response.encoded_len() > limit {
        response.edges.iter_mut().for_each(|edge| edge.detail.clear());
    }
    response
}
