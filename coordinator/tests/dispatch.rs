//! From a client's call to a worker and back.

mod common;

use common::*;
use toolwave_proto::v1::{self, AttemptFailureKind, attempt_report::End};

#[tokio::test]
async fn a_call_reaches_a_worker_and_its_result_the_client() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let running = execute(&coordinator, vec![call("echo", r#"{"a":1}"#)]).await;
    let dispatch = worker.dispatch().await;
    assert_eq!(
        (dispatch.tool_name.as_str(), &dispatch.parameters_json[..]),
        ("echo", &br#"{"a":1}"#[..])
    );
    assert_eq!(
        (
            dispatch.sequence,
            dispatch.call_id.as_str(),
            dispatch.safe_to_repeat
        ),
        (1, "0", true)
    );
    worker.succeed(&dispatch, r#"{"b":2}"#).await;
    let results = results(running).await;
    assert_eq!(json(&results[0]), r#"{"b":2}"#);
    assert_eq!(results[0].attempts[0].worker, "w");
}

#[tokio::test]
async fn frames_hold_what_waits_and_at_most_256_entries() {
    let coordinator = start(config()).await;
    let mut register = register("w", vec![tool("echo")]);
    register.slots = 600;
    let mut worker = FakeWorker::join(&coordinator, register).await;
    let running = execute(&coordinator, vec![call("echo", "{}"); 600]).await;
    for number in 1..=600 {
        let dispatch = worker.dispatch().await;
        assert_eq!(dispatch.sequence, number);
        worker.succeed(&dispatch, "null").await;
    }
    assert_eq!(results(running).await.len(), 600);
    let sizes: Vec<usize> = worker.frames.iter().map(|frame| frame.dispatches.len()).collect();
    assert!(
        sizes.iter().all(|size| *size <= 256) && sizes.contains(&256),
        "{sizes:?}"
    );
}

#[tokio::test]
async fn large_parameters_follow_in_pieces_and_hold_up_nothing() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(300_000));
    let running = execute(&coordinator, vec![call("echo", &large), call("echo", "{}")]).await;
    let (first, second) = (worker.dispatch().await, worker.dispatch().await);
    let (big, small) = if first.parameters_size > 0 {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(
        (big.parameters_size, big.parameters_json.len()),
        (large.len() as u64, 0)
    );
    worker.succeed(&small, "1").await;
    let mut got = Vec::new();
    let mut read = 0;
    while got.len() < large.len() {
        for chunk in worker.frames[read..].iter().flat_map(|frame| &frame.chunks) {
            assert_eq!((chunk.offset, chunk.attempt), (got.len() as u64, big.attempt));
            assert!(chunk.data.len() <= 64 * 1024);
            got.extend_from_slice(&chunk.data);
        }
        read = worker.frames.len();
        if got.len() < large.len() {
            worker.frame().await;
        }
    }
    assert_eq!(got, large.as_bytes());
    worker.succeed(&big, "2").await;
    let results = results(running).await;
    assert_eq!((json(&results[0]), json(&results[1])), ("2", "1"));
}

#[tokio::test]
async fn a_large_result_comes_in_pieces() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let running = execute(&coordinator, vec![call("echo", "{}"), call("echo", "{}")]).await;
    let (large, small) = (worker.dispatch().await, worker.dispatch().await);
    let text = format!("\"{}\"", "y".repeat(150_000));
    let pieces = text.as_bytes().chunks(64 * 1024).enumerate();
    let mut pieces: Vec<_> = pieces
        .map(|(i, data)| ((i * 64 * 1024) as u64, data.to_vec()))
        .collect();
    let last = pieces.pop().expect("three");
    worker.announce(&large, text.len() as u64, pieces).await;
    worker.succeed(&small, "1").await;
    // Of two results one is whole, and it is not the first: nothing is acknowledged yet.
    worker.beat(1, vec![large.attempt.expect("named")]).await;
    let answer = worker.until(|frame| frame.heartbeat_answer == 1).await;
    assert_eq!(answer.acknowledged_results, 0);
    let chunk = v1::PayloadChunk {
        attempt: large.attempt,
        offset: last.0,
        data: last.1.into(),
    };
    worker
        .say(v1::OpenSessionRequest {
            chunks: vec![chunk],
            ..Default::default()
        })
        .await;
    worker.beat(2, vec![]).await;
    let answer = worker.until(|frame| frame.heartbeat_answer == 2).await;
    assert_eq!(answer.acknowledged_results, 2);
    let results = results(running).await;
    let whole = results
        .iter()
        .find(|result| json(result).len() > 10)
        .expect("the large one");
    assert_eq!(json(whole), text);
}

#[tokio::test]
async fn reports_of_unknown_attempts_and_of_others_change_nothing() {
    let coordinator = start(config()).await;
    let mut other = FakeWorker::join(&coordinator, register("other", vec![tool("sleep")])).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let dispatch = worker.dispatch().await;
    let mut unknown = dispatch.clone();
    unknown.attempt = Some(v1::AttemptRef {
        execution: 99,
        call_index: 9,
        attempt: 9,
    });
    other.succeed(&dispatch, "\"forged\"").await;
    other.succeed(&unknown, "\"unknown\"").await;
    // Answered: what came before was taken.
    other.beat(1, vec![]).await;
    other.until(|frame| frame.heartbeat_answer == 1).await;
    worker.succeed(&dispatch, "\"true\"").await;
    worker.succeed(&dispatch, "\"again\"").await;
    assert_eq!(json(&results(running).await[0]), "\"true\"");
}

#[tokio::test]
async fn a_result_reaches_the_call_that_refers_to_it() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let calls = vec![
        call("echo", "{}"),
        call("echo", r#"{"city":"${0.result.items[1]}"}"#),
    ];
    let running = execute(&coordinator, calls).await;
    let first = worker.dispatch().await;
    worker.succeed(&first, r#"{"items":["Ulm","Bonn"]}"#).await;
    let second = worker.dispatch().await;
    assert_eq!(&second.parameters_json[..], br#"{"city":"Bonn"}"#);
    worker.succeed(&second, "2").await;
    assert_eq!(results(running).await.len(), 2);
}

#[tokio::test]
async fn parameters_that_a_worker_does_not_take_are_not_sent() {
    let coordinator = start(config()).await;
    let mut register = register("w", vec![tool("echo")]);
    register.max_parameters_bytes = 100;
    let _worker = FakeWorker::join(&coordinator, register).await;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(200));
    let results = results(execute(&coordinator, vec![call("echo", &large)]).await).await;
    let error = results[0].error.clone().expect("why");
    assert!(error.message.contains("at most 100"), "{error:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_stops_its_calls() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("sleep")])).await;
    let running = execute(&coordinator, vec![call("sleep", "{}")]).await;
    let dispatch = worker.dispatch().await;
    running.abort();
    assert_eq!(Some(worker.abort().await), dispatch.attempt);
    assert_eq!(
        workers(&coordinator).await[0].in_flight,
        1,
        "the slot is taken until the worker confirms"
    );
    worker
        .fail(&dispatch.attempt.expect("named"), AttemptFailureKind::Aborted)
        .await;
    workers_until(&coordinator, |workers| workers[0].in_flight == 0).await;
}

#[tokio::test]
async fn an_attempt_that_ends_in_the_frame_of_a_heartbeat_is_over_though_the_heartbeat_lists_it() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let running = execute(&coordinator, vec![call("echo", "{}")]).await;
    let attempt = worker.dispatch().await.attempt;
    let report = v1::AttemptReport {
        attempt,
        sequence: worker.number(),
        end: Some(End::ResultJson("1".into())),
        ..v1::AttemptReport::default()
    };
    let heartbeat = v1::Heartbeat {
        number: 1,
        in_flight: attempt.into_iter().collect(),
        dispatches_read: 1,
    };
    worker
        .say(v1::OpenSessionRequest {
            results: vec![report],
            heartbeat: Some(heartbeat),
            ..Default::default()
        })
        .await;
    assert!(results(running).await[0].success);
    worker.beat(2, Vec::new()).await;
    let mut answered = 0;
    while answered < 2 {
        let frame = worker.frame().await;
        assert!(
            frame.aborts.is_empty(),
            "nothing is left to be stopped: {frame:?}"
        );
        answered = answered.max(frame.heartbeat_answer);
    }
    assert_eq!(workers(&coordinator).await[0].in_flight, 0);
}

#[tokio::test]
async fn results_are_acknowledged_without_a_heartbeat_when_many_wait() {
    let coordinator = start(config()).await;
    let mut register = register("w", vec![tool("echo")]);
    register.slots = 300;
    let mut worker = FakeWorker::join(&coordinator, register).await;
    let running = execute(&coordinator, vec![call("echo", "{}"); 300]).await;
    for _ in 0..300 {
        let dispatch = worker.dispatch().await;
        worker.succeed(&dispatch, "1").await;
    }
    worker.until(|frame| frame.acknowledged_results > 256).await;
    assert_eq!(results(running).await.len(), 300);
}

#[tokio::test]
async fn executions_beyond_the_bytes_that_may_be_held_are_refused() {
    let mut config = config();
    config.max_payload_bytes = 1000;
    let coordinator = start(config).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("echo")])).await;
    let parameters = format!(r#"{{"text":"{}"}}"#, "x".repeat(600));
    let running = execute(&coordinator, vec![call("echo", &parameters)]).await;
    let dispatch = worker.dispatch().await;
    let refused = client(&coordinator)
        .await
        .execute_parallel(request(vec![call("echo", &parameters)]))
        .await;
    let status = refused.expect_err("no room");
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    worker.succeed(&dispatch, "1").await;
    results(running).await;
    // The room is there again as soon as nobody holds the first one's payloads.
    let again = soon("room", async {
        loop {
            let mut client = client(&coordinator).await;
            let request = request(vec![call("echo", &parameters)]);
            tokio::select! {
                answer = client.execute_parallel(request) => {
                    assert_eq!(answer.expect_err("refused").code(), tonic::Code::ResourceExhausted);
                }
                dispatch = worker.dispatch() => return dispatch,
            }
        }
    })
    .await;
    assert_eq!(again.parameters_json.len(), parameters.len());
}
