//! The RPCs of clients: request in, execution submitted, answer or events out. Decides nothing about calls.

use std::{collections::HashMap, sync::Arc};

use futures_util::{Stream, StreamExt, stream};
use prost::Message;
use tonic::{Request, Response, Status};
use toolwave_proto::v1::{self, execution_service_server::ExecutionService};

use super::{
    answer::Answer,
    answered::{Answered, Ended},
    deadline,
    idempotency::{KeyedExecutions, Watcher, body_of},
    plan_answer,
    prepared::{Detail, ExecutionNews},
    validate::{Circumstances, Prepared, prepare},
    violations::Violations,
};
use crate::{
    audit::{CallerFacts, Event},
    catalogue::Catalogue,
    error::{Reason, RequestError},
    handle::{Cancelled, Handle, SubmitError, Ticket},
    tenants::Caller,
};

/// A request of so many bytes is checked beside the threads that serve the others.
const LARGE_REQUEST: usize = 64 * 1024;
/// Events that travel together at most.
const EVENTS_TOGETHER: usize = 256;

/// Serves `ExecutionService`.
#[derive(Clone)]
pub struct Service {
    handle: Handle,
    keyed: Arc<KeyedExecutions>,
}

/// Where news of an execution come from.
enum Source {
    /// This client's alone: dropped, it cancels the execution.
    Own(Ticket),
    /// One with an idempotency key, which others may watch too.
    Joined(Watcher),
}

impl Source {
    async fn next(&mut self) -> Option<Vec<ExecutionNews>> {
        match self {
            Self::Own(ticket) => ticket.next().await,
            Self::Joined(watcher) => watcher.next().await,
        }
    }
}

impl Service {
    /// On top of the driver.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            keyed: Arc::default(),
        }
    }

    async fn prepare(
        &self,
        request: v1::ExecuteParallelRequest,
        circumstances: Circumstances,
        catalogue: Arc<Catalogue>,
    ) -> Result<Prepared, RequestError> {
        let handle = self.handle.clone();
        let work = move |request| prepare(request, &catalogue, &handle.request_limits(), circumstances);
        if request.calls.len() < 64 && request.encoded_len() < LARGE_REQUEST {
            return work(request);
        }
        tokio::task::spawn_blocking(move || work(request))
            .await
            .map_err(|_| RequestError::from(SubmitError::Closed))?
    }

    /// Checks and submits, or joins. What comes to nothing is recorded here, the rest by the driver.
    async fn begin(
        &self,
        request: v1::ExecuteParallelRequest,
        circumstances: Circumstances,
        caller: Caller,
    ) -> Result<(Source, Answer), RequestError> {
        let (audit, numbers) = (self.handle.audit(), self.handle.metrics().numbers());
        if !audit.is_on() {
            let begun = self.begin_unrecorded(request, circumstances, caller).await;
            return begun.inspect_err(|error| numbers.refused(error));
        }
        let (calls, facts) = (request.calls.len(), CallerFacts::from(&caller));
        let begun = self.begin_unrecorded(request, circumstances, caller).await;
        match &begun {
            Ok((Source::Joined(watcher), answer)) if !watcher.is_first() => {
                audit.record(|| Event::ExecutionJoined {
                    caller: facts,
                    execution_id: answer.execution_id().into(),
                });
            }
            Ok(_) => {}
            Err(error) => {
                numbers.refused(error);
                audit.record(|| Event::ExecutionRefused {
                    caller: facts,
                    reason: error.reason().word(),
                    calls,
                });
            }
        }
        begun
    }

    async fn begin_unrecorded(
        &self,
        request: v1::ExecuteParallelRequest,
        circumstances: Circumstances,
        caller: Caller,
    ) -> Result<(Source, Answer), RequestError> {
        let catalogue = self.handle.catalogue().seen_by(&caller);
        let key = request.idempotency_key.clone();
        if key.is_empty() {
            let prepared = self.prepare(request, circumstances, catalogue.clone()).await?;
            let shape = Arc::new(prepared.shape);
            let tenant = caller.client.tenant.clone();
            let ticket = self
                .handle
                .submit(prepared.execution, shape.clone(), caller)
                .await?;
            let answer = Answer::new(shape, catalogue, ticket.execution_id()).of_tenant(tenant);
            return Ok((Source::Own(ticket), answer));
        }
        let body = body_of(&request, &caller);
        let tenant = caller.client.tenant.clone();
        let prepared = self.prepare(request, circumstances, catalogue.clone()).await?;
        let mut watcher = self.keyed.join(&key, body, prepared, &self.handle, caller)?;
        let id = watcher.admission().await?;
        let answer = Answer::new(watcher.shape().clone(), catalogue, &id).of_tenant(tenant);
        Ok((Source::Joined(watcher), answer))
    }

    /// Runs a request to its end.
    pub(super) async fn execute(
        &self,
        request: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Answered, Status> {
        let circumstances = Circumstances {
            deadline: deadline::of(&request)?,
            detail: Detail::Results,
            explain: false,
        };
        let caller = self.handle.caller(request.extensions());
        let caller = caller.traced(request.metadata());
        Ok(self.run(request.into_inner(), circumstances, caller).await?)
    }

    async fn run(
        &self,
        request: v1::ExecuteParallelRequest,
        circumstances: Circumstances,
        caller: Caller,
    ) -> Result<Answered, RequestError> {
        let (mut source, mut answer) = self.begin(request, circumstances, caller).await?;
        let mut ends: Vec<Option<Ended>> = answer.shape().calls.iter().map(|_| None).collect();
        while let Some(news) = source.next().await {
            for news in news {
                match news {
                    ExecutionNews::Ended(ended) => {
                        let call = ended.call as usize;
                        ends[call] = Some(answer.end(ended));
                    }
                    ExecutionNews::Finished { duration } => {
                        let ends: Option<Vec<Ended>> = ends.into_iter().collect();
                        // The driver ends every call before it says Finished.
                        return Ok(answer.response(ends.ok_or(RequestError::CoordinatorStopped)?, duration));
                    }
                    ExecutionNews::Started { .. }
                    | ExecutionNews::Progress { .. }
                    | ExecutionNews::Retried { .. } => {}
                }
            }
        }
        Err(RequestError::CoordinatorStopped)
    }
}

/// A stream's state: what comes next.
enum Flow {
    Begin(Source, Answer),
    On(Source, Answer),
    End,
}

type Messages = Vec<Result<v1::ExecuteParallelStreamResponse, Status>>;

async fn flow(state: Flow) -> Option<(Messages, Flow)> {
    match state {
        Flow::Begin(source, answer) => {
            let planned = v1::ExecuteParallelStreamResponse {
                events: vec![answer.planned()],
            };
            Some((vec![Ok(planned)], Flow::On(source, answer)))
        }
        Flow::On(mut source, mut answer) => {
            let Some(news) = source.next().await else {
                return Some((vec![Err(RequestError::CoordinatorStopped.into())], Flow::End));
            };
            let finished = matches!(news.last(), Some(ExecutionNews::Finished { .. }));
            let events = news.iter().map(|news| answer.event(news)).collect();
            let messages = together(events, answer.shape().max_response_bytes);
            Some((
                messages,
                if finished {
                    Flow::End
                } else {
                    Flow::On(source, answer)
                },
            ))
        }
        Flow::End => None,
    }
}

/// Events in messages that the client can receive.
fn together(events: Vec<v1::ExecutionEvent>, limit: usize) -> Messages {
    let mut messages = Vec::new();
    let mut message = v1::ExecuteParallelStreamResponse::default();
    let mut bytes = 0;
    for event in events {
        // Its tag and length.
        let size = event.encoded_len() + 6;
        if !message.events.is_empty() && (bytes + size > limit || message.events.len() >= EVENTS_TOGETHER) {
            messages.push(Ok(std::mem::take(&mut message)));
            bytes = 0;
        }
        bytes += size;
        message.events.push(event);
    }
    if !message.events.is_empty() {
        messages.push(Ok(message));
    }
    messages
}

fn required(
    execution: Option<v1::ExecuteParallelRequest>,
) -> Result<v1::ExecuteParallelRequest, RequestError> {
    execution.ok_or_else(|| {
        RequestError::Invalid(Violations::one(
            Reason::EmptyRequest,
            "execution",
            "the request holds no execution",
        ))
    })
}

#[tonic::async_trait]
impl ExecutionService for Service {
    async fn execute_parallel(
        &self,
        request: Request<v1::ExecuteParallelRequest>,
    ) -> Result<Response<v1::ExecuteParallelResponse>, Status> {
        Ok(Response::new(self.execute(request).await?.into_message()))
    }

    type ExecuteParallelStreamStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<v1::ExecuteParallelStreamResponse, Status>> + Send>>;

    async fn execute_parallel_stream(
        &self,
        request: Request<v1::ExecuteParallelStreamRequest>,
    ) -> Result<Response<Self::ExecuteParallelStreamStream>, Status> {
        let deadline = deadline::of(&request)?;
        let circumstances = Circumstances {
            deadline,
            detail: Detail::Everything,
            explain: false,
        };
        let caller = self.handle.caller(request.extensions());
        let caller = caller.traced(request.metadata());
        let (source, answer) = self
            .begin(required(request.into_inner().execution)?, circumstances, caller)
            .await?;
        let messages = stream::unfold(Flow::Begin(source, answer), flow).flat_map(stream::iter);
        Ok(Response::new(Box::pin(messages)))
    }

    async fn plan_execution(
        &self,
        request: Request<v1::PlanExecutionRequest>,
    ) -> Result<Response<v1::PlanExecutionResponse>, Status> {
        let deadline = deadline::of(&request)?;
        let circumstances = Circumstances {
            deadline,
            detail: Detail::Results,
            explain: true,
        };
        let caller = self.handle.caller(request.extensions());
        let catalogue = self.handle.catalogue().seen_by(&caller);
        let request = required(request.into_inner().execution)?;
        let prepared = self.prepare(request, circumstances, catalogue.clone()).await?;
        Ok(Response::new(plan_answer::plan_response(prepared, catalogue)))
    }

    async fn cancel_execution(
        &self,
        request: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        use v1::cancel_execution_request::Target;
        let caller = self.handle.caller(request.extensions());
        let refused = |error: RequestError| {
            self.handle.audit().record(|| Event::CancelRefused {
                caller: CallerFacts::from(&caller),
                reason: error.reason().word(),
            });
            Status::from(error)
        };
        let (id, ended): (Arc<str>, bool) = match request.into_inner().target {
            Some(Target::ExecutionId(id)) => (id.into(), false),
            Some(Target::IdempotencyKey(key)) => {
                let tenant = &caller.client.tenant;
                let found = self.keyed.find(tenant, &key);
                found.ok_or_else(|| refused(RequestError::ExecutionNotFound))?
            }
            None => {
                let what = "name the execution by execution_id or idempotency_key";
                let wrong = Violations::one(Reason::BadTarget, "target", what);
                return Err(refused(RequestError::Invalid(wrong)));
            }
        };
        let already_ended = ended
            || match self.handle.cancel(&id, caller.clone()).await {
                Ok(Cancelled::Now) => false,
                Ok(Cancelled::AlreadyEnded) => true,
                Err(_) => return Err(refused(RequestError::ExecutionNotFound)),
            };
        Ok(Response::new(v1::CancelExecutionResponse {
            execution_id: id.to_string(),
            already_ended,
        }))
    }

    async fn list_tools(
        &self,
        request: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        let caller = self.handle.caller(request.extensions());
        let statuses: HashMap<Arc<str>, _> = self.handle.tool_statuses().await.into_iter().collect();
        let catalogue = self.handle.catalogue().seen_by(&caller);
        // How busy a tool is tells of other tenants.
        let shows_load = caller.client.operator;
        let tools = catalogue.tools().into_iter().map(|tool| {
            let status = statuses.get(tool.proto.name.as_str());
            let load = status.filter(|_| shows_load);
            v1::ListedTool {
                tool: Some(tool.proto.clone()),
                workers: status.map_or(0, |status| status.workers),
                queued: load.map_or(0, |status| status.queued),
                in_flight: load.map_or(0, |status| status.in_flight),
            }
        });
        Ok(Response::new(v1::ListToolsResponse {
            tools: tools.collect(),
        }))
    }
}
