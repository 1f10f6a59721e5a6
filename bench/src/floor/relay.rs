//! The relay: passes the calls of a batch on over one stream, each when those before it have ended, and gathers
//! the answers. The least that a coordinator can be: it knows no tools, limits, deadlines or failures.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::wire::{
    CountCallsRequest, CountCallsResponse, FloorCall, RunBatchRequest, RunBatchResponse, WorkRequest,
    WorkResponse, floor_service_server::FloorService,
};

/// Calls that wait to be written, of all batches together.
const CALLS: usize = 4096;

/// Where the answers of each batch go.
type Batches = Arc<Mutex<FxHashMap<u32, mpsc::Sender<WorkResponse>>>>;

struct Relay {
    calls: mpsc::Sender<WorkRequest>,
    batches: Batches,
    next: AtomicU32,
}

/// A batch under way.
struct Batch {
    number: u32,
    calls: Vec<Option<FloorCall>>,
    /// How many calls each one still waits for.
    missing: Vec<u32>,
    dependents: Vec<Vec<u32>>,
    ready: VecDeque<usize>,
    results: Vec<WorkResponse>,
}

/// Serves until the process is killed.
pub(crate) async fn serve(echo_server: SocketAddr) -> anyhow::Result<()> {
    let (calls, receiver) = mpsc::channel(CALLS);
    let mut echo_server = super::connect(echo_server).await?;
    let answers = echo_server
        .work(ReceiverStream::new(receiver))
        .await?
        .into_inner();
    let batches = Batches::default();
    tokio::spawn(deliver_all(answers, batches.clone()));
    super::listen(Relay {
        calls,
        batches,
        next: AtomicU32::new(1),
    })
    .await
}

async fn deliver_all(mut answers: Streaming<WorkResponse>, batches: Batches) {
    while let Ok(Some(answer)) = answers.message().await {
        let batches = batches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = batches.get(&batch_of(answer.id)) {
            // there is room for every call of the batch
            let _ = batch.try_send(answer);
        }
    }
    // whoever waits for an answer is told by its channel
    batches.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

#[tonic::async_trait]
impl FloorService for Relay {
    type WorkStream = ReceiverStream<Result<WorkResponse, Status>>;

    async fn run_batch(
        &self,
        request: Request<RunBatchRequest>,
    ) -> Result<Response<RunBatchResponse>, Status> {
        let request = request.into_inner();
        let all = request.calls.len();
        let most = match request.concurrency {
            0 => all,
            concurrency => concurrency as usize,
        };
        let mut batch = Batch::new(self.next.fetch_add(1, Ordering::Relaxed), request.calls)?;
        let (sender, mut answers) = mpsc::channel(all.max(1));
        self.batches().insert(batch.number, sender);
        let (mut done, mut in_flight) = (0, 0);
        while done < all {
            while in_flight < most
                && let Some(call) = batch.next_call()
            {
                self.calls.send(call).await.map_err(|_| gone())?;
                in_flight += 1;
            }
            let mut next = answers.recv().await;
            if next.is_none() || in_flight == 0 {
                return Err(gone());
            }
            while let Some(answer) = next {
                batch.end(answer);
                done += 1;
                in_flight -= 1;
                next = answers.try_recv().ok();
            }
        }
        self.batches().remove(&batch.number);
        Ok(Response::new(RunBatchResponse {
            results: batch.results,
        }))
    }

    async fn work(&self, _: Request<Streaming<WorkRequest>>) -> Result<Response<Self::WorkStream>, Status> {
        Err(Status::unimplemented("calls are run by the echo server"))
    }

    async fn count_calls(
        &self,
        _: Request<CountCallsRequest>,
    ) -> Result<Response<CountCallsResponse>, Status> {
        Err(Status::unimplemented("calls are counted by the echo server"))
    }
}

impl Relay {
    fn batches(&self) -> std::sync::MutexGuard<'_, FxHashMap<u32, mpsc::Sender<WorkResponse>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn new(number: u32, calls: Vec<FloorCall>) -> Result<Self, Status> {
        let all = calls.len();
        let mut batch = Self {
            number,
            calls: Vec::with_capacity(all),
            missing: Vec::with_capacity(all),
            dependents: vec![Vec::new(); all],
            ready: VecDeque::with_capacity(all),
            results: vec![WorkResponse::default(); all],
        };
        for (index, call) in (0_u32..).zip(calls) {
            for before in &call.depends_on {
                let dependents = batch.dependents.get_mut(*before as usize);
                dependents
                    .ok_or_else(|| Status::invalid_argument("no such call to depend on"))?
                    .push(index);
            }
            if call.depends_on.is_empty() {
                batch.ready.push_back(index as usize);
            }
            batch
                .missing
                .push(u32::try_from(call.depends_on.len()).unwrap_or(u32::MAX));
            batch.calls.push(Some(call));
        }
        Ok(batch)
    }

    fn next_call(&mut self) -> Option<WorkRequest> {
        let index = self.ready.pop_front()?;
        let call = self.calls[index].take()?;
        Some(WorkRequest {
            id: u64::from(self.number) << 32 | index as u64,
            tool: call.tool,
            parameters: call.parameters,
            sleep_microseconds: call.sleep_microseconds,
        })
    }

    fn end(&mut self, mut answer: WorkResponse) {
        answer.id &= u64::from(u32::MAX);
        let index = answer.id as usize;
        self.results[index] = answer;
        for dependent in &self.dependents[index] {
            let dependent = *dependent as usize;
            self.missing[dependent] -= 1;
            if self.missing[dependent] == 0 {
                self.ready.push_back(dependent);
            }
        }
    }
}

/// The upper half of a call's id.
fn batch_of(id: u64) -> u32 {
    (id >> 32) as u32
}

fn gone() -> Status {
    Status::unavailable("the echo server has gone, or a batch waits for itself")
}
