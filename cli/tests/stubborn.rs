//! `toolwave run` with coordinators that do not behave: scripted ones.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]
#![cfg(unix)]

mod support;

use std::{net::SocketAddr, pin::Pin};

use futures_util::{Stream, StreamExt as _, stream};
use support::{Finished, toolwave, until_said};
use tokio::{net::TcpListener, task::spawn_blocking};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};
use toolwave_proto::v1::{
    self,
    execution_event::Kind,
    execution_service_server::{ExecutionService, ExecutionServiceServer},
};

#[derive(Clone, Copy)]
enum Behaviour {
    /// Neither ends nor answers to being cancelled.
    NeverEnds,
    /// Ends the stream after the plan.
    NoSummary,
    /// Sends a summary, and no result.
    NoResult,
}

type Frames = Pin<Box<dyn Stream<Item = Result<v1::ExecuteParallelStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExecutionService for Behaviour {
    async fn execute_parallel(
        &self,
        _: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Response<v1::ExecuteParallelResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    type ExecuteParallelStreamStream = Frames;

    async fn execute_parallel_stream(
        &self,
        _: Request<v1::ExecuteParallelStreamRequest>,
    ) -> Result<Response<Frames>, Status> {
        let planned = v1::ExecutionPlanned {
            execution_id: "e".to_owned(),
            waves: vec![v1::Wave { calls: vec![0] }],
        };
        let mut kinds = vec![
            Kind::Planned(planned),
            Kind::Started(v1::AttemptStarted::default()),
        ];
        if let Self::NoResult = self {
            kinds.push(Kind::Summary(v1::ExecutionSummary::default()));
        }
        let events = kinds
            .into_iter()
            .map(|kind| v1::ExecutionEvent {
                at: None,
                kind: Some(kind),
            })
            .collect();
        let frames = stream::iter([Ok(v1::ExecuteParallelStreamResponse { events })]);
        Ok(Response::new(match self {
            Self::NeverEnds => frames.chain(stream::pending()).boxed(),
            Self::NoSummary | Self::NoResult => frames.boxed(),
        }))
    }

    async fn plan_execution(
        &self,
        _: Request<v1::PlanExecutionRequest>,
    ) -> Result<Response<v1::PlanExecutionResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn cancel_execution(
        &self,
        _: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        std::future::pending().await
    }

    async fn list_tools(
        &self,
        _: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        Ok(Response::new(v1::ListToolsResponse::default()))
    }
}

/// Runs one call on such a coordinator and interrupts it each time that it has said the next of `interrupts`.
async fn run(behaviour: Behaviour, interrupts: &'static [&'static str]) -> Finished {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(ExecutionServiceServer::new(behaviour))
        .serve_with_incoming(TcpIncoming::from(listener));
    let server = tokio::spawn(server);
    let finished = spawn_blocking(move || {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("plan.yaml"), "calls: [{tool: echo}]").unwrap();
        let mut command = toolwave(directory.path());
        command.args(["run", "plan.yaml", "--coordinator", &url]);
        let Some((first, rest)) = interrupts.split_first() else {
            return support::finish(&mut command);
        };
        let (_, mut running) = until_said(&mut command, first);
        running.interrupt();
        for what in rest {
            running.until_said(what);
            running.interrupt();
        }
        running.finish()
    });
    let finished = finished.await.unwrap();
    server.abort();
    finished
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_gives_up_on_a_coordinator_that_does_not_cancel() {
    let finished = run(Behaviour::NeverEnds, &["started", "cancelling"]).await;
    assert_eq!(finished.code, Some(130), "{finished:?}");
    assert_eq!(finished.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_is_no_success() {
    let finished = run(Behaviour::NoSummary, &[]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("without a summary"), "{finished:?}");
    let finished = run(Behaviour::NoResult, &[]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("no result for 1 call"), "{finished:?}");
}
