//! A worker whose every frame is the test's: it registers, and from then on does nothing by itself.
//!
//! It sends no heartbeat unless told to, so what it holds is lost when the lease ends.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use toolwave_proto::{
    PROTOCOL,
    v1::{
        AttemptFailure, AttemptRef, AttemptReport, Dispatch, Goodbye, Heartbeat, OpenSessionRequest,
        OpenSessionResponse, Register, Registered, Tool, attempt_report::End,
        worker_service_client::WorkerServiceClient,
    },
};
use uuid::Uuid;

use crate::PATIENCE;

/// Frames that wait for the connection: more than any script sends before it reads.
const OUTBOX: usize = 1024;

/// One session of a worker that a test scripts.
pub struct FakeWorker {
    outgoing: mpsc::Sender<OpenSessionRequest>,
    incoming: Streaming<OpenSessionResponse>,
    registered: Registered,
    dispatches: std::collections::VecDeque<Dispatch>,
    results: u64,
    heartbeats: u64,
}

impl FakeWorker {
    /// The registration of a new worker that hosts `tools`, each taking any object.
    #[must_use]
    pub fn register(name: &str, slots: u32, tools: &[&str]) -> Register {
        Register {
            worker: name.to_owned(),
            instance_id: Uuid::new_v4().to_string(),
            min_protocol: *PROTOCOL.start(),
            max_protocol: *PROTOCOL.end(),
            build: "fake".to_owned(),
            slots,
            tools: tools
                .iter()
                .map(|name| Tool {
                    name: (*name).to_owned(),
                    ..Tool::default()
                })
                .collect(),
            max_message_bytes: 16 * 1024 * 1024,
            max_parameters_bytes: 16 * 1024 * 1024,
            ..Register::default()
        }
    }

    /// Opens a session with this registration and waits for its answer.
    ///
    /// # Errors
    /// The coordinator's refusal, as a [`Status`] at the root, or no answer in time.
    pub async fn open(url: &str, register: Register) -> anyhow::Result<Self> {
        let first = OpenSessionRequest {
            register: Some(register),
            ..OpenSessionRequest::default()
        };
        Self::open_with(url, first).await
    }

    /// Opens a session with any first frame.
    ///
    /// # Errors
    /// As [`FakeWorker::open`].
    pub async fn open_with(url: &str, first: OpenSessionRequest) -> anyhow::Result<Self> {
        let (outgoing, frames) = mpsc::channel(OUTBOX);
        outgoing.try_send(first)?;
        let connect = async {
            let mut client = WorkerServiceClient::connect(url.to_owned()).await?;
            let mut incoming = client
                .open_session(ReceiverStream::new(frames))
                .await?
                .into_inner();
            match incoming.message().await? {
                Some(OpenSessionResponse {
                    registered: Some(registered),
                    ..
                }) => Ok((incoming, registered)),
                other => bail!("the first frame is not an answer to register: {other:?}"),
            }
        };
        let (incoming, registered) = timeout(PATIENCE, connect)
            .await
            .context("no answer to register")??;
        let dispatches = std::collections::VecDeque::new();
        Ok(Self {
            outgoing,
            incoming,
            registered,
            dispatches,
            results: 0,
            heartbeats: 0,
        })
    }

    /// What the coordinator answered to the registration.
    #[must_use]
    pub fn registered(&self) -> &Registered {
        &self.registered
    }

    /// The next frame as it came; `None` at the end of the stream.
    ///
    /// # Errors
    /// The stream's error, or nothing in time.
    pub async fn frame(&mut self) -> anyhow::Result<Option<OpenSessionResponse>> {
        Ok(timeout(PATIENCE, self.incoming.message())
            .await
            .context("no frame")??)
    }

    /// The next dispatch; frames in between are passed over.
    ///
    /// # Errors
    /// When the stream ends first, or nothing comes in time.
    pub async fn dispatch(&mut self) -> anyhow::Result<Dispatch> {
        loop {
            if let Some(dispatch) = self.dispatches.pop_front() {
                return Ok(dispatch);
            }
            let frame = self
                .frame()
                .await?
                .context("the session ended before a dispatch")?;
            self.dispatches.extend(frame.dispatches);
        }
    }

    /// The next frame that tells attempts to stop; dispatches that came before stay for [`FakeWorker::dispatch`].
    ///
    /// # Errors
    /// When the stream ends first, or nothing comes in time.
    pub async fn aborts(&mut self) -> anyhow::Result<Vec<AttemptRef>> {
        loop {
            let frame = self.frame().await?.context("the session ended before an abort")?;
            self.dispatches.extend(frame.dispatches);
            if !frame.aborts.is_empty() {
                return Ok(frame.aborts);
            }
        }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn send(&mut self, frame: OpenSessionRequest) -> anyhow::Result<()> {
        timeout(PATIENCE, self.outgoing.send(frame))
            .await
            .context("the outbox stays full")?
            .context("session over")
    }

    /// Reports that an attempt succeeded with this JSON text.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn succeed(&mut self, attempt: AttemptRef, result: impl Into<Bytes>) -> anyhow::Result<()> {
        self.report(attempt, End::ResultJson(result.into())).await
    }

    /// Reports that an attempt failed.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn fail(&mut self, attempt: AttemptRef, failure: AttemptFailure) -> anyhow::Result<()> {
        self.report(attempt, End::Failure(failure)).await
    }

    async fn report(&mut self, attempt: AttemptRef, end: End) -> anyhow::Result<()> {
        self.results += 1;
        let report = AttemptReport {
            attempt: Some(attempt),
            sequence: self.results,
            end: Some(end),
            execution_time: Some(prost_types::Duration {
                seconds: 0,
                nanos: 1_000_000,
            }),
            ..AttemptReport::default()
        };
        self.send(OpenSessionRequest {
            results: vec![report],
            ..OpenSessionRequest::default()
        })
        .await
    }

    /// Sends a heartbeat that lists these attempts.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn heartbeat(
        &mut self,
        in_flight: Vec<AttemptRef>,
        dispatches_read: u64,
    ) -> anyhow::Result<()> {
        self.heartbeats += 1;
        let heartbeat = Heartbeat {
            number: self.heartbeats,
            in_flight,
            dispatches_read,
        };
        self.send(OpenSessionRequest {
            heartbeat: Some(heartbeat),
            ..OpenSessionRequest::default()
        })
        .await
    }

    /// Leaves on purpose.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn goodbye(mut self) -> anyhow::Result<()> {
        let goodbye = Some(Goodbye {
            reason: "the script ends".to_owned(),
        });
        self.send(OpenSessionRequest {
            goodbye,
            ..OpenSessionRequest::default()
        })
        .await?;
        while let Ok(Some(_)) = self.frame().await {}
        Ok(())
    }

    /// The status that refused a session, out of the error of [`FakeWorker::open`].
    #[must_use]
    pub fn refusal(error: &anyhow::Error) -> Option<&Status> {
        error.downcast_ref::<Status>()
    }
}
