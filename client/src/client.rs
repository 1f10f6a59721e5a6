//! A method for each RPC, asked of one coordinator of those that a client was given.

use std::{sync::Arc, time::Duration};

mod operator;

use futures_util::{Stream, TryStreamExt as _, stream};
use tokio::time::Instant;
use toolwave_proto::v1::{self, cancel_execution_request::Target};

use crate::{
    ClientError, Executed, Resubmission, Resubmit,
    builder::ClientBuilder,
    failover::Carrying,
    pool::{Pool, Way},
    trace::{self, Trace},
};

/// The largest message that this client sends or takes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// A client of one coordinator, or of several. Cheap to clone; clones share the connection, which is made again by
/// itself.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Arc<Pool>,
    patience: Option<Duration>,
    resubmit: Resubmit,
    trace: Option<Trace>,
}

impl Client {
    /// Connects to `http://HOST:PORT` or `https://HOST:PORT`, within 5 s; several with commas between them are several
    /// coordinators. Over `https` the coordinator's certificate must come from a CA that the system trusts;
    /// [`Client::builder`] takes another, and credentials.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, ClientError> {
        Self::builder(url.as_ref()).connect().await
    }

    /// A client of the coordinator at `http://HOST:PORT` or `https://HOST:PORT`, or of several with commas between
    /// them, to be told more and connected.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    pub(crate) fn new(pool: Pool, patience: Option<Duration>, resubmit: Resubmit) -> Self {
        Self {
            pool: Arc::new(pool),
            patience,
            resubmit,
            trace: None,
        }
    }

    /// The same client, on the same connection, for executions that are part of the caller's trace: `traceparent` and
    /// `tracestate` as W3C Trace Context has them, the second empty where there is none. With the feature
    /// `opentelemetry` every client sends the span that is current where it is called; this one goes before it.
    ///
    /// # Errors
    /// [`ClientError::Credentials`]: one of them is malformed.
    pub fn in_trace(&self, traceparent: &str, tracestate: &str) -> Result<Self, ClientError> {
        Ok(Self {
            trace: Some(Trace::try_new(traceparent, tracestate)?),
            ..self.clone()
        })
    }

    /// Where the coordinator is, as it was given; of several the first.
    #[must_use]
    pub fn address(&self) -> &str {
        self.pool.url()
    }

    /// Runs the calls and answers when all have ended: one result per call, in request order. What was submitted more
    /// than once is logged; [`Client::execute`] says it in its answer.
    ///
    /// # Errors
    /// When the request as a whole got no answer; nothing has run unless the error says that it may have.
    pub async fn execute_parallel(
        &self,
        request: v1::ExecuteParallelRequest,
    ) -> Result<v1::ExecuteParallelResponse, ClientError> {
        self.execute(request).await.map(|executed| executed.response)
    }

    /// Runs the calls as [`Client::execute_parallel`] does, and says which coordinators did not answer before.
    ///
    /// # Errors
    /// As [`Client::execute_parallel`]. An execution that may have run and found no other coordinator is an error which
    /// says so.
    pub async fn execute(&self, request: v1::ExecuteParallelRequest) -> Result<Executed, ClientError> {
        let request = receivable(request);
        let carrying = self.carrying(&request);
        if carrying.is_once(&self.pool) {
            let way = self.pool.way().await?;
            let request = trace::request(self.trace.as_ref(), request);
            let answer = way.execution.clone().execute_parallel(request).await;
            return Ok(Executed {
                response: answer.map_err(|status| way.error(status))?.into_inner(),
                resubmissions: Vec::new(),
            });
        }
        let ask = |way: Arc<Way>| {
            let request = in_time(request.clone(), carrying.deadline);
            let request = trace::request(self.trace.as_ref(), request);
            async move {
                let answer = way.execution.clone().execute_parallel(request).await;
                Ok(answer.map_err(|status| way.error(status))?.into_inner())
            }
        };
        let (response, resubmissions) = carrying.out(&self.pool, ask).await?;
        tell(&resubmissions);
        Ok(Executed {
            response,
            resubmissions,
        })
    }

    /// Runs the calls and tells each event as it happens, the summary last. Dropping the stream cancels the
    /// execution. Of several coordinators another is asked as long as none has begun to answer.
    ///
    /// # Errors
    /// As [`Client::execute_parallel`]; the stream's items, when the connection breaks.
    pub async fn execute_parallel_stream(
        &self,
        request: v1::ExecuteParallelRequest,
    ) -> Result<impl Stream<Item = Result<v1::ExecutionEvent, ClientError>> + Send + use<>, ClientError> {
        let request = receivable(request);
        let carrying = self.carrying(&request);
        let ask = |way: Arc<Way>| {
            let execution = Some(in_time(request.clone(), carrying.deadline));
            let request = v1::ExecuteParallelStreamRequest { execution };
            let request = trace::request(self.trace.as_ref(), request);
            async move {
                let answer = way.execution.clone().execute_parallel_stream(request).await;
                let frames = answer.map_err(|status| way.error(status))?.into_inner();
                let (address, link) = (way.address.clone(), way.link.clone());
                Ok(frames
                    .map_err(move |status| ClientError::from_status(&address, &link, status))
                    .map_ok(|frame| stream::iter(frame.events.into_iter().map(Ok)))
                    .try_flatten())
            }
        };
        let (events, resubmissions) = carrying.out(&self.pool, ask).await?;
        tell(&resubmissions);
        Ok(events)
    }

    /// Validates and answers the waves and edges; runs nothing.
    ///
    /// # Errors
    /// [`ClientError::InvalidRequest`] with every violation.
    pub async fn plan_execution(
        &self,
        execution: v1::ExecuteParallelRequest,
    ) -> Result<v1::PlanExecutionResponse, ClientError> {
        let request = v1::PlanExecutionRequest {
            execution: Some(execution),
        };
        let ask = |way: Arc<Way>| {
            let request = request.clone();
            async move {
                let answer = way.execution.clone().plan_execution(request).await;
                Ok(answer.map_err(|status| way.error(status))?.into_inner())
            }
        };
        self.read(ask).await
    }

    /// Cancels an execution; one that has ended stays as it is, and that is no error.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when the coordinator knows no such execution.
    pub async fn cancel_execution(
        &self,
        execution_id: impl Into<String>,
    ) -> Result<v1::CancelExecutionResponse, ClientError> {
        let request = v1::CancelExecutionRequest {
            target: Some(Target::ExecutionId(execution_id.into())),
        };
        let way = self.pool.way().await?;
        let answer = way.execution.clone().cancel_execution(request).await;
        Ok(answer.map_err(|status| way.error(status))?.into_inner())
    }

    /// The tools that workers host, or hosted since the coordinator started, by name.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn list_tools(&self) -> Result<Vec<v1::ListedTool>, ClientError> {
        let ask = |way: Arc<Way>| async move {
            let answer = way.execution.clone().list_tools(v1::ListToolsRequest {}).await;
            Ok(answer.map_err(|status| way.error(status))?.into_inner().tools)
        };
        self.read(ask).await
    }

    /// The workers that are connected, or lost and still waited for, by name.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn list_workers(&self) -> Result<Vec<v1::WorkerStatus>, ClientError> {
        let ask = |way: Arc<Way>| async move {
            let answer = way.admin.clone().list_workers(v1::ListWorkersRequest {}).await;
            Ok(answer.map_err(|status| way.error(status))?.into_inner().workers)
        };
        self.read(ask).await
    }

    /// Stops dispatching to a worker, or resumes.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when the coordinator knows no such worker.
    pub async fn drain_worker(
        &self,
        worker: impl Into<String>,
        resume: bool,
    ) -> Result<v1::DrainWorkerResponse, ClientError> {
        let request = v1::DrainWorkerRequest {
            worker: worker.into(),
            resume,
        };
        let way = self.pool.way().await?;
        let answer = way.admin.clone().drain_worker(request).await;
        Ok(answer.map_err(|status| way.error(status))?.into_inner())
    }

    fn carrying(&self, request: &v1::ExecuteParallelRequest) -> Carrying {
        let timeout = request.timeout.as_ref();
        let timeout = timeout.and_then(|timeout| Duration::try_from(*timeout).ok());
        Carrying {
            repeatable: self.resubmit.allows(request),
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            patience: self.patience,
        }
    }

    /// What only reads is asked of another coordinator whatever became of the first.
    async fn read<T, Asked>(&self, ask: impl Fn(Arc<Way>) -> Asked) -> Result<T, ClientError>
    where
        Asked: Future<Output = Result<T, ClientError>>,
    {
        let carrying = Carrying {
            repeatable: !self.pool.is_single() || self.patience.is_some(),
            deadline: None,
            patience: self.patience,
        };
        let (answer, _) = carrying.out(&self.pool, ask).await?;
        Ok(answer)
    }
}

/// What is left of the execution's time.
fn in_time(mut request: v1::ExecuteParallelRequest, deadline: Option<Instant>) -> v1::ExecuteParallelRequest {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        // nothing left is the coordinator's to say: no time at all is no request
        request.timeout = Some(crate::proto_duration(left.max(Duration::from_millis(1))));
    }
    request
}

fn tell(resubmissions: &[Resubmission]) {
    for again in resubmissions {
        let Resubmission {
            from,
            reason,
            may_have_run,
        } = again;
        tracing::warn!(%from, %reason, may_have_run, "execution submitted to another coordinator");
    }
}

/// Says what this client can take, unless the caller has: the protocol assumes 4 MiB and leaves out what does
/// not fit.
fn receivable(mut request: v1::ExecuteParallelRequest) -> v1::ExecuteParallelRequest {
    request.max_response_bytes.get_or_insert(MAX_MESSAGE_BYTES as u32);
    request
}
