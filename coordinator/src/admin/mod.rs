//! `AdminService`: what operators ask of workers, put to the driver and into wire form.

pub(crate) mod http;

use std::time::Duration;

use tonic::{Code, Request, Response, Status, async_trait};
use toolwave_proto::v1::{self, admin_service_server::AdminService};
use toolwave_scheduler::WorkerCondition;

use crate::{
    driver::mailbox::ListedWorker,
    error::{Reason, status},
    handle::{Handle, WorkerRequestError},
    worker::duration,
};

/// The service, for a server.
#[derive(Clone)]
pub(crate) struct Admin(pub(crate) Handle);

#[async_trait]
impl AdminService for Admin {
    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let workers = self
            .0
            .workers()
            .await
            .ok_or_else(|| refusal(&WorkerRequestError::Closed))?;
        Ok(Response::new(v1::ListWorkersResponse {
            workers: workers.into_iter().map(worker_status).collect(),
        }))
    }

    async fn drain_worker(
        &self,
        request: Request<v1::DrainWorkerRequest>,
    ) -> Result<Response<v1::DrainWorkerResponse>, Status> {
        let caller = self.0.caller(request.extensions());
        let v1::DrainWorkerRequest { worker, resume } = request.into_inner();
        let drained = self
            .0
            .drain_worker(&worker, resume, caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(v1::DrainWorkerResponse {
            in_flight: drained.in_flight,
        }))
    }

    async fn list_executions(
        &self,
        _: Request<v1::ListExecutionsRequest>,
    ) -> Result<Response<v1::ListExecutionsResponse>, Status> {
        Err(missing())
    }

    async fn get_execution(
        &self,
        _: Request<v1::GetExecutionRequest>,
    ) -> Result<Response<v1::GetExecutionResponse>, Status> {
        Err(missing())
    }

    async fn cancel_execution(
        &self,
        _: Request<v1::AdminServiceCancelExecutionRequest>,
    ) -> Result<Response<v1::AdminServiceCancelExecutionResponse>, Status> {
        Err(missing())
    }

    async fn get_cluster(
        &self,
        _: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::GetClusterResponse>, Status> {
        Err(missing())
    }
}

fn missing() -> Status {
    status(Code::Unimplemented, "UNIMPLEMENTED", "not served yet".to_owned())
}

fn refusal(error: &WorkerRequestError) -> Status {
    let (code, reason) = match error {
        WorkerRequestError::Unknown(_) => (Code::NotFound, Reason::WorkerNotFound),
        WorkerRequestError::Closed => (Code::Unavailable, Reason::CoordinatorStopped),
    };
    status(code, reason.word(), error.to_string())
}

fn worker_status(worker: ListedWorker) -> v1::WorkerStatus {
    let state = match worker.status.condition {
        WorkerCondition::Ready => v1::WorkerState::Ready,
        WorkerCondition::Suspect => v1::WorkerState::Suspect,
        WorkerCondition::Detached => v1::WorkerState::Detached,
        WorkerCondition::Ejected => v1::WorkerState::Ejected,
    };
    let mut tools: Vec<String> = worker.tools.iter().map(|tool| tool.to_string()).collect();
    tools.sort_unstable();
    v1::WorkerStatus {
        worker: worker.name.to_string(),
        state: state.into(),
        draining: worker.status.draining,
        slots: worker.status.slots,
        in_flight: worker.status.in_flight,
        tools,
        labels: worker.description.labels,
        build: worker.description.build,
        address: worker
            .description
            .address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        silence: Some(duration(round(worker.status.silence))),
        instance_id: worker.instance_id,
    }
}

/// Nobody reads nanoseconds of silence.
fn round(silence: Duration) -> Duration {
    Duration::from_millis(u64::try_from(silence.as_millis()).unwrap_or(u64::MAX))
}
