//! The pool that puts results into parameters and checks them against schemas: two tasks with bounded queues,
//! so that no large payload holds up a decision. What does not fit waits here; answers come as inputs.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::{sync::mpsc, task::JoinSet};
use toolwave_scheduler::{CallKey, RetryPolicy};

use super::mailbox::Input;
use crate::{
    catalogue::{Catalogue, DeclaredTool},
    execution::{
        prepared::{CallFault, CallParameters},
        resolver,
    },
    worker::declarations::Declarations,
};

/// Tasks of the pool.
const TASKS: usize = 2;
/// Jobs that wait in a task's queue; the others wait in the backlog, of which there is at most one a call.
const QUEUE: usize = 64;

/// A call whose dependencies are done.
pub(crate) struct Job {
    pub(crate) key: CallKey,
    pub(crate) tool_name: Arc<str>,
    pub(crate) parameters: CallParameters,
    /// Of the calls that it refers to.
    pub(crate) results: SmallVec<[(u32, Bytes); 4]>,
    pub(crate) asked: Box<Asked>,
    pub(crate) has_key: bool,
}

/// What a call itself says of its attempts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
}

/// What came of it.
pub(crate) struct Resolved {
    pub(crate) call: CallKey,
    pub(crate) outcome: Result<Ready, CallFault>,
}

/// Parameters that are complete and good.
pub(crate) struct Ready {
    pub(crate) parameters: Bytes,
    pub(crate) settled: Settled,
}

/// What a call's own words and its tool's declaration come to.
pub(crate) struct Settled {
    pub(crate) safe_to_repeat: bool,
    pub(crate) timeout: Duration,
    pub(crate) retry: RetryPolicy,
}

/// The driver's side of the pool. Dropped, it ends the tasks.
pub(crate) struct Resolving {
    queues: Vec<mpsc::Sender<Job>>,
    next: usize,
    backlog: VecDeque<Job>,
    _tasks: JoinSet<()>,
}

// === impl Settled ===

impl Settled {
    /// What the call says wins, then what the tool says.
    pub(crate) fn new(tool: Option<&DeclaredTool>, has_key: bool, asked: Asked, otherwise: Duration) -> Self {
        Self {
            safe_to_repeat: tool.is_some_and(|tool| tool.safe_to_repeat(has_key)),
            timeout: asked.timeout.or_else(|| tool?.timeout).unwrap_or(otherwise),
            retry: asked.retry.or_else(|| tool?.retry).unwrap_or_default(),
        }
    }
}

// === impl Resolving ===

impl Resolving {
    /// Starts the tasks. They wait for room among the driver's inputs; the driver never waits for them.
    pub(crate) fn start(
        answers: &mpsc::Sender<Input>,
        declarations: &Arc<Declarations>,
        attempt_timeout: Duration,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let queues = (0..TASKS).map(|_| {
            let (queue, jobs) = mpsc::channel(QUEUE);
            tasks.spawn(work(jobs, answers.clone(), declarations.clone(), attempt_timeout));
            queue
        });
        Self {
            queues: queues.collect(),
            next: 0,
            backlog: VecDeque::new(),
            _tasks: tasks,
        }
    }

    pub(super) fn push(&mut self, job: Job) {
        self.backlog.push_back(job);
    }

    /// Hands over what there is room for. An answer wakes the driver, and there is room again.
    pub(super) fn pump(&mut self) {
        let mut full = 0;
        while full < self.queues.len() {
            let Some(job) = self.backlog.pop_front() else {
                return;
            };
            self.next = (self.next + 1) % self.queues.len();
            match self.queues[self.next].try_send(job) {
                Ok(()) => full = 0,
                Err(mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) => {
                    self.backlog.push_front(job);
                    full += 1;
                }
            }
        }
    }
}

async fn work(
    mut jobs: mpsc::Receiver<Job>,
    answers: mpsc::Sender<Input>,
    declarations: Arc<Declarations>,
    attempt_timeout: Duration,
) {
    while let Some(job) = jobs.recv().await {
        let resolved = resolve(&job, &declarations.current(), attempt_timeout);
        if answers.send(Input::Resolved(resolved)).await.is_err() {
            return;
        }
    }
}

fn resolve(job: &Job, catalogue: &Catalogue, attempt_timeout: Duration) -> Resolved {
    let tool = catalogue.tool(&job.tool_name).map(AsRef::as_ref);
    let find = |index| {
        job.results
            .iter()
            .find(|(of, _)| *of == index)
            .map(|(_, result)| result.clone())
    };
    let outcome = resolver::resolve(&job.parameters, tool, &find).map(|parameters| {
        let settled = Settled::new(tool, job.has_key, *job.asked, attempt_timeout);
        Ready { parameters, settled }
    });
    Resolved {
        call: job.key,
        outcome,
    }
}
