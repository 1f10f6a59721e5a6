//! The coordinator as a whole, in wire form: what runs, what waits, and for which limit.

use toolwave_proto::v1;

use crate::{driver::history::ClusterState, execution::convert::to_timestamp, handle::Handle};

/// What operators are told of all of it.
pub(super) fn response(state: ClusterState, handle: &Handle) -> v1::GetClusterResponse {
    let (coordinator_id, started_at) = handle.process();
    let held = handle.history().held();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let tools = state.tools.iter().map(|(name, tool)| v1::ToolLoad {
        tool_name: name.to_string(),
        workers: tool.workers,
        queued: tool.queued,
        in_flight: tool.in_flight,
    });
    v1::GetClusterResponse {
        coordinator_id: coordinator_id.to_owned(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Some(to_timestamp(started_at)),
        draining: state.draining,
        executions: number(state.totals.executions),
        queued_calls: number(state.totals.queued_calls),
        in_flight: number(state.totals.in_flight),
        slots: state.slots,
        workers: number(state.totals.workers),
        payload_bytes: handle.payload_bytes(),
        tools: tools.collect(),
        limits: Vec::new(),
        executions_ended: held.executions_ended,
        calls_ended: held.calls_ended + state.calls_ended,
    }
}
