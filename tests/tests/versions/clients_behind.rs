//! A client of the last release at the coordinator of this one, with every RPC that it has. What was added since reaches
//! it as fields that it passes over.

use std::sync::Arc;

use serde_json::json;
use tonic::{Code, transport::Channel};
use toolwave_tests::Cluster;
use toolwave_worker::{CallContext, FunctionTool, SharedTool, ToolError};

use crate::{
    baseline::v1::{
        self, Call, ExecuteParallelRequest, Outcome, admin_service_client::AdminServiceClient,
        call::ParametersForm, call_result::ResultForm, cancel_execution_request::Target,
        execution_event::Kind, execution_service_client::ExecutionServiceClient,
    },
    old_worker::soon,
};

/// A cluster with a worker of two tools: one that adds 1 to its `n`, and one that waits until it is stopped.
struct Served {
    cluster: Cluster,
    executions: ExecutionServiceClient<Channel>,
    operator: AdminServiceClient<Channel>,
}

impl Served {
    async fn start() -> Self {
        let mut cluster = Cluster::start().await.unwrap();
        let next: SharedTool = Arc::new(FunctionTool::new(
            "next",
            "Adds 1",
            |asked: serde_json::Value, _: CallContext| async move {
                let number = asked["n"]
                    .as_i64()
                    .ok_or_else(|| ToolError::new("BAD", "n is no number"))?;
                Ok(json!(number + 1))
            },
        ));
        let wait: SharedTool = Arc::new(FunctionTool::new(
            "wait",
            "Waits",
            |_: serde_json::Value, context: CallContext| async move {
                context.cancelled().await;
                Ok(json!("stopped"))
            },
        ));
        cluster.add_worker("new", 4, [next, wait]).await.unwrap();
        let channel = Channel::from_shared(cluster.url())
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            cluster,
            executions: ExecutionServiceClient::new(channel.clone()),
            operator: AdminServiceClient::new(channel),
        }
    }
}

fn call(id: &str, tool: &str, json: &str) -> Call {
    Call {
        id: Some(id.to_owned()),
        tool_name: tool.to_owned(),
        parameters_form: Some(ParametersForm::ParametersJson(json.to_owned().into())),
        ..Call::default()
    }
}

/// Two calls, of which the second needs the first, and one that fails.
fn request() -> ExecuteParallelRequest {
    ExecuteParallelRequest {
        calls: vec![
            call("b", "next", r#"{"n": "${a.result}"}"#),
            call("a", "next", r#"{"n": 1}"#),
            call("c", "next", "{}"),
        ],
        ..ExecuteParallelRequest::default()
    }
}

fn json(result: &v1::CallResult) -> Option<&[u8]> {
    match &result.result_form {
        Some(ResultForm::ResultJson(json)) => Some(json),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_of_the_last_release_gets_its_results_in_order_and_plans() {
    let mut served = Served::start().await;
    let answer = soon("the answer", served.executions.execute_parallel(request()))
        .await
        .unwrap();
    let answer = answer.into_inner();
    let ids: Vec<_> = answer.results.iter().map(|result| result.id.as_str()).collect();
    assert_eq!(ids, ["b", "a", "c"]);
    assert_eq!(json(&answer.results[0]), Some(&b"3"[..]));
    assert_eq!(json(&answer.results[1]), Some(&b"2"[..]));
    let failed = &answer.results[2];
    assert_eq!((failed.success, failed.outcome()), (false, Outcome::Failed));
    assert_eq!(failed.error.as_ref().unwrap().code, "BAD");
    let summary = answer.summary.unwrap();
    assert_eq!((summary.calls, summary.waves, summary.attempts), (3, 2, 3));

    let plan = v1::PlanExecutionRequest {
        execution: Some(request()),
    };
    let plan = served.executions.plan_execution(plan).await.unwrap().into_inner();
    let waves: Vec<_> = plan.waves.into_iter().map(|wave| wave.calls).collect();
    assert_eq!(waves, [vec![1, 2], vec![0]]);
    served.cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_of_the_last_release_follows_a_stream_and_knows_every_event() {
    let mut served = Served::start().await;
    let asked = v1::ExecuteParallelStreamRequest {
        execution: Some(request()),
    };
    let stream = served.executions.execute_parallel_stream(asked).await.unwrap();
    let mut stream = stream.into_inner();
    let mut kinds = Vec::new();
    while let Some(frame) = soon("an event", stream.message()).await.unwrap() {
        kinds.extend(
            frame
                .events
                .into_iter()
                .map(|event| event.kind.expect("a kind that it knows")),
        );
    }
    assert!(matches!(&kinds[0], Kind::Planned(planned) if planned.waves.len() == 2));
    assert!(matches!(kinds.last(), Some(Kind::Summary(summary)) if summary.calls == 3));
    let ended = kinds.iter().filter_map(|kind| match kind {
        Kind::Result(ended) => Some((ended.call_index, ended.result.as_ref()?.success)),
        _ => None,
    });
    let mut ended: Vec<_> = ended.collect();
    ended.sort_unstable();
    assert_eq!(ended, [(0, true), (1, true), (2, false)]);
    served.cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_of_the_last_release_cancels_and_is_refused_as_ever() {
    let mut served = Served::start().await;
    let asked = v1::ExecuteParallelStreamRequest {
        execution: Some(ExecuteParallelRequest {
            calls: vec![call("a", "wait", "{}")],
            ..ExecuteParallelRequest::default()
        }),
    };
    let stream = served.executions.execute_parallel_stream(asked).await.unwrap();
    let mut stream = stream.into_inner();
    let mut outcome = None;
    while let Some(frame) = soon("an event", stream.message()).await.unwrap() {
        for kind in frame.events.into_iter().filter_map(|event| event.kind) {
            match kind {
                Kind::Planned(planned) => {
                    let cancel = v1::CancelExecutionRequest {
                        target: Some(Target::ExecutionId(planned.execution_id)),
                    };
                    let answer = served.executions.cancel_execution(cancel).await.unwrap();
                    assert!(!answer.into_inner().already_ended);
                }
                Kind::Result(ended) => outcome = ended.result.map(|result| result.outcome()),
                _ => {}
            }
        }
    }
    assert_eq!(outcome, Some(Outcome::Cancelled));

    let twice = ExecuteParallelRequest {
        calls: vec![call("a", "next", "{}"), call("a", "next", "{}")],
        ..ExecuteParallelRequest::default()
    };
    let refused = served.executions.execute_parallel(twice).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    served.cluster.stop().await.unwrap();
}

#[tokio::test]
async fn an_operator_of_the_last_release_lists_tools_and_workers_and_drains() {
    let mut served = Served::start().await;
    let tools = served
        .executions
        .list_tools(v1::ListToolsRequest::default())
        .await
        .unwrap();
    let tools = tools.into_inner().tools.into_iter();
    let names: Vec<_> = tools.map(|listed| listed.tool.unwrap().name).collect();
    assert_eq!(names, ["next", "wait"]);

    let drain = v1::DrainWorkerRequest {
        worker: "new".to_owned(),
        resume: false,
    };
    served.operator.drain_worker(drain).await.unwrap();
    let workers = served
        .operator
        .list_workers(v1::ListWorkersRequest::default())
        .await
        .unwrap();
    let workers = workers.into_inner().workers;
    assert_eq!(workers.len(), 1);
    assert_eq!(
        (workers[0].worker.as_str(), workers[0].slots, workers[0].draining),
        ("new", 4, true)
    );
    served.cluster.stop().await.unwrap();
}
