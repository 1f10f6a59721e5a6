//! `AdminService`: what operators ask of workers, put to the driver and into wire form.

mod cluster;
mod executions;
pub(crate) mod http;

use std::time::Duration;

use tonic::{Code, Request, Response, Status, async_trait};
use toolwave_proto::v1::{self, admin_service_server::AdminService};
use toolwave_scheduler::WorkerCondition;

use crate::{
    audit::{CallerFacts, Event},
    driver::{history::Wanted, mailbox::ListedWorker},
    error::{Reason, RequestError, refused, status},
    execution::violations::Violations,
    handle::{Cancelled, Handle, WorkerRequestError},
    observe::history::Status as Kept,
    worker::duration,
};

/// Executions that are listed at once, unless the request says how many.
const PAGE: u32 = 100;
/// And at most.
const LONGEST_PAGE: u32 = 1_000;
const UNKNOWN: &str = "no execution of this id runs or is kept: ListExecutions names those that do and are (`history` says how many are kept)";

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
        request: Request<v1::ListExecutionsRequest>,
    ) -> Result<Response<v1::ListExecutionsResponse>, Status> {
        let request = request.into_inner();
        let most = match request.limit {
            0 => PAGE,
            limit if limit <= LONGEST_PAGE => limit,
            limit => {
                let what = format!("{limit} is too many: at most {LONGEST_PAGE} executions come at once");
                return Err(wrong("limit", what));
            }
        } as usize;
        let history = self.0.history();
        let before = match request.before.as_str() {
            "" => None,
            id => Some(parse(id)?),
        };
        let before_key = before.and_then(|id| Some(history.find(id)?.status.key));
        let tenant = (!request.tenant.is_empty()).then(|| request.tenant.into_boxed_str());
        let wanted = Wanted {
            before,
            before_key,
            tenant: tenant.clone(),
            most,
        };
        let running = self.0.running(wanted).await.ok_or_else(stopped)?;
        // One that ended between the two questions is found now.
        let found = before.and_then(|id| Some(history.find(id)?.status.key));
        let before_key = before_key.or(running.before).or(found);
        if before.is_some() && before_key.is_none() {
            return Err(unknown(
                "`before` names no execution that runs or is kept: begin with the newest",
            ));
        }
        let ended = if request.running {
            Vec::new()
        } else {
            let of_tenant = |status: &Kept| tenant.as_ref().is_none_or(|tenant| **tenant == *status.tenant);
            history.newest(before_key, most, of_tenant)
        };
        Ok(Response::new(v1::ListExecutionsResponse {
            executions: executions::page(running.executions, ended, most),
            forgotten: history.held().forgotten,
        }))
    }

    async fn get_execution(
        &self,
        request: Request<v1::GetExecutionRequest>,
    ) -> Result<Response<v1::GetExecutionResponse>, Status> {
        let id = parse(&request.into_inner().execution_id)?;
        let live = self.0.live(id).await.ok_or_else(stopped)?;
        let (catalogue, contents) = (self.0.catalogue(), self.0.history().contents_bytes().is_some());
        if let Some(live) = live {
            return Ok(Response::new(executions::running(&live, catalogue, contents)));
        }
        // Before it is forgotten by the driver it is kept.
        let entry = self.0.history().find(id).ok_or_else(|| unknown(UNKNOWN))?;
        Ok(Response::new(executions::ended(&entry, catalogue, contents)))
    }

    async fn cancel_execution(
        &self,
        request: Request<v1::AdminServiceCancelExecutionRequest>,
    ) -> Result<Response<v1::AdminServiceCancelExecutionResponse>, Status> {
        let caller = self.0.caller(request.extensions());
        let refused = |status: Status, reason: Reason| {
            self.0.audit().record(|| Event::CancelRefused {
                caller: CallerFacts::from(&caller),
                reason: reason.word(),
            });
            status
        };
        let id = request.into_inner().execution_id;
        let id = parse(&id).map_err(|status| refused(status, Reason::ExecutionNotFound))?;
        let cancelled = self.0.cancel_any(id, caller.clone()).await.ok_or_else(stopped)?;
        let cancelled = cancelled.map_err(|_| refused(unknown(UNKNOWN), Reason::ExecutionNotFound))?;
        Ok(Response::new(v1::AdminServiceCancelExecutionResponse {
            already_ended: cancelled == Cancelled::AlreadyEnded,
        }))
    }

    async fn get_cluster(
        &self,
        _: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::GetClusterResponse>, Status> {
        let state = self.0.cluster_state().await.ok_or_else(stopped)?;
        Ok(Response::new(cluster::response(state, &self.0)))
    }
}

/// An execution's id; what is none names no execution.
fn parse(id: &str) -> Result<u128, Status> {
    uuid::Uuid::try_parse(id)
        .map(|id| id.as_u128())
        .map_err(|_| unknown(UNKNOWN))
}

fn unknown(what: &str) -> Status {
    refused(Reason::ExecutionNotFound, what)
}

fn wrong(field: &str, what: String) -> Status {
    RequestError::Invalid(Violations::one(Reason::BadTarget, field, what)).into()
}

fn stopped() -> Status {
    refusal(&WorkerRequestError::Closed)
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
