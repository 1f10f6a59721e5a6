//! What a worker does with attempts in one session.

mod common;

use common::{FakeCoordinator, Gate, Running, attempt, dispatch, duration, registered, worker};
use toolwave_proto::v1::{AttemptFailureKind, AttemptRef, Dispatch, OpenSessionResponse, PayloadChunk};
use toolwave_worker::{CallContext, FunctionTool, ToolError};

use crate::common::Text;

#[tokio::test]
async fn a_worker_registers_what_it_is_and_what_it_hosts() {
    let mut coordinator = FakeCoordinator::start().await;
    let running = Running::start(worker(&coordinator, &Gate::new()).label("zone", "a"));
    let (session, register) = coordinator.session().await;
    assert!(!running.handle.is_registered());
    assert_eq!(
        (register.worker.as_str(), register.slots, register.draining),
        ("w", 2, false)
    );
    assert_eq!((register.min_protocol, register.max_protocol), (1, 1));
    assert_eq!(register.labels["zone"], "a");
    assert!(register.coordinator_id.is_empty() && register.in_flight.is_empty());
    assert!(!register.instance_id.is_empty());
    let mut tools: Vec<_> = register.tools.iter().map(|tool| tool.name.as_str()).collect();
    tools.sort_unstable();
    assert_eq!(tools, ["echo", "hold", "instant"]);
    session.register(registered()).await;
    assert!(common::within(running.handle.registered()).await);
}

#[tokio::test]
async fn an_attempt_runs_and_its_result_is_numbered() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "echo", r#"{"text":"a"}"#)]).await;
    assert_eq!(session.result(attempt(1)).await, r#""a""#);
    session
        .dispatch([dispatch(2, "instant", r#"{"text":"b"}"#)])
        .await;
    assert_eq!(session.result(attempt(2)).await, r#""b""#);
    session.dispatch([dispatch(3, "instant", "")]).await;
    assert_eq!(session.result(attempt(3)).await, r#""""#);
    let numbers: Vec<_> = session
        .said
        .results
        .iter()
        .map(|report| report.sequence)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(
        session
            .said
            .results
            .iter()
            .all(|report| report.execution_time.is_some())
    );
}

#[tokio::test]
async fn the_ends_of_many_quick_attempts_leave_in_one_frame_and_without_news_of_their_start() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch((0..64).map(|execution| dispatch(execution, "instant", "{}")))
        .await;
    session.until(|said| said.results.len() == 64).await;
    assert_eq!((session.said.frames, session.said.started.len()), (1, 0));
}

#[tokio::test]
async fn the_start_and_the_progress_of_a_long_attempt_are_told() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "hold", "{}")]).await;
    session
        .until(|said| said.started == [attempt(1)] && said.progress.len() == 1)
        .await;
    assert_eq!(session.said.progress[0].fraction, Some(0.5));
    assert_eq!(session.said.progress[0].message, "half");
    assert!(session.said.results.is_empty());
    gate.let_go.add_permits(1);
    session.result(attempt(1)).await;
}

#[tokio::test]
async fn beyond_its_slots_a_worker_refuses_and_a_slot_is_free_again_at_the_end() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch((1..=3).map(|execution| dispatch(execution, "hold", "{}")))
        .await;
    let refused = session.failure(attempt(3)).await;
    assert_eq!(
        (refused.kind(), refused.code.as_str()),
        (AttemptFailureKind::Refused, "WORKER_FULL")
    );
    assert_eq!(session.report(attempt(3)).await.execution_time, None);
    gate.let_go.add_permits(1);
    session.until(|said| said.results.len() == 2).await;
    session.dispatch([dispatch(4, "echo", "{}")]).await;
    session.result(attempt(4)).await;
}

#[tokio::test]
async fn a_tool_that_is_not_hosted_is_refused() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "nothing", "{}")]).await;
    let failure = session.failure(attempt(1)).await;
    assert_eq!(
        (failure.kind(), failure.code.as_str()),
        (AttemptFailureKind::Refused, "TOOL_GONE")
    );
}

#[tokio::test]
async fn an_attempt_that_is_dispatched_twice_runs_once() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session.acknowledges = false;
    session
        .dispatch([dispatch(1, "hold", "{}"), dispatch(1, "hold", "{}")])
        .await;
    gate.wait_begun().await;
    gate.let_go.add_permits(2);
    session.result(attempt(1)).await;
    // once more while its result is not acknowledged
    session
        .dispatch([dispatch(1, "hold", "{}"), dispatch(2, "echo", "{}")])
        .await;
    session.result(attempt(2)).await;
    assert_eq!(session.said.results.len(), 2);
    assert_eq!(gate.begun.available_permits(), 0);
}

#[tokio::test]
async fn a_panic_is_a_broken_contract_and_the_worker_lives() {
    let mut coordinator = FakeCoordinator::start().await;
    let panics = |name: &str| {
        FunctionTool::new(name, "Panics.", |parameters: Text, _: CallContext| async move {
            assert!(parameters.text.is_empty(), "told to: {}", parameters.text);
            Ok::<_, ToolError>(())
        })
    };
    let builder = worker(&coordinator, &Gate::new())
        .tool(panics("panics"))
        .tool(panics("panics_quick").quick());
    let _running = Running::start(builder);
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch([
            dispatch(1, "panics", r#"{"text":"x"}"#),
            dispatch(2, "panics_quick", r#"{"text":"x"}"#),
        ])
        .await;
    for execution in [1, 2] {
        let failure = session.failure(attempt(execution)).await;
        assert_eq!(failure.kind(), AttemptFailureKind::BrokenContract);
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("TOOL_PANICKED", "the tool panicked: told to: x")
        );
    }
    session
        .dispatch([dispatch(3, "echo", "{}"), dispatch(4, "echo", "{}")])
        .await;
    session.result(attempt(3)).await;
    session.result(attempt(4)).await;
}

#[tokio::test]
async fn a_tools_own_error_is_told_as_it_is() {
    let mut coordinator = FakeCoordinator::start().await;
    let fails = FunctionTool::new("fails", "Fails.", |_: Text, _: CallContext| async move {
        let error = ToolError::new("BUSY", "later").retry_after(std::time::Duration::from_millis(1500));
        Err::<(), _>(error.details(serde_json::json!({"queue": 7})))
    });
    let _running = Running::start(worker(&coordinator, &Gate::new()).tool(fails));
    let (mut session, _) = coordinator.accept().await;
    session.dispatch([dispatch(1, "fails", "{}")]).await;
    let failure = session.failure(attempt(1)).await;
    assert_eq!(failure.kind(), AttemptFailureKind::ToolError);
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str(), failure.retryable),
        ("BUSY", "later", true)
    );
    assert_eq!(failure.retry_after, duration(1500));
    assert_eq!(&failure.details_json[..], br#"{"queue":7}"#);
}

#[tokio::test]
async fn a_result_over_the_limit_is_not_sent() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()).max_result_bytes(100));
    let (mut session, _) = coordinator.accept().await;
    let text = "x".repeat(101);
    session
        .dispatch([dispatch(1, "echo", &format!(r#"{{"text":"{text}"}}"#))])
        .await;
    let failure = session.failure(attempt(1)).await;
    assert_eq!(failure.kind(), AttemptFailureKind::ResultTooLarge);
    assert_eq!(failure.message, "the result has 103 bytes; expected at most 100");
}

#[tokio::test]
async fn large_parameters_and_results_travel_in_pieces_and_small_ones_pass_them() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut session, _) = coordinator.accept().await;
    let text = "y".repeat(1 << 20);
    let parameters = format!(r#"{{"text":"{text}"}}"#).into_bytes();
    let large = Dispatch {
        parameters_json: Default::default(),
        parameters_size: parameters.len() as u64,
        ..dispatch(1, "echo", "")
    };
    session.dispatch([large]).await;
    // a small attempt between the pieces is not held up
    let pieces: Vec<_> = parameters.chunks(64 << 10).collect();
    for (number, data) in pieces.iter().enumerate() {
        if number == pieces.len() - 1 {
            session
                .dispatch([dispatch(2, "echo", r#"{"text":"small"}"#)])
                .await;
            assert_eq!(session.result(attempt(2)).await, r#""small""#);
        }
        let offset = (number * (64 << 10)) as u64;
        let chunk = PayloadChunk {
            attempt: Some(attempt(1)),
            offset,
            data: data.to_vec().into(),
        };
        session
            .send(OpenSessionResponse {
                chunks: vec![chunk],
                ..Default::default()
            })
            .await;
    }
    assert_eq!(session.result(attempt(1)).await, format!("{text:?}"));
    let order: Vec<_> = session
        .said
        .order
        .iter()
        .filter(|(who, _)| *who == attempt(1))
        .collect();
    assert_eq!(order.len(), 18);
    assert_eq!(order[0].1, None, "the entry comes before its pieces");
}

#[tokio::test]
async fn parameters_over_the_limit_are_refused() {
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()).max_parameters_bytes(10));
    let (mut session, register) = coordinator.accept().await;
    assert_eq!(register.max_parameters_bytes, 10);
    let announced = Dispatch {
        parameters_size: 1 << 40,
        ..dispatch(1, "echo", "")
    };
    session.dispatch([announced]).await;
    let failure = session.failure(attempt(1)).await;
    assert_eq!(
        (failure.kind(), failure.code.as_str()),
        (AttemptFailureKind::Refused, "PARAMETERS_TOO_LARGE")
    );
}

#[tokio::test]
async fn a_call_knows_who_it_is() {
    let mut coordinator = FakeCoordinator::start().await;
    let who = FunctionTool::new(
        "who",
        "Says who it is.",
        |_: Text, context: CallContext| async move {
            let call = context.call();
            Ok::<_, ToolError>(format!(
                "{} {} {} {}",
                call.execution_id,
                call.call_id,
                context.attempt(),
                context.idempotency_key()
            ))
        },
    );
    let _running = Running::start(worker(&coordinator, &Gate::new()).tool(who));
    let (mut session, _) = coordinator.accept().await;
    let third = AttemptRef {
        attempt: 3,
        ..attempt(1)
    };
    session
        .dispatch([Dispatch {
            attempt: Some(third),
            ..dispatch(1, "who", "{}")
        }])
        .await;
    assert_eq!(session.result(third).await, r#""execution call 3 key""#);
}

#[tokio::test]
async fn heartbeats_say_what_is_in_flight_and_how_far_was_read() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let _running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.session().await;
    session
        .register(toolwave_proto::v1::Registered {
            heartbeat_interval: duration(20),
            ..registered()
        })
        .await;
    session.acknowledges = false;
    session
        .dispatch([dispatch(1, "hold", "{}"), dispatch(2, "echo", "{}")])
        .await;
    session.result(attempt(2)).await;
    session.said.heartbeats.clear();
    session.until(|said| said.heartbeats.len() == 3).await;
    let last = session.said.heartbeats.back().unwrap().clone();
    let in_flight: Vec<_> = last.in_flight.iter().map(|attempt| attempt.execution).collect();
    assert_eq!(
        (in_flight.as_slice(), last.dispatches_read),
        ([1].as_slice(), 2),
        "the end of 2 was sent, and is not acknowledged"
    );
    let numbers: Vec<_> = session.said.heartbeats.iter().map(|beat| beat.number).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_thousand_attempts_in_64_slots_each_ends_once() {
    const ATTEMPTS: u64 = 20_000;
    let mut coordinator = FakeCoordinator::start().await;
    let _running = Running::start(worker(&coordinator, &Gate::new()).slots(64));
    let (mut session, _) = coordinator.accept().await;
    let next = |execution: u64| {
        let tool = if execution.is_multiple_of(2) {
            "echo"
        } else {
            "instant"
        };
        dispatch(execution, tool, r#"{"text":"x"}"#)
    };
    session.dispatch((0..64).map(next)).await;
    let (mut dispatched, mut ended) = (64, 0);
    while ended < ATTEMPTS {
        session.until(|said| said.results.len() as u64 > ended).await;
        ended = session.said.results.len() as u64;
        let until = (ended + 64).min(ATTEMPTS);
        session.dispatch((dispatched..until).map(next)).await;
        dispatched = until;
    }
    let mut executions: Vec<_> = session
        .said
        .results
        .iter()
        .map(|report| report.attempt.unwrap().execution)
        .collect();
    executions.sort_unstable();
    assert!(executions.into_iter().eq(0..ATTEMPTS));
    for (number, report) in (1..).zip(&session.said.results) {
        assert_eq!(report.sequence, number);
        assert!(
            matches!(
                report.end,
                Some(toolwave_proto::v1::attempt_report::End::ResultJson(_))
            ),
            "{report:?}"
        );
    }
}
