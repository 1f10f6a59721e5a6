//! The echo server: answers each call with its parameters, after its sleep if it has one, and counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::wire::{
    CountCallsRequest, CountCallsResponse, RunBatchRequest, RunBatchResponse, WorkRequest, WorkResponse,
    floor_service_server::FloorService,
};

/// Answers that wait to be written: a batch of the largest concurrency, four times over.
const ANSWERS: usize = 1024;

#[derive(Default)]
struct EchoServer {
    executed: Arc<AtomicU64>,
}

/// Serves until the process is killed.
pub(crate) async fn serve() -> anyhow::Result<()> {
    super::listen(EchoServer::default()).await
}

#[tonic::async_trait]
impl FloorService for EchoServer {
    type WorkStream = ReceiverStream<Result<WorkResponse, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<WorkRequest>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (answers, receiver) = mpsc::channel(ANSWERS);
        tokio::spawn(answer_all(request.into_inner(), answers, self.executed.clone()));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn count_calls(
        &self,
        _: Request<CountCallsRequest>,
    ) -> Result<Response<CountCallsResponse>, Status> {
        let calls = self.executed.load(Ordering::Relaxed);
        Ok(Response::new(CountCallsResponse { calls }))
    }

    async fn run_batch(&self, _: Request<RunBatchRequest>) -> Result<Response<RunBatchResponse>, Status> {
        Err(Status::unimplemented("batches are the relay's"))
    }
}

/// Until the relay goes away.
async fn answer_all(
    mut calls: Streaming<WorkRequest>,
    answers: mpsc::Sender<Result<WorkResponse, Status>>,
    executed: Arc<AtomicU64>,
) {
    while let Ok(Some(call)) = calls.message().await {
        executed.fetch_add(1, Ordering::Relaxed);
        let sleep = Duration::from_micros(call.sleep_microseconds.into());
        let answer = WorkResponse {
            id: call.id,
            status: 0,
            result: call.parameters,
        };
        if sleep.is_zero() {
            if answers.send(Ok(answer)).await.is_err() {
                return;
            }
        } else {
            let answers = answers.clone();
            tokio::spawn(async move {
                tokio::time::sleep(sleep).await;
                // nobody waits for it once the relay has gone
                let _ = answers.send(Ok(answer)).await;
            });
        }
    }
}
