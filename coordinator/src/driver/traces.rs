//! What the driver does for traces: begins one with an execution, and tells it what ended. Where an execution is not
//! traced, none of it costs more than a look.

use toolwave_scheduler::ExecutionKey;

use super::{Driver, executions::Execution};
use crate::{
    execution::prepared::EndedCall,
    observe::traces::{self, CallEnd},
};

impl Driver {
    /// An execution is about to be submitted.
    pub(super) fn trace(&self, execution: &mut Execution) {
        let client = execution.caller.trace.take().map(|trace| *trace);
        (execution.trace, execution.spans) =
            traces::begin(&self.tracer, client, (self.clock.now, self.clock.wall));
    }

    pub(super) fn trace_accepted(&self, key: ExecutionKey) {
        if let Some(execution) = self.executions.look(key) {
            tracing::debug!(
                execution_id = %execution.words.execution_id,
                trace_id = execution.trace_id(),
                calls = execution.calls.len(),
                "execution accepted"
            );
        }
    }

    /// It is about to go, refused.
    pub(super) fn trace_refused(&mut self, key: ExecutionKey) {
        let now = self.clock.now;
        if let Some(execution) = self.executions.get(key)
            && let Some(spans) = execution.spans.take()
        {
            let tenant = &execution.caller.client.tenant;
            spans.refused(&self.tracer, &execution.words, tenant, now);
        }
    }

    pub(super) fn trace_ended(&mut self, key: ExecutionKey, ended: &EndedCall, parameter_bytes: u64) {
        if !self.tracer.is_on() {
            return;
        }
        let now = self.clock.now;
        if let Some(execution) = self.executions.get(key)
            && let Some(spans) = &mut execution.spans
            && let Some(words) = execution.words.calls.get(ended.call as usize)
        {
            let end = CallEnd {
                ended,
                words,
                parameter_bytes,
                now,
            };
            spans.ended(&self.tracer, &end);
        }
    }

    /// It is about to go, all its calls ended.
    pub(super) fn trace_finished(&mut self, key: ExecutionKey) {
        let now = self.clock.now;
        let Some(execution) = self.executions.get(key) else {
            return;
        };
        tracing::debug!(
            execution_id = %execution.words.execution_id,
            trace_id = execution.trace_id(),
            "execution ended"
        );
        if let Some(spans) = execution.spans.take() {
            let tenant = &execution.caller.client.tenant;
            spans.finished(&self.tracer, &execution.words, tenant, now);
        }
    }
}
