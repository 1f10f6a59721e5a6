//! One connection to a coordinator, and a method for each of its RPCs.

mod operator;

use futures_util::{Stream, TryStreamExt as _, stream};
use tonic::transport::Channel;
use toolwave_link::Link;
use toolwave_proto::v1::{
    self, admin_service_client::AdminServiceClient, cancel_execution_request::Target,
    execution_service_client::ExecutionServiceClient,
};

use crate::{
    ClientError,
    builder::ClientBuilder,
    token::{Authorized, Token},
    trace::Trace,
};

/// The largest message that this client sends or takes, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// A client of one coordinator. Cheap to clone; clones share the connection, which reconnects by itself.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
    link: Link,
    channel: Authorized,
    execution: ExecutionServiceClient<Authorized>,
    admin: AdminServiceClient<Authorized>,
}

impl Client {
    /// Connects to `http://HOST:PORT` or `https://HOST:PORT`, within 5 s. Over `https` the coordinator's certificate
    /// must come from a CA that the system trusts; [`Client::builder`] takes another, and credentials.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, ClientError> {
        Self::builder(url.as_ref()).connect().await
    }

    /// A client of the coordinator at `http://HOST:PORT` or `https://HOST:PORT`, to be told more and connected.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    pub(crate) fn new(address: String, link: Link, channel: Channel, token: Option<Token>) -> Self {
        Self::over(address, link, Authorized::new(channel, token, None))
    }

    fn over(address: String, link: Link, channel: Authorized) -> Self {
        let execution = ExecutionServiceClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let admin = AdminServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Self {
            address,
            link,
            channel,
            execution,
            admin,
        }
    }

    /// The same client, on the same connection, for requests that are part of the caller's trace: `traceparent` and
    /// `tracestate` as W3C Trace Context has them, the second empty where there is none. With the feature
    /// `opentelemetry` every client sends the span that is current where it is called; this one goes before it.
    ///
    /// # Errors
    /// [`ClientError::Credentials`]: one of them is malformed.
    pub fn in_trace(&self, traceparent: &str, tracestate: &str) -> Result<Self, ClientError> {
        let channel = self.channel.in_trace(Trace::try_new(traceparent, tracestate)?);
        Ok(Self::over(self.address.clone(), self.link.clone(), channel))
    }

    /// Where the coordinator is, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs the calls and answers when all have ended: one result per call, in request order.
    ///
    /// # Errors
    /// When the request as a whole got no answer; nothing has run unless the error says that it may have.
    pub async fn execute_parallel(
        &self,
        request: v1::ExecuteParallelRequest,
    ) -> Result<v1::ExecuteParallelResponse, ClientError> {
        let answer = self.execution.clone().execute_parallel(receivable(request)).await;
        Ok(answer.map_err(|status| self.classify(status))?.into_inner())
    }

    /// Runs the calls and tells each event as it happens, the summary last. Dropping the stream cancels the
    /// execution.
    ///
    /// # Errors
    /// As [`Client::execute_parallel`]; the stream's items, when the connection breaks.
    pub async fn execute_parallel_stream(
        &self,
        request: v1::ExecuteParallelRequest,
    ) -> Result<impl Stream<Item = Result<v1::ExecutionEvent, ClientError>> + Send + use<>, ClientError> {
        let request = v1::ExecuteParallelStreamRequest {
            execution: Some(receivable(request)),
        };
        let answer = self.execution.clone().execute_parallel_stream(request).await;
        let frames = answer.map_err(|status| self.classify(status))?.into_inner();
        let (address, link) = (self.address.clone(), self.link.clone());
        Ok(frames
            .map_err(move |status| ClientError::from_status(&address, &link, status))
            .map_ok(|frame| stream::iter(frame.events.into_iter().map(Ok)))
            .try_flatten())
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
        let answer = self.execution.clone().plan_execution(request).await;
        Ok(answer.map_err(|status| self.classify(status))?.into_inner())
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
        let answer = self.execution.clone().cancel_execution(request).await;
        Ok(answer.map_err(|status| self.classify(status))?.into_inner())
    }

    /// The tools that workers host, or hosted since the coordinator started, by name.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn list_tools(&self) -> Result<Vec<v1::ListedTool>, ClientError> {
        let answer = self.execution.clone().list_tools(v1::ListToolsRequest {}).await;
        Ok(answer.map_err(|status| self.classify(status))?.into_inner().tools)
    }

    /// The workers that are connected, or lost and still waited for, by name.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn list_workers(&self) -> Result<Vec<v1::WorkerStatus>, ClientError> {
        let answer = self.admin.clone().list_workers(v1::ListWorkersRequest {}).await;
        Ok(answer
            .map_err(|status| self.classify(status))?
            .into_inner()
            .workers)
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
        let answer = self.admin.clone().drain_worker(request).await;
        Ok(answer.map_err(|status| self.classify(status))?.into_inner())
    }

    fn classify(&self, status: tonic::Status) -> ClientError {
        ClientError::from_status(&self.address, &self.link, status)
    }
}

/// Says what this client can take, unless the caller has: the protocol assumes 4 MiB and leaves out what does
/// not fit.
fn receivable(mut request: v1::ExecuteParallelRequest) -> v1::ExecuteParallelRequest {
    request.max_response_bytes.get_or_insert(MAX_MESSAGE_BYTES as u32);
    request
}
