//! What is recorded and what is not, on clusters in this process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tonic::{Request, metadata::MetadataValue, transport::Endpoint};
use toolwave_client::{call, v1};
use toolwave_coordinator::config::{Config, TracesSection};
use toolwave_proto::v1::execution_service_client::ExecutionServiceClient;
use toolwave_tests::Cluster;
use toolwave_worker::{CallContext, FunctionTool, SharedTool, ToolError};

use crate::{CLIENT, TRACE, receiver::Receiver, recorded, request, unrecorded};

/// What a tool was given to hand on.
type Seen = Arc<Mutex<Vec<Option<String>>>>;

/// A coordinator that exports there, and a worker that does not.
async fn cluster(traces: TracesSection) -> (Cluster, Seen) {
    let config = Config {
        traces,
        ..Config::embedded()
    };
    let mut cluster = Cluster::with_config(config).await.expect("it starts");
    let seen = Seen::default();
    cluster
        .add_worker("w", 16, [looking(&seen)])
        .await
        .expect("a worker");
    (cluster, seen)
}

/// A tool that keeps its `traceparent`.
fn looking(seen: &Seen) -> SharedTool {
    let seen = Arc::clone(seen);
    Arc::new(FunctionTool::new(
        "look",
        "Looks.",
        move |_: BTreeMap<String, Value>, context: CallContext| {
            let seen = Arc::clone(&seen);
            async move {
                let parent = context.traceparent().map(str::to_owned);
                seen.lock().expect("no panic").push(parent);
                Ok::<_, ToolError>(())
            }
        },
    ))
}

fn to(receiver: &Receiver, sample: f64) -> TracesSection {
    TracesSection {
        endpoint: Some(receiver.url()),
        sample,
        ..TracesSection::default()
    }
}

fn looks(count: usize) -> v1::ExecuteParallelRequest {
    request((0..count).map(|_| call("look", json!({}))).collect())
}

#[tokio::test]
async fn a_trace_that_its_client_does_not_record_is_handed_on_and_not_exported() {
    let receiver = Receiver::start().await;
    let (cluster, seen) = cluster(to(&receiver, 1.0)).await;
    let client = cluster.client().await.expect("a client");
    let unrecorded_client = client.in_trace(&unrecorded(), "").expect("well formed");
    unrecorded_client
        .execute_parallel(looks(1))
        .await
        .expect("an answer");
    assert_eq!(seen.lock().expect("no panic").take_last(), Some(unrecorded()));
    // What ended before is exported before.
    let other = TRACE.replace('4', "5");
    let later = client.in_trace(&format!("00-{other}-{CLIENT}-01"), "");
    let later = later.expect("well formed");
    later.execute_parallel(looks(1)).await.expect("an answer");
    let spans = receiver.execution(&other).await;
    assert_eq!(spans.len(), 4);
    assert!(receiver.spans().iter().all(|each| each.trace() == other));
    cluster.stop().await.expect("it stops");
}

#[tokio::test]
async fn without_a_trace_of_the_client_the_share_that_is_set_is_recorded() {
    let receiver = Receiver::start().await;
    for (sample, recorded) in [(0.0, false), (1.0, true)] {
        let (cluster, seen) = cluster(to(&receiver, sample)).await;
        let client = cluster.client().await.expect("a client");
        client.execute_parallel(looks(1)).await.expect("an answer");
        let told = seen.lock().expect("no panic").take_last();
        assert_eq!(told.is_some(), recorded);
        // What is queued is sent before it has ended.
        cluster.stop().await.expect("it stops");
        let spans = receiver.spans();
        assert_eq!(spans.len(), if recorded { 4 } else { 0 });
        let Some(told) = told else { continue };
        let attempt = spans.iter().find(|each| each.span.name == "attempt");
        let attempt = attempt.expect("an attempt");
        // The worker exports nothing, so its tool is given the attempt's span.
        assert_eq!(told, format!("00-{}-{}-01", attempt.trace(), attempt.id()));
        let execution = spans.iter().find(|each| each.span.name == "execution");
        assert_eq!(execution.expect("an execution").parent(), "");
    }
}

#[tokio::test]
async fn a_coordinator_that_exports_nothing_hands_the_clients_trace_on() {
    let (cluster, seen) = cluster(TracesSection::default()).await;
    let client = cluster.client().await.expect("a client");
    let traced = client.in_trace(&recorded(), "").expect("well formed");
    traced.execute_parallel(looks(1)).await.expect("an answer");
    assert_eq!(seen.lock().expect("no panic").take_last(), Some(recorded()));
    client.execute_parallel(looks(1)).await.expect("an answer");
    assert_eq!(seen.lock().expect("no panic").take_last(), None);
    cluster.stop().await.expect("it stops");
}

#[tokio::test]
async fn malformed_headers_are_as_if_they_had_not_come() {
    let receiver = Receiver::start().await;
    let (cluster, seen) = cluster(to(&receiver, 0.0)).await;
    let endpoint = Endpoint::from_shared(cluster.url()).expect("an address");
    let channel = endpoint.connect().await.expect("a connection");
    let mut client = ExecutionServiceClient::new(channel);
    let long = format!("a={}", "b".repeat(6_000));
    for (parent, state) in [
        ("nonsense", "a=b"),
        ("", ""),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "a=b"),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=b"),
    ] {
        let mut request = Request::new(looks(1));
        let value = |text: &str| MetadataValue::try_from(text).expect("ASCII");
        request.metadata_mut().insert("traceparent", value(parent));
        request.metadata_mut().insert("tracestate", value(state));
        client.execute_parallel(request).await.expect("an answer");
        assert_eq!(seen.lock().expect("no panic").take_last(), None, "{parent}");
    }
    let mut request = Request::new(looks(1));
    let value = |text: &str| MetadataValue::try_from(text).expect("ASCII");
    request.metadata_mut().insert("traceparent", value(&recorded()));
    request.metadata_mut().insert("tracestate", value(&long));
    client.execute_parallel(request).await.expect("an answer");
    let spans = receiver.execution(TRACE).await;
    assert!(spans.iter().all(|each| each.span.trace_state.is_empty()));
    cluster.stop().await.expect("it stops");
    assert!(receiver.spans().iter().all(|each| each.trace() == TRACE));
}

#[tokio::test]
async fn an_execution_has_so_many_spans_and_says_how_many_were_left_out() {
    let receiver = Receiver::start().await;
    let (cluster, seen) = cluster(TracesSection {
        max_spans_per_execution: 10,
        ..to(&receiver, 1.0)
    })
    .await;
    let client = cluster.client().await.expect("a client");
    client.execute_parallel(looks(100)).await.expect("an answer");
    cluster.stop().await.expect("it stops");
    let spans = receiver.spans();
    // Its own, and three for each of three calls.
    assert_eq!(spans.len(), 10);
    let execution = spans.iter().find(|each| each.span.name == "execution");
    let execution = execution.expect("an execution");
    assert_eq!(execution.number("toolwave.spans_left_out"), Some(3 * 97));
    // Where there is no span to be below, nobody is asked to record.
    let told = seen.lock().expect("no panic").clone();
    let flags = |flags: &str| {
        let ends = |told: &&Option<String>| told.as_deref().is_some_and(|text| text.ends_with(flags));
        told.iter().filter(ends).count()
    };
    assert_eq!((flags("-01"), flags("-00")), (3, 97));
}

#[tokio::test]
async fn a_call_that_is_never_dispatched_shows_why() {
    let receiver = Receiver::start().await;
    let (cluster, _) = cluster(to(&receiver, 1.0)).await;
    let client = cluster.client().await.expect("a client");
    let request = request(vec![call("no_such_tool", json!({}))]);
    client.execute_parallel(request).await.expect("an answer");
    cluster.stop().await.expect("it stops");
    let spans = receiver.spans();
    let call = spans
        .iter()
        .find(|each| each.span.name == "call")
        .expect("a call");
    assert_eq!(call.text("toolwave.outcome").as_deref(), Some("REJECTED"));
    assert_eq!(call.text("toolwave.reason").as_deref(), Some("UNKNOWN_TOOL"));
    assert!(spans.iter().all(|each| each.span.name != "attempt"));
}

trait TakeLast {
    fn take_last(&mut self) -> Option<String>;
}

impl TakeLast for Vec<Option<String>> {
    /// Of the one call since the last time.
    fn take_last(&mut self) -> Option<String> {
        assert_eq!(self.len(), 1, "{self:?}");
        self.pop().flatten()
    }
}
