//! What the page asks and does: one handler for each, each one request of a service in this process.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use toolwave_proto::v1::{
    self, admin_service_server::AdminService as _, execution_service_server::ExecutionService as _,
};

use super::{
    Shared,
    guard::Operator,
    json::{self, Failure},
};

type Dashboard = State<Arc<Shared>>;
type Asking = Extension<Operator>;

/// What a list of executions may be asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Listed {
    limit: u32,
    before: String,
    running: bool,
    tenant: String,
}

pub(super) async fn cluster(State(shared): Dashboard, Extension(operator): Asking) -> Response {
    let request = operator.request(v1::GetClusterRequest {});
    json::answer(shared.services.admin.get_cluster(request).await)
}

pub(super) async fn workers(State(shared): Dashboard, Extension(operator): Asking) -> Response {
    let request = operator.request(v1::ListWorkersRequest {});
    json::answer(shared.services.admin.list_workers(request).await)
}

pub(super) async fn drain(
    State(shared): Dashboard,
    Extension(operator): Asking,
    Path(worker): Path<String>,
) -> Response {
    let request = operator.request(v1::DrainWorkerRequest {
        worker,
        resume: false,
    });
    json::answer(shared.services.admin.drain_worker(request).await)
}

pub(super) async fn resume(
    State(shared): Dashboard,
    Extension(operator): Asking,
    Path(worker): Path<String>,
) -> Response {
    let request = operator.request(v1::DrainWorkerRequest { worker, resume: true });
    json::answer(shared.services.admin.drain_worker(request).await)
}

pub(super) async fn executions(
    State(shared): Dashboard,
    Extension(operator): Asking,
    Query(listed): Query<Listed>,
) -> Response {
    let Listed {
        limit,
        before,
        running,
        tenant,
    } = listed;
    let request = operator.request(v1::ListExecutionsRequest {
        limit,
        before,
        running,
        tenant,
    });
    json::answer(shared.services.admin.list_executions(request).await)
}

pub(super) async fn execution(
    State(shared): Dashboard,
    Extension(operator): Asking,
    Path(execution_id): Path<String>,
) -> Response {
    let request = operator.request(v1::GetExecutionRequest { execution_id });
    let answer = shared.services.admin.get_execution(request).await;
    // Ten thousand calls are megabytes of text: made beside the threads that serve.
    tokio::task::spawn_blocking(move || json::answer(answer))
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

pub(super) async fn cancel(
    State(shared): Dashboard,
    Extension(operator): Asking,
    Path(execution_id): Path<String>,
) -> Response {
    let request = operator.request(v1::AdminServiceCancelExecutionRequest { execution_id });
    json::answer(shared.services.admin.cancel_execution(request).await)
}

pub(super) async fn tools(State(shared): Dashboard, Extension(operator): Asking) -> Response {
    let request = operator.request(v1::ListToolsRequest {});
    json::answer(shared.services.executions.list_tools(request).await)
}

/// Runs one call as an execution of its own, the operator's; a browser that goes away cancels it.
pub(super) async fn call(State(shared): Dashboard, Extension(operator): Asking, body: Bytes) -> Response {
    let call = match json::read::<v1::Call>(&body) {
        Ok(call) => call,
        Err(failure) => return failure.into_response(),
    };
    let request = operator.request(v1::ExecuteParallelRequest {
        calls: vec![call],
        ..Default::default()
    });
    json::answer(shared.services.executions.execute_parallel(request).await)
}

pub(super) async fn unknown() -> Failure {
    Failure {
        status: StatusCode::NOT_FOUND,
        word: "NO_SUCH_PATH",
        message:
            "nothing is here: GET cluster, workers, executions, executions/{id}, tools, live; POST call, \
                  executions/{id}/cancel, workers/{name}/drain, workers/{name}/resume"
                .to_owned(),
    }
}
