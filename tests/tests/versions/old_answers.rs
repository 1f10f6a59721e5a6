//! What clients get from a coordinator of the last release: every RPC that it had, as far as a test needs it. Calls that
//! fail are none of its business.

use tokio_stream::iter;
use tonic::{Request, Response, Status};

use crate::{
    baseline::v1::{
        self, admin_service_server::AdminService, attempt_report::End, cancel_execution_request::Target,
        execution_event::Kind, execution_service_server::ExecutionService,
    },
    old_coordinator::{Program, Streamed},
};

/// The id of each of its executions.
pub(crate) const EXECUTION: &str = "execution-1";

// === impl Program ===

impl Program {
    /// Runs the calls of a request at once and answers when all have succeeded.
    async fn run(
        &self,
        request: Option<v1::ExecuteParallelRequest>,
    ) -> Result<v1::ExecuteParallelResponse, Status> {
        let calls = request.unwrap_or_default().calls;
        let dispatches = calls
            .iter()
            .map(|call| (call.tool_name.clone(), parameters(call)));
        let ends = self.dispatch(dispatches.collect())?;
        let mut results = Vec::new();
        for (index, (call, end)) in calls.iter().zip(ends).enumerate() {
            let report = end.await.map_err(|_| Status::unavailable("the worker is lost"))?;
            let Some(End::ResultJson(json)) = report.end else {
                return Err(Status::internal("it fails no calls, only tests"));
            };
            results.push(v1::CallResult {
                id: call.id.clone().unwrap_or_else(|| index.to_string()),
                tool_name: call.tool_name.clone(),
                success: true,
                outcome: v1::Outcome::Succeeded.into(),
                result_form: Some(v1::call_result::ResultForm::ResultJson(json)),
                ..v1::CallResult::default()
            });
        }
        let calls = u32::try_from(results.len()).unwrap();
        let summary = v1::ExecutionSummary {
            execution_id: EXECUTION.to_owned(),
            calls,
            waves: 1,
            outcomes: vec![v1::OutcomeCount {
                outcome: v1::Outcome::Succeeded.into(),
                count: calls,
            }],
            attempts: calls,
            ..v1::ExecutionSummary::default()
        };
        Ok(v1::ExecuteParallelResponse {
            results,
            summary: Some(summary),
        })
    }
}

fn parameters(call: &v1::Call) -> bytes::Bytes {
    match &call.parameters_form {
        Some(v1::call::ParametersForm::ParametersJson(json)) => json.clone(),
        _ => "{}".into(),
    }
}

/// No call waits for another.
fn waves(request: Option<&v1::ExecuteParallelRequest>) -> Vec<v1::Wave> {
    let calls = request.map_or(0, |request| request.calls.len());
    vec![v1::Wave {
        calls: (0..u32::try_from(calls).unwrap()).collect(),
    }]
}

#[tonic::async_trait]
impl ExecutionService for Program {
    type ExecuteParallelStreamStream = Streamed<v1::ExecuteParallelStreamResponse>;

    async fn execute_parallel(
        &self,
        request: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Response<v1::ExecuteParallelResponse>, Status> {
        let response = self.run(Some(request.into_inner())).await?;
        Ok(Response::new(response))
    }

    async fn execute_parallel_stream(
        &self,
        request: Request<v1::ExecuteParallelStreamRequest>,
    ) -> Result<Response<Self::ExecuteParallelStreamStream>, Status> {
        let request = request.into_inner().execution;
        let planned = Kind::Planned(v1::ExecutionPlanned {
            execution_id: EXECUTION.to_owned(),
            waves: waves(request.as_ref()),
        });
        let response = self.run(request).await?;
        let results = response.results.into_iter().enumerate().map(|(index, result)| {
            Kind::Result(v1::CallEnded {
                call_index: u32::try_from(index).unwrap(),
                result: Some(result),
            })
        });
        let kinds = std::iter::once(planned)
            .chain(results)
            .chain(response.summary.map(Kind::Summary));
        let frames: Vec<_> = kinds
            .map(|kind| v1::ExecutionEvent {
                at: None,
                kind: Some(kind),
            })
            .map(|event| Ok(v1::ExecuteParallelStreamResponse { events: vec![event] }))
            .collect();
        Ok(Response::new(Box::pin(iter(frames))))
    }

    async fn plan_execution(
        &self,
        request: Request<v1::PlanExecutionRequest>,
    ) -> Result<Response<v1::PlanExecutionResponse>, Status> {
        Ok(Response::new(v1::PlanExecutionResponse {
            waves: waves(request.into_inner().execution.as_ref()),
            critical_path_calls: 1,
            ..v1::PlanExecutionResponse::default()
        }))
    }

    async fn cancel_execution(
        &self,
        request: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        match request.into_inner().target {
            Some(Target::ExecutionId(id)) if id == EXECUTION => {
                Ok(Response::new(v1::CancelExecutionResponse {
                    execution_id: id,
                    already_ended: true,
                }))
            }
            _ => Err(Status::not_found("no such execution is known")),
        }
    }

    async fn list_tools(
        &self,
        _: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        let tools = self.worker().into_iter().flat_map(|worker| worker.tools);
        let tools = tools.map(|tool| v1::ListedTool {
            tool: Some(tool),
            workers: 1,
            ..v1::ListedTool::default()
        });
        let tools = tools.collect();
        Ok(Response::new(v1::ListToolsResponse { tools }))
    }
}

#[tonic::async_trait]
impl AdminService for Program {
    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let workers = self.worker().into_iter().map(|register| v1::WorkerStatus {
            worker: register.worker,
            state: v1::WorkerState::Ready.into(),
            slots: register.slots,
            build: register.build,
            ..v1::WorkerStatus::default()
        });
        let workers = workers.collect();
        Ok(Response::new(v1::ListWorkersResponse { workers }))
    }

    async fn drain_worker(
        &self,
        request: Request<v1::DrainWorkerRequest>,
    ) -> Result<Response<v1::DrainWorkerResponse>, Status> {
        let draining = !request.into_inner().resume;
        self.tell(v1::OpenSessionResponse {
            set_draining: Some(v1::SetDraining { draining }),
            ..v1::OpenSessionResponse::default()
        })?;
        Ok(Response::new(v1::DrainWorkerResponse::default()))
    }
}
