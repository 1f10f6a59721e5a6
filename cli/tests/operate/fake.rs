//! A coordinator that answers what it is told to: odd values, nothing, or as an older one does.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures_util::Stream;
use support::{Finished, toolwave};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};
use toolwave_proto::v1::{
    self,
    admin_service_server::{AdminService, AdminServiceServer},
    execution_service_server::{ExecutionService, ExecutionServiceServer},
};

use crate::support;

/// What it answers; nothing where it does not know the question.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) cluster: Option<v1::GetClusterResponse>,
    pub(crate) executions: Option<v1::ListExecutionsResponse>,
    pub(crate) execution: Option<v1::GetExecutionResponse>,
    pub(crate) workers: Vec<v1::WorkerStatus>,
    /// The questions that came.
    pub(crate) asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Script {
    fn hear(&self, question: &'static str) {
        self.asked.lock().unwrap().push(question);
    }
}

fn unknown() -> Status {
    Status::unimplemented("unknown method")
}

#[tonic::async_trait]
impl AdminService for Script {
    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        self.hear("ListWorkers");
        let workers = self.workers.clone();
        Ok(Response::new(v1::ListWorkersResponse { workers }))
    }

    async fn drain_worker(
        &self,
        _: Request<v1::DrainWorkerRequest>,
    ) -> Result<Response<v1::DrainWorkerResponse>, Status> {
        Err(Status::not_found("no such worker"))
    }

    async fn list_executions(
        &self,
        request: Request<v1::ListExecutionsRequest>,
    ) -> Result<Response<v1::ListExecutionsResponse>, Status> {
        self.hear("ListExecutions");
        let mut listed = self.executions.clone().ok_or_else(unknown)?;
        let request = request.into_inner();
        if let Some(place) = listed
            .executions
            .iter()
            .position(|execution| !request.before.is_empty() && execution.execution_id == request.before)
        {
            listed.executions.drain(..=place);
        }
        listed.executions.truncate(request.limit as usize);
        Ok(Response::new(listed))
    }

    async fn get_execution(
        &self,
        request: Request<v1::GetExecutionRequest>,
    ) -> Result<Response<v1::GetExecutionResponse>, Status> {
        self.hear("GetExecution");
        let execution = self.execution.clone().ok_or_else(unknown)?;
        let status = execution.status.clone().unwrap_or_default();
        match status.execution_id == request.into_inner().execution_id {
            true => Ok(Response::new(execution)),
            false => Err(Status::not_found("no such execution")),
        }
    }

    async fn cancel_execution(
        &self,
        _: Request<v1::AdminServiceCancelExecutionRequest>,
    ) -> Result<Response<v1::AdminServiceCancelExecutionResponse>, Status> {
        Err(unknown())
    }

    async fn get_cluster(
        &self,
        _: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::GetClusterResponse>, Status> {
        self.hear("GetCluster");
        self.cluster.clone().map(Response::new).ok_or_else(unknown)
    }
}

type Frames = Pin<Box<dyn Stream<Item = Result<v1::ExecuteParallelStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExecutionService for Script {
    async fn execute_parallel(
        &self,
        _: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Response<v1::ExecuteParallelResponse>, Status> {
        Err(unknown())
    }

    type ExecuteParallelStreamStream = Frames;

    async fn execute_parallel_stream(
        &self,
        _: Request<v1::ExecuteParallelStreamRequest>,
    ) -> Result<Response<Frames>, Status> {
        Err(unknown())
    }

    async fn plan_execution(
        &self,
        _: Request<v1::PlanExecutionRequest>,
    ) -> Result<Response<v1::PlanExecutionResponse>, Status> {
        Err(unknown())
    }

    async fn cancel_execution(
        &self,
        _: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        Err(Status::not_found("no such execution"))
    }

    async fn list_tools(
        &self,
        _: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        self.hear("ListTools");
        Ok(Response::new(v1::ListToolsResponse::default()))
    }
}

/// It listens until it is dropped.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(AdminServiceServer::new(script.clone()))
            .add_service(ExecutionServiceServer::new(script))
            .serve_with_incoming(TcpIncoming::from(listener));
        let server = tokio::spawn(async move {
            let _ = server.await;
        });
        Self { address, server }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        run(self.address, arguments).await
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// `toolwave` with these arguments and this coordinator.
pub(crate) async fn run(address: SocketAddr, arguments: &[&str]) -> Finished {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let directory = tempfile::tempdir().unwrap();
        let mut command = toolwave(directory.path());
        command
            .args(arguments)
            .args(["--coordinator", &format!("http://{address}")])
            .env("LC_ALL", "C.UTF-8");
        support::finish(&mut command)
    })
    .await
    .unwrap()
}
