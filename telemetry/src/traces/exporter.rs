//! The task that sends spans to an OTLP receiver, in batches. Its queue is bounded; a batch that no receiver takes
//! in time is dropped. What is dropped is counted, and told once a minute.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};
use toolwave_link::Link;

use super::{Counts, Service, Span};

/// Spans sent together.
const BATCH: usize = 512;
/// How long a span waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// For the receiver to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// For a batch to be taken, tries included.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// Between two tries, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// Between two words on what was dropped.
const TELL_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Exporter {
    link: Link,
    service: Service,
    arriving: mpsc::Receiver<Span>,
    counts: Arc<Counts>,
    stop: CancellationToken,
    client: Option<TraceServiceClient<Channel>>,
    told: Told,
}

/// What was said of trouble.
#[derive(Default)]
struct Told {
    dropped: u64,
    at: Option<Instant>,
    /// Why the last batch was not taken.
    trouble: Option<String>,
}

/// Why a try failed.
struct Trouble {
    what: String,
    may_pass: bool,
}

impl Exporter {
    pub(super) fn new(
        link: Link,
        service: Service,
        arriving: mpsc::Receiver<Span>,
        counts: Arc<Counts>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            link,
            service,
            arriving,
            counts,
            stop,
            client: None,
            told: Told::default(),
        }
    }

    /// Until it is told to stop, and what was queued then has been sent or dropped.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let more = self.gather(&mut batch).await;
            if !batch.is_empty() {
                self.send(&batch).await;
                batch.clear();
            }
            self.tell();
            if !more {
                return;
            }
        }
    }

    /// Takes what comes until the batch is full or old enough. False: nothing more will come.
    async fn gather(&mut self, batch: &mut Vec<Span>) -> bool {
        // Wakes up to tell of drops, where there were any and nothing comes.
        let tell = tokio::time::sleep(TELL_EVERY);
        tokio::select! {
            biased;
            taken = self.arriving.recv_many(batch, BATCH) => if taken == 0 { return false },
            () = self.stop.cancelled() => self.arriving.close(),
            () = tell => return true,
        }
        let full_at = Instant::now() + GATHER;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                biased;
                taken = self.arriving.recv_many(batch, room) => if taken == 0 { return false },
                () = self.stop.cancelled(), if !self.arriving.is_closed() => self.arriving.close(),
                () = tokio::time::sleep_until(full_at) => break,
            }
        }
        true
    }

    async fn send(&mut self, batch: &[Span]) {
        let until = Instant::now() + TAKEN_WITHIN;
        let mut backoff = BACKOFF.0;
        let request = self.service.request(batch);
        loop {
            let trouble = match self.try_send(request.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(batch.len() as u64);
                    self.counts.dropped.fetch_add(rejected, Ordering::Relaxed);
                    let taken = batch.len() as u64 - rejected;
                    self.counts.exported.fetch_add(taken, Ordering::Relaxed);
                    return;
                }
                Err(trouble) => trouble,
            };
            self.told.trouble = Some(trouble.what);
            if !trouble.may_pass || self.stop.is_cancelled() || Instant::now() + backoff > until {
                self.counts
                    .dropped
                    .fetch_add(batch.len() as u64, Ordering::Relaxed);
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                // One more try, and no more than that.
                () = self.stop.cancelled() => {}
            }
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    /// The number of spans that the receiver took none of.
    async fn try_send(&mut self, request: ExportTraceServiceRequest) -> Result<u64, Trouble> {
        let exported = tokio::time::timeout(ANSWER_WITHIN, self.export(request)).await;
        let passes = |what: String| Trouble { what, may_pass: true };
        exported.unwrap_or_else(|_| Err(passes(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))))
    }

    async fn export(&mut self, request: ExportTraceServiceRequest) -> Result<u64, Trouble> {
        let client = match &mut self.client {
            Some(client) => client,
            None => {
                let connected = self.link.connect().await.map_err(|failure| Trouble {
                    what: failure.to_string(),
                    may_pass: true,
                })?;
                self.client.insert(TraceServiceClient::new(connected))
            }
        };
        let answer = client.export(request).await.map_err(|status| Trouble {
            what: format!("{:?}: {}", status.code(), status.message()),
            may_pass: may_pass(status.code()),
        })?;
        let partial = answer.into_inner().partial_success;
        let rejected = partial.map_or(0, |partial| {
            if partial.rejected_spans > 0 {
                self.told.trouble = Some(format!("rejected: {}", partial.error_message));
            }
            u64::try_from(partial.rejected_spans).unwrap_or(0)
        });
        Ok(rejected)
    }

    /// Says what was dropped since the last time, once a minute.
    fn tell(&mut self) {
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        let due = self.told.at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if dropped == self.told.dropped || !due {
            return;
        }
        let trouble = self.told.trouble.take();
        tracing::warn!(
            dropped = dropped - self.told.dropped,
            total = dropped,
            error = trouble
                .as_deref()
                .unwrap_or("the queue of traces.max_queued_spans was full"),
            "spans dropped"
        );
        self.told.dropped = dropped;
        self.told.at = Some(Instant::now());
    }
}

/// As OTLP has it; a broken connection is reported as unknown.
fn may_pass(code: Code) -> bool {
    match code {
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss
        | Code::Unknown => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => false,
    }
}
