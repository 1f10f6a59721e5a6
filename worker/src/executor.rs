//! Runs attempts: takes dispatches while slots are free, stops what is no longer wanted, and says how each ended.
//!
//! It outlives sessions and knows nothing of them. Its owner polls it; nothing here waits.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinError, JoinSet},
};
use toolwave_proto::v1::{self, AttemptRef};
use toolwave_telemetry::traces::Tracer;
use toolwave_tool::{CallContext, CallIdentity, Progress};
use tracing::{Instrument as _, Span};

use crate::{
    arriving::{Arriving, ChunkError, Tombstones},
    attempt::{self, Performed, StopReason},
    catalogue::Catalogue,
    convert,
    numbers::Numbers,
    running::Running,
    slots::{Share, Taken},
    traced::{self, Traced},
    unacknowledged::{End, Ended},
};

pub(crate) struct Executor {
    catalogue: Arc<Catalogue>,
    pub(crate) share: Share,
    max_parameters_bytes: u64,
    tasks: JoinSet<Performed>,
    running: FxHashMap<Id, Running>,
    by_attempt: FxHashMap<AttemptRef, Id>,
    arriving: FxHashMap<AttemptRef, Arriving>,
    tombstones: Tombstones,
    progress: mpsc::Sender<(AttemptRef, Progress)>,
    tracer: Tracer,
    /// The process is to end.
    ending: bool,
    /// The operator wants no dispatch here.
    operator_drains: bool,
    fenced: bool,
    /// Attempts whose tool was called.
    executed: u64,
    numbers: Arc<Numbers>,
}

/// What came of trying a call in the session's loop.
enum AtOnce {
    Performed(Performed),
    Panicked(End),
    /// It goes on as a task.
    Waits(AbortHandle),
}

/// What became of a dispatch.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// It runs.
    Started,
    /// Its parameters are on their way.
    Arriving,
    Ended(Ended),
    /// It is here already.
    Duplicate,
}

impl Executor {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        share: Share,
        max_parameters_bytes: u64,
        progress: mpsc::Sender<(AttemptRef, Progress)>,
        numbers: Arc<Numbers>,
        tracer: Tracer,
    ) -> Self {
        Self {
            catalogue,
            share,
            max_parameters_bytes,
            tasks: JoinSet::new(),
            running: FxHashMap::default(),
            by_attempt: FxHashMap::default(),
            arriving: FxHashMap::default(),
            tombstones: Tombstones::default(),
            progress,
            tracer,
            ending: false,
            operator_drains: false,
            fenced: false,
            executed: 0,
            numbers,
        }
    }

    /// Starts calls of these tools from here on; what runs goes on.
    pub(crate) fn offer(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
    }

    /// Takes an attempt, or says how it ended at once.
    pub(crate) fn dispatch(&mut self, attempt: AttemptRef, mut dispatch: v1::Dispatch) -> Accepted {
        if self.has(&attempt) {
            return Accepted::Duplicate;
        }
        let slot = if self.tombstones.take(&attempt) {
            Err(End::Failure(attempt::stop_failure(StopReason::Aborted)))
        } else {
            self.refusal(&dispatch).map_or_else(|| self.slot(), Err)
        };
        let slot = match slot {
            Ok(slot) => slot,
            Err(end) => {
                self.numbers.refused.add(1);
                return Accepted::Ended(unstarted(attempt, end));
            }
        };
        if dispatch.parameters_json.is_empty() && dispatch.parameters_size > 0 {
            self.arriving.insert(attempt, Arriving::new(dispatch, slot));
            return Accepted::Arriving;
        }
        let parameters = std::mem::take(&mut dispatch.parameters_json);
        self.start(attempt, dispatch, parameters, slot)
    }

    /// Takes a piece of parameters that were announced; the last one starts the attempt.
    pub(crate) fn chunk(
        &mut self,
        attempt: AttemptRef,
        chunk: &v1::PayloadChunk,
    ) -> Result<Accepted, ChunkError> {
        let Some(arriving) = self.arriving.get_mut(&attempt) else {
            // refused or aborted while its parameters were on their way
            return Ok(Accepted::Duplicate);
        };
        if !arriving.add(chunk)? {
            return Ok(Accepted::Arriving);
        }
        let Some((dispatch, parameters, slot)) = self.arriving.remove(&attempt).map(Arriving::complete)
        else {
            return Ok(Accepted::Duplicate);
        };
        match self.refusal(&dispatch) {
            Some(end) => Ok(Accepted::Ended(unstarted(attempt, end))),
            None => Ok(self.start(attempt, dispatch, parameters, slot)),
        }
    }

    fn refusal(&self, dispatch: &v1::Dispatch) -> Option<End> {
        if self.is_draining() {
            return Some(attempt::refused("WORKER_DRAINING", "the worker is draining"));
        }
        if self.fenced {
            return Some(attempt::refused(
                "WORKER_FENCED",
                "the worker has lost its coordinator",
            ));
        }
        if self.catalogue.find(&dispatch.tool_name).is_none() {
            let name = convert::shortened(dispatch.tool_name.clone(), 128);
            return Some(attempt::refused(
                "TOOL_GONE",
                format!("the worker hosts no tool `{name}`"),
            ));
        }
        let size = dispatch
            .parameters_size
            .max(dispatch.parameters_json.len() as u64);
        if size > self.max_parameters_bytes {
            let limit = self.max_parameters_bytes;
            let message = format!("the parameters have {size} bytes; expected at most {limit}");
            return Some(attempt::refused("PARAMETERS_TOO_LARGE", message));
        }
        None
    }

    /// A slot of what this coordinator may use: one that does not heed its share is refused what is beyond.
    fn slot(&self) -> Result<Taken, End> {
        self.share.take().ok_or_else(|| {
            let message = format!("all {} slots for this coordinator are taken", self.share.held());
            attempt::refused("WORKER_FULL", message)
        })
    }

    fn start(
        &mut self,
        attempt: AttemptRef,
        dispatch: v1::Dispatch,
        parameters: Bytes,
        slot: Taken,
    ) -> Accepted {
        let Some(hosted) = self.catalogue.find(&dispatch.tool_name).cloned() else {
            let end = attempt::refused("TOOL_GONE", "the worker hosts the tool no more");
            return Accepted::Ended(unstarted(attempt, end));
        };
        self.executed += 1;
        tracing::debug!(
            execution_id = dispatch.execution_id,
            call_id = dispatch.call_id,
            attempt = attempt.attempt,
            tool = dispatch.tool_name,
            "attempt begins"
        );
        let traced = Traced::begin(&self.tracer, &dispatch, attempt.attempt, parameters.len());
        let quick = hosted.quick;
        let logs = if quick && traced.is_none() {
            Span::none()
        } else {
            traced::log_span(&dispatch, attempt.attempt, traced.as_ref())
        };
        let mut running = Running::begin(attempt, &dispatch, &hosted, slot);
        let call = CallIdentity {
            execution_id: dispatch.execution_id,
            call_id: dispatch.call_id,
            attempt: attempt.attempt,
            idempotency_key: dispatch.idempotency_key,
        };
        let (deadline, cancelled) = (running.deadline(), running.cancelled.clone());
        let mut context =
            CallContext::of_attempt(call, deadline, cancelled.clone(), attempt, self.progress.clone());
        if let Some(traced) = &traced {
            let (parent, state) = (traced.context.traceparent(), traced.context.tracestate());
            context = context.traced(parent.as_str(), state);
        }
        running.traced = traced.map(Box::new);
        let performing =
            attempt::perform(hosted, parameters, context, cancelled, running.started).instrument(logs);
        let task = if quick {
            match self.try_at_once(performing) {
                AtOnce::Waits(task) => task,
                AtOnce::Performed(performed) => {
                    return Accepted::Ended(self.told(running, |running| running.ended(Ok(performed))));
                }
                AtOnce::Panicked(end) => {
                    return Accepted::Ended(self.told(running, |running| running.ended_with(end)));
                }
            }
        } else {
            self.tasks.spawn(performing)
        };
        let id = task.id();
        running.task = Some(task);
        self.by_attempt.insert(attempt, id);
        self.running.insert(id, running);
        self.numbers.running.set(self.running.len() as i64);
        Accepted::Started
    }

    /// Polls the call once here: no task, no wake-up.
    fn try_at_once(&mut self, performing: impl Future<Output = Performed> + Send + 'static) -> AtOnce {
        let mut performing = Box::pin(performing);
        let mut unwoken = Context::from_waker(Waker::noop());
        match catch_unwind(AssertUnwindSafe(|| performing.as_mut().poll(&mut unwoken))) {
            Ok(Poll::Ready(performed)) => AtOnce::Performed(performed),
            Ok(Poll::Pending) => AtOnce::Waits(self.tasks.spawn(performing)),
            Err(panic) => AtOnce::Panicked(attempt::panicked(panic.as_ref())),
        }
    }

    /// The next attempt that ends; waits for ever when none runs. Cancel safe.
    pub(crate) async fn next_ended(&mut self) -> Ended {
        loop {
            match self.tasks.join_next_with_id().await {
                Some(joined) => {
                    if let Some(ended) = self.settle(joined) {
                        return ended;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// The next attempt that has ended already.
    pub(crate) fn try_next_ended(&mut self) -> Option<Ended> {
        while let Some(joined) = self.tasks.try_join_next_with_id() {
            if let Some(ended) = self.settle(joined) {
                return Some(ended);
            }
        }
        None
    }

    fn settle(&mut self, joined: Result<(Id, Performed), JoinError>) -> Option<Ended> {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let running = self.running.remove(&id)?;
        self.numbers.running.set(self.running.len() as i64);
        if running.orphaned {
            return None;
        }
        self.by_attempt.remove(&running.attempt);
        Some(self.told(running, |running| {
            running.ended(joined.map(|(_, performed)| performed))
        }))
    }

    /// How an attempt ended, told to its trace too.
    fn told(&self, mut running: Running, end: impl FnOnce(Running) -> Ended) -> Ended {
        let traced = running.traced.take();
        let ended = end(running);
        if let Some(traced) = traced {
            traced.ended(&self.tracer, &ended);
        }
        ended
    }

    /// Stops an attempt. `Some`: it ended at once, since it had not started; else its end comes when it has
    /// stopped. One that is not here yet is remembered.
    pub(crate) fn abort(&mut self, attempt: AttemptRef) -> Option<Ended> {
        if self.arriving.remove(&attempt).is_some() {
            let end = End::Failure(attempt::stop_failure(StopReason::Aborted));
            return Some(unstarted(attempt, end));
        }
        match self
            .by_attempt
            .get(&attempt)
            .and_then(|id| self.running.get_mut(id))
        {
            Some(running) => running.stop(StopReason::Aborted),
            None => self.tombstones.add(attempt),
        }
        None
    }

    /// Starts nothing from here on, and stops what someone else may run again.
    pub(crate) fn fence(&mut self) {
        self.fenced = true;
        for running in self.running.values_mut().filter(|running| running.safe_to_repeat) {
            running.stop(StopReason::Fenced);
        }
    }

    /// Stops everything: the worker cannot wait any longer.
    pub(crate) fn stop_all(&mut self) {
        for running in self.running.values_mut() {
            running.stop(StopReason::WorkerStopped);
        }
    }

    /// Takes no attempt from here on.
    pub(crate) fn end(&mut self) {
        self.ending = true;
    }

    /// The operator's word holds for what comes after it in the stream.
    pub(crate) fn set_operator_drains(&mut self, drains: bool) {
        self.operator_drains = drains;
    }

    pub(crate) fn operator_drains(&self) -> bool {
        self.operator_drains
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.ending || self.operator_drains
    }

    /// A session begins, or came back: what was on its way in the last one will not arrive.
    pub(crate) fn begin_session(&mut self) -> Vec<Ended> {
        self.fenced = false;
        self.tombstones = Tombstones::default();
        let refused = |(attempt, _)| {
            let message = "the session ended before the parameters had arrived";
            unstarted(attempt, attempt::refused("PARAMETERS_LOST", message))
        };
        self.arriving.drain().map(refused).collect()
    }

    /// Stops those of the attempts that run; their ends are told, since they free slots.
    pub(crate) fn stop_unwanted(&mut self, unwanted: &FxHashSet<AttemptRef>) {
        for running in self
            .running
            .values_mut()
            .filter(|running| unwanted.contains(&running.attempt))
        {
            running.stop(StopReason::Aborted);
        }
    }

    /// The coordinator of everything here is gone; another may use the same names for other attempts.
    pub(crate) fn orphan_all(&mut self) {
        self.by_attempt.clear();
        self.arriving.clear();
        for running in self.running.values_mut() {
            running.orphaned = true;
            running.stop(StopReason::Aborted);
        }
    }

    /// It runs, or its parameters are on their way.
    pub(crate) fn has(&self, attempt: &AttemptRef) -> bool {
        self.by_attempt.contains_key(attempt) || self.arriving.contains_key(attempt)
    }

    /// Attempts that run or whose parameters are on their way.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = AttemptRef> {
        self.by_attempt.keys().chain(self.arriving.keys()).copied()
    }

    /// Nothing runs, not even what has lost its coordinator.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.arriving.is_empty()
    }

    /// How many attempts have called their tool since the process began.
    pub(crate) fn executed(&self) -> u64 {
        self.executed
    }

    /// How many attempts run.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }
}

/// The end of an attempt that did not begin.
fn unstarted(attempt: AttemptRef, end: End) -> Ended {
    Ended {
        attempt,
        end,
        execution_time: None,
    }
}
