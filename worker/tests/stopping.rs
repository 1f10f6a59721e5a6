//! How attempts are stopped, and that their slots are free only then.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::{Arc, Condvar, Mutex};

use common::{
    Counted, FakeCoordinator, Gate, Running, Text, attempt, dispatch, duration, registered, within, worker,
};
use tokio::sync::Semaphore;
use toolwave_proto::v1::{AttemptFailureKind, Dispatch, Registered};
use toolwave_worker::{BlockingTool, CallContext, Tool, ToolError};

/// Blocks its thread until a test lets it go, whatever else happens; counts that it was cancelled.
#[derive(Clone)]
struct Blocked {
    begun: Arc<Semaphore>,
    cancelled: Arc<Semaphore>,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Blocked {
    fn new() -> Self {
        let semaphore = || Arc::new(Semaphore::new(0));
        Self {
            begun: semaphore(),
            cancelled: semaphore(),
            open: Arc::default(),
        }
    }

    fn tool(&self) -> impl Tool + use<> {
        let blocked = self.clone();
        let runtime = tokio::runtime::Handle::current();
        BlockingTool::new("block", "Blocks.", move |_: Text, context: CallContext| {
            let (lock, condition) = &*blocked.open;
            let cancelled = Arc::clone(&blocked.cancelled);
            let watched = context.clone();
            let watcher = runtime.spawn(async move {
                watched.cancelled().await;
                drop(Counted(cancelled));
            });
            blocked.begun.add_permits(1);
            let open = condition.wait_while(lock.lock().unwrap(), |open| !*open).unwrap();
            watcher.abort();
            drop(open);
            Ok::<_, ToolError>("done")
        })
    }

    fn release(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }
}

/// A failed test must not leave a thread that its runtime waits for.
impl Drop for Blocked {
    fn drop(&mut self) {
        self.release();
    }
}

#[tokio::test]
async fn an_abort_drops_an_async_tool_and_then_reports_its_end() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "hold", "{}")]).await;
    gate.wait_begun().await;
    session.abort(attempt(1)).await;
    assert_eq!(
        session.failure(attempt(1)).await.kind(),
        AttemptFailureKind::Aborted
    );
    assert_eq!(
        gate.dropped.available_permits(),
        1,
        "it had stopped before its end was told"
    );
}

#[tokio::test]
async fn an_abort_that_comes_before_its_dispatch_is_remembered() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session.abort(attempt(1)).await;
    session
        .dispatch([dispatch(1, "hold", "{}"), dispatch(2, "echo", "{}")])
        .await;
    let report = session.report(attempt(1)).await;
    assert_eq!(
        session.failure(attempt(1)).await.kind(),
        AttemptFailureKind::Aborted
    );
    assert_eq!(report.execution_time, None);
    session.result(attempt(2)).await;
    assert_eq!(gate.begun.available_permits(), 0);
}

#[tokio::test]
async fn an_abort_while_parameters_arrive_frees_the_slot() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    let announced = |execution| Dispatch {
        parameters_size: 100_000,
        ..dispatch(execution, "echo", "")
    };
    session
        .dispatch([announced(1), announced(2), dispatch(3, "echo", "{}")])
        .await;
    assert_eq!(session.failure(attempt(3)).await.code, "WORKER_FULL");
    session.abort(attempt(1)).await;
    assert_eq!(
        session.failure(attempt(1)).await.kind(),
        AttemptFailureKind::Aborted
    );
    session.dispatch([dispatch(4, "echo", "{}")]).await;
    session.result(attempt(4)).await;
}

#[tokio::test]
async fn an_attempt_past_its_timeout_is_stopped_and_reported() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch([Dispatch {
            timeout: duration(30),
            ..dispatch(1, "hold", "{}")
        }])
        .await;
    let failure = session.failure(attempt(1)).await;
    assert_eq!(
        (failure.kind(), failure.message.as_str()),
        (AttemptFailureKind::TimedOut, "ran longer than 30ms")
    );
    assert_eq!(
        gate.dropped.available_permits(),
        1,
        "it had stopped before its end was told"
    );
}

#[tokio::test]
async fn a_blocking_tool_keeps_its_slot_until_it_returns() {
    let mut coordinator = FakeCoordinator::start().await;
    let blocked = Blocked::new();
    let builder = worker(&coordinator, &Gate::new()).slots(1).tool(blocked.tool());
    let _running = Running::start(builder);
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "block", "{}")]).await;
    within(blocked.begun.acquire()).await.unwrap().forget();
    session.abort(attempt(1)).await;
    within(blocked.cancelled.acquire()).await.unwrap().forget();
    // it knows that it is not wanted, and goes on nevertheless
    session.dispatch([dispatch(2, "echo", "{}")]).await;
    assert_eq!(session.failure(attempt(2)).await.code, "WORKER_FULL");
    assert!(session.said.result(attempt(1)).is_none());
    blocked.release();
    assert_eq!(
        session.failure(attempt(1)).await.kind(),
        AttemptFailureKind::Aborted
    );
    session.dispatch([dispatch(3, "echo", "{}")]).await;
    session.result(attempt(3)).await;
}

#[tokio::test]
async fn a_blocking_tool_past_its_timeout_is_told_so_and_reported_when_it_returns() {
    let mut coordinator = FakeCoordinator::start().await;
    let blocked = Blocked::new();
    let _running = Running::start(worker(&coordinator, &Gate::new()).slots(1).tool(blocked.tool()));
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch([Dispatch {
            timeout: duration(30),
            ..dispatch(1, "block", "{}")
        }])
        .await;
    within(blocked.cancelled.acquire()).await.unwrap().forget();
    session.dispatch([dispatch(2, "echo", "{}")]).await;
    assert_eq!(session.failure(attempt(2)).await.code, "WORKER_FULL");
    blocked.release();
    assert_eq!(
        session.failure(attempt(1)).await.kind(),
        AttemptFailureKind::TimedOut
    );
}

#[tokio::test]
async fn a_panic_of_a_blocking_tool_is_a_broken_contract() {
    let mut coordinator = FakeCoordinator::start().await;
    let panics = BlockingTool::new("panics", "Panics.", |parameters: Text, _: CallContext| {
        assert!(parameters.text.is_empty(), "told to");
        Ok::<_, ToolError>(())
    });
    let _running = Running::start(worker(&coordinator, &Gate::new()).tool(panics));
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "panics", r#"{"text":"x"}"#)]).await;
    let failure = session.failure(attempt(1)).await;
    assert_eq!(
        (failure.kind(), failure.message.as_str()),
        (AttemptFailureKind::BrokenContract, "the tool panicked: told to")
    );
}

#[tokio::test]
async fn a_worker_without_answers_stops_what_is_safe_to_repeat_and_lets_the_rest_finish() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let running = Running::start(worker(&coordinator, &gate));
    let (mut silent, _) = coordinator.session().await;
    silent.answers = false;
    let short = Registered {
        heartbeat_interval: duration(50),
        self_fence: duration(250),
        ..registered()
    };
    silent.register(short).await;
    let repeatable = Dispatch {
        safe_to_repeat: true,
        ..dispatch(1, "hold", "{}")
    };
    silent
        .dispatch([repeatable, dispatch(2, "hold", r#"{"text":"kept"}"#)])
        .await;
    gate.wait_begun().await;
    gate.wait_begun().await;
    gate.wait_dropped().await;
    assert_eq!(gate.dropped.available_permits(), 0, "only one was stopped");
    // it gives up the silent session, and comes back with both
    let (mut session, register) = coordinator.session().await;
    assert!(!running.handle.is_registered());
    let mut in_flight: Vec<_> = register
        .in_flight
        .iter()
        .map(|attempt| attempt.execution)
        .collect();
    in_flight.sort_unstable();
    assert_eq!(
        (in_flight.as_slice(), register.coordinator_id.as_str()),
        ([1, 2].as_slice(), "coordinator")
    );
    session.register(registered()).await;
    assert_eq!(
        session.failure(attempt(1)).await.kind(),
        AttemptFailureKind::Fenced
    );
    gate.let_go.add_permits(1);
    assert_eq!(session.result(attempt(2)).await, r#""kept""#);
    // the fence is open again
    session.dispatch([dispatch(3, "echo", "{}")]).await;
    session.result(attempt(3)).await;
}
