//! A cluster for tests: something runs, something waits, something is wrong.

use toolwave_client::v1::{self, Outcome, WaitReason, WorkerState};

use super::{
    sight::Sight,
    state::{Event, Top},
};
use crate::trace::sample::{at, ms};

pub(crate) fn running(id: &str, ended: u32, calls: u32) -> v1::ExecutionStatus {
    v1::ExecutionStatus {
        execution_id: id.to_owned(),
        tenant: "default".to_owned(),
        accepted_at: at(0),
        calls,
        waves: 2,
        waiting: calls - ended - 1,
        in_flight: 1,
        ended,
        duration: ms(u64::from(calls) * 1_000),
        ..v1::ExecutionStatus::default()
    }
}

fn worker(name: &str, state: WorkerState, in_flight: u32, draining: bool) -> v1::WorkerStatus {
    v1::WorkerStatus {
        worker: name.to_owned(),
        state: state.into(),
        draining,
        slots: 8,
        in_flight,
        tools: vec!["search".to_owned()],
        silence: ms(400),
        ..v1::WorkerStatus::default()
    }
}

fn limit(setting: &str, subject: &str, reason: WaitReason, waiting: u32) -> v1::LimitStatus {
    v1::LimitStatus {
        reason: reason.into(),
        subject: subject.to_owned(),
        setting: setting.to_owned(),
        limit: 4.0,
        in_use: 3.0,
        waiting,
    }
}

pub(crate) fn sight() -> Sight {
    let mut failing = running("9c1b7e44-0000-4000-8000-000000000002", 3, 40);
    failing.outcomes = vec![v1::OutcomeCount {
        outcome: Outcome::Failed.into(),
        count: 2,
    }];
    let tool = |name: &str, workers, queued| v1::ToolLoad {
        tool_name: name.to_owned(),
        workers,
        queued,
        in_flight: 3,
    };
    Sight {
        cluster: v1::GetClusterResponse {
            coordinator_id: "c".to_owned(),
            build: "0.1.0".to_owned(),
            started_at: at(0),
            executions: 2,
            queued_calls: 17,
            in_flight: 9,
            slots: 16,
            workers: 2,
            payload_bytes: 3 << 19,
            tools: vec![tool("fetch", 2, 0), tool("search", 2, 17), tool("gone", 0, 1)],
            limits: vec![
                limit("max_concurrency", "search", WaitReason::ToolLimit, 12),
                limit("rate", "search", WaitReason::ToolRate, 5),
                limit("max_queued_calls", "", WaitReason::Unspecified, 0),
            ],
            calls_ended: 1_000,
            ..v1::GetClusterResponse::default()
        },
        executions: Some(v1::ListExecutionsResponse {
            executions: vec![running("41a03d15-0000-4000-8000-000000000001", 6, 10), failing],
            forgotten: 0,
        }),
        workers: Some(vec![
            worker("anna", WorkerState::Ready, 8, false),
            worker("bert", WorkerState::Ready, 1, true),
            worker("carl", WorkerState::Suspect, 0, false),
        ]),
        ..Sight::default()
    }
}

pub(crate) fn top() -> Top {
    let mut top = Top::new("http://127.0.0.1:7420");
    top.update(Event::Seen(Box::new(sight())));
    top
}
