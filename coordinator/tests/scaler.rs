//! What KEDA does with an external scaler, done over real gRPC: each test asks as KEDA's operator asks.

mod common;

use common::{FakeWorker, PATIENCE, call, config, execute, register, results, soon, start, tool};
use tonic::{Code, Streaming, transport::Channel};
use tonic_types::StatusExt as _;
use toolwave_coordinator::{Config, Coordinator, config::ScalerSection, identity::Auth};
use toolwave_proto::{
    externalscaler::{
        GetMetricsRequest, IsActiveResponse, ScaledObjectRef, external_scaler_client::ExternalScalerClient,
    },
    v1,
};

type Keda = ExternalScalerClient<Channel>;

async fn keda(coordinator: &Coordinator) -> Keda {
    Keda::new(common::channel(coordinator).await)
}

/// A ScaledObject as KEDA names it, with what KEDA itself leaves in the metadata.
fn scaled(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let own = [
        ("scalerAddress", "coordinator-headless.toolwave.svc:7420"),
        ("unsafeSsl", "false"),
    ];
    ScaledObjectRef {
        name: "worker".into(),
        namespace: "toolwave".into(),
        scaler_metadata: own
            .iter()
            .chain(metadata)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// One poll: the metric's name and target, its value, and whether the pool is active.
async fn poll(keda: &mut Keda, object: &ScaledObjectRef) -> (f64, f64, bool) {
    let spec = keda
        .get_metric_spec(object.clone())
        .await
        .expect("a spec")
        .into_inner();
    let spec = spec.metric_specs.into_iter().next().expect("one metric");
    let asked = GetMetricsRequest {
        scaled_object_ref: Some(object.clone()),
        metric_name: spec.metric_name.clone(),
    };
    let values = keda.get_metrics(asked).await.expect("values").into_inner();
    let value = values.metric_values.into_iter().next().expect("one value");
    assert_eq!(value.metric_name, spec.metric_name);
    // KEDA takes the whole number where the other is not above zero.
    assert_eq!(value.metric_value, value.metric_value_float.ceil() as i64);
    let active = keda
        .is_active(object.clone())
        .await
        .expect("an answer")
        .into_inner();
    (spec.target_size_float, value.metric_value_float, active.result)
}

async fn poll_until(keda: &mut Keda, object: &ScaledObjectRef, wanted: f64) -> (f64, f64, bool) {
    soon("the value", async {
        loop {
            let seen = poll(keda, object).await;
            if (seen.1 - wanted).abs() < 1e-9 {
                return seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
}

async fn told(stream: &mut Streaming<IsActiveResponse>) -> Option<bool> {
    let message = soon("a word", stream.message()).await.expect("no error");
    message.map(|message| message.result)
}

fn of_pool(name: &str, pool: &str, tools: Vec<v1::Tool>) -> v1::Register {
    v1::Register {
        labels: [("pool".to_owned(), pool.to_owned())].into(),
        ..register(name, tools)
    }
}

#[tokio::test]
async fn a_poll_sees_queued_and_in_flight_calls_of_the_pool() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, of_pool("w", "gpu", vec![tool("t")])).await;
    let mut keda = keda(&coordinator).await;
    let (gpu, other) = (scaled(&[("pool", "gpu")]), scaled(&[("pool", "cpu")]));
    // 8 slots, three quarters of them.
    assert_eq!(poll(&mut keda, &gpu).await, (6.0, 0.0, false));
    let execution = execute(&coordinator, (0..20).map(|_| call("t", "{}")).collect()).await;
    let first = worker.dispatch().await;
    assert_eq!(poll_until(&mut keda, &gpu, 20.0).await, (6.0, 20.0, true));
    assert_eq!(
        poll(&mut keda, &scaled(&[])).await.1,
        20.0,
        "all workers, without a pool"
    );
    assert_eq!(
        poll(&mut keda, &other).await.1,
        0.0,
        "another pool has nothing to do"
    );
    worker.succeed(&first, "1").await;
    for _ in 1..20 {
        let next = worker.dispatch().await;
        worker.succeed(&next, "1").await;
    }
    results(execution).await;
    poll_until(&mut keda, &gpu, 0.0).await;
}

#[tokio::test]
async fn the_stream_tells_at_once_of_work_and_later_of_its_end() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("t")])).await;
    let mut keda = keda(&coordinator).await;
    let mut stream = keda
        .stream_is_active(scaled(&[]))
        .await
        .expect("a stream")
        .into_inner();
    assert_eq!(told(&mut stream).await, Some(false));
    let execution = execute(&coordinator, vec![call("t", "{}")]).await;
    let dispatch = worker.dispatch().await;
    assert_eq!(told(&mut stream).await, Some(true));
    worker.succeed(&dispatch, "1").await;
    results(execution).await;
    assert_eq!(told(&mut stream).await, Some(false));
}

#[tokio::test]
async fn a_pool_without_workers_is_woken_by_calls_of_the_tools_that_it_had() {
    let patient = Config {
        startup_grace: PATIENCE,
        worker_wait: PATIENCE,
        ..config()
    };
    let coordinator = start(patient).await;
    let mut keda = keda(&coordinator).await;
    let (named, other) = (
        scaled(&[("pool", "gpu"), ("tools", "render_*"), ("slotsPerWorker", "8")]),
        scaled(&[("pool", "cpu"), ("tools", "search")]),
    );
    let mut stream = keda
        .stream_is_active(named.clone())
        .await
        .expect("a stream")
        .into_inner();
    assert_eq!(told(&mut stream).await, Some(false));
    let execution = execute(&coordinator, vec![call("render_page", "{}"); 3]).await;
    assert_eq!(told(&mut stream).await, Some(true));
    assert_eq!(poll(&mut keda, &named).await, (6.0, 3.0, true));
    assert_eq!(poll(&mut keda, &other).await, (12.0, 0.0, false));
    execution.abort();
}

#[tokio::test]
async fn streams_end_well_when_the_coordinator_drains_and_can_be_opened_at_the_next() {
    let (first, second) = (start(config()).await, start(config()).await);
    let mut at_first = keda(&first).await;
    let mut stream = at_first
        .stream_is_active(scaled(&[]))
        .await
        .expect("a stream")
        .into_inner();
    assert_eq!(told(&mut stream).await, Some(false));
    let ending = tokio::spawn(first.shutdown());
    assert_eq!(
        told(&mut stream).await,
        None,
        "the end of the stream, and no error"
    );
    let mut at_second = keda(&second).await;
    let mut again = at_second
        .stream_is_active(scaled(&[]))
        .await
        .expect("a stream")
        .into_inner();
    assert_eq!(told(&mut again).await, Some(false));
    assert!(soon("the end", ending).await.expect("no panic").finished);
}

#[tokio::test]
async fn each_of_several_coordinators_answers_for_its_share_and_estimates_the_whole() {
    // What KEDA's round robin over a headless name comes to: one poll sees the one, the next the other.
    let coordinators = [start(config()).await, start(config()).await];
    let mut seen = Vec::new();
    for (index, coordinator) in coordinators.iter().enumerate() {
        let half = v1::Register {
            slots: 8,
            ..register("w", vec![tool("t")])
        };
        let mut worker = FakeWorker::join(coordinator, half).await;
        let calls = (0..=index).map(|_| call("t", "{}")).collect();
        let execution = execute(coordinator, calls).await;
        worker.dispatch().await;
        let mut keda = keda(coordinator).await;
        let object = scaled(&[("coordinators", "2")]);
        let wanted = 2.0 * (index + 1) as f64;
        // A worker's 16 slots, of which each coordinator has 8.
        seen.push(poll_until(&mut keda, &object, wanted).await);
        execution.abort();
    }
    assert_eq!(seen, [(12.0, 2.0, true), (12.0, 4.0, true)]);
}

#[tokio::test]
async fn a_limit_of_a_tool_caps_what_is_asked_for() {
    let coordinator = start(config()).await;
    let limited = v1::Tool {
        max_concurrency: 8,
        ..tool("t")
    };
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![limited])).await;
    let mut keda = keda(&coordinator).await;
    let execution = execute(&coordinator, (0..100).map(|_| call("t", "{}")).collect()).await;
    worker.dispatch().await;
    // One worker of 8 slots is all that 8 calls at once can use.
    assert_eq!(poll_until(&mut keda, &scaled(&[]), 6.0).await, (6.0, 6.0, true));
    execution.abort();
}

#[tokio::test]
async fn an_execution_asks_for_no_more_workers_than_its_own_limit_lets_it_use() {
    let coordinator = start(config()).await;
    let mut worker = FakeWorker::join(&coordinator, register("w", vec![tool("t")])).await;
    let mut keda = keda(&coordinator).await;
    let request = v1::ExecuteParallelRequest {
        calls: vec![call("t", "{}"); 100],
        max_concurrency: Some(5),
        ..Default::default()
    };
    let mut client = common::client(&coordinator).await;
    let execution = tokio::spawn(async move { client.execute_parallel(request).await });
    worker.dispatch().await;
    assert_eq!(poll_until(&mut keda, &scaled(&[]), 5.0).await, (6.0, 5.0, true));
    execution.abort();
}

#[tokio::test]
async fn bad_metadata_is_refused_with_what_would_be_right() {
    let coordinator = start(config()).await;
    let mut keda = keda(&coordinator).await;
    let bad = scaled(&[("targetOutstandingPerWorker", "many")]);
    let asked = GetMetricsRequest {
        scaled_object_ref: Some(bad.clone()),
        metric_name: "toolwave-outstanding-calls".into(),
    };
    let nameless = GetMetricsRequest {
        scaled_object_ref: Some(scaled(&[])),
        metric_name: "cpu".into(),
    };
    for (refused, told) in [
        (keda.is_active(bad.clone()).await.err(), "a whole number from 1"),
        (
            keda.stream_is_active(bad.clone()).await.err(),
            "a whole number from 1",
        ),
        (keda.get_metric_spec(bad).await.err(), "a whole number from 1"),
        (keda.get_metrics(asked).await.err(), "a whole number from 1"),
        (
            keda.get_metrics(nameless).await.err(),
            "`toolwave-outstanding-calls`",
        ),
        (
            keda.get_metrics(GetMetricsRequest {
                metric_name: "toolwave-outstanding-calls".into(),
                ..Default::default()
            })
            .await
            .err(),
            "scaledObjectRef is missing",
        ),
    ] {
        let refused = refused.expect("a refusal");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(told), "{refused:?}");
        let reason = refused.get_details_error_info().map(|told| told.reason);
        assert_eq!(reason.as_deref(), Some("INVALID_SCALED_OBJECT"));
    }
}

#[tokio::test]
async fn streams_are_bounded_and_the_place_of_one_that_ended_is_free_again() {
    let coordinator = start(config()).await;
    let mut keda = keda(&coordinator).await;
    let mut streams = Vec::new();
    for _ in 0..256 {
        let mut stream = keda
            .stream_is_active(scaled(&[]))
            .await
            .expect("a stream")
            .into_inner();
        assert_eq!(told(&mut stream).await, Some(false));
        streams.push(stream);
    }
    let refused = keda
        .stream_is_active(scaled(&[]))
        .await
        .expect_err("one too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("256"), "{refused:?}");
    streams.pop();
    soon("a free place", async {
        while keda.stream_is_active(scaled(&[])).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn where_clients_say_who_they_are_only_operators_ask_unless_any_client_may() {
    use sha2::Digest as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens.toml");
    let entry = |token: &str, more: &str| {
        let hash: String = sha2::Sha256::digest(token)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("[[token]]\nname = \"{token}\"\nsha256 = \"{hash}\"\ntenant = \"keda\"\n{more}\n")
    };
    let text = [entry("plain", ""), entry("operator", "operator = true")].concat();
    std::fs::write(&path, text).expect("written");
    for (any_client, plain) in [(false, Code::PermissionDenied), (true, Code::Ok)] {
        let coordinator = start(Config {
            auth: Some(Auth {
                tokens_file: Some(path.clone()),
                ..Auth::default()
            }),
            scaler: ScalerSection { any_client },
            ..config()
        })
        .await;
        let mut keda = keda(&coordinator).await;
        for (token, code) in [
            (None, Code::Unauthenticated),
            (Some("plain"), plain),
            (Some("operator"), Code::Ok),
        ] {
            let mut request = tonic::Request::new(scaled(&[]));
            if let Some(token) = token {
                let value = format!("Bearer {token}").parse().expect("a header");
                request.metadata_mut().insert("authorization", value);
            }
            let said = keda.is_active(request).await;
            assert_eq!(
                said.err().map_or(Code::Ok, |status| status.code()),
                code,
                "{token:?} {any_client}"
            );
        }
    }
}
