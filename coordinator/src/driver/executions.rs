//! The executions that run, with every payload of theirs: parameters until their call has ended, results until
//! the last call that refers to them has them. Payloads are moved and counted here, never read.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use toolwave_scheduler::{AttemptKey, CallKey, ExecutionKey, Time, WorkerKey};
use toolwave_telemetry::traces::TraceContext;

use super::{counting::Series, feed::FeedWriter, resolving::Asked};
use crate::{
    execution::prepared::{CallFault, CallParameters, Detail, ExecutionNews},
    observe::{history::Record, numbers::Ending, traces::ExecutionSpans},
    tenants::Caller,
    worker::outbox::Words,
};

/// Ids of ended executions that are remembered, for those who cancel too late.
const ENDED_IDS: usize = 10_000;

/// All that run.
pub(super) struct Executions {
    live: FxHashMap<ExecutionKey, Execution>,
    ids: FxHashMap<u128, ExecutionKey>,
    ended: VecDeque<u128>,
    /// With their tenants.
    ended_ids: FxHashMap<u128, Arc<str>>,
    /// Parameters and results held, in bytes; shared with the feeds.
    pub(super) payload_bytes: Arc<AtomicU64>,
    /// Executions of which there is news.
    touched: Vec<ExecutionKey>,
}

/// One execution.
pub(super) struct Execution {
    pub(super) uuid: u128,
    pub(super) words: Arc<Words>,
    pub(super) calls: Vec<Call>,
    pub(super) feed: FeedWriter,
    pub(super) detail: Detail,
    pub(super) accepted_at: Time,
    pub(super) caller: Caller,
    /// Its own span where it is traced here, else what its client brought.
    pub(super) trace: Option<Arc<TraceContext>>,
    /// Where it is traced here.
    pub(super) spans: Option<Box<ExecutionSpans>>,
    /// For operators.
    pub(super) record: Record,
    /// Bytes held for its tenant, where that is limited.
    pub(super) tenant_bytes: Option<Arc<AtomicU64>>,
    /// As far as its calls have ended.
    pub(super) ending: Ending,
    news: Vec<ExecutionNews>,
}

/// One call.
pub(super) struct Call {
    /// `None`: in the hands of the resolver, or of nobody any more.
    pub(super) parameters: Option<CallParameters>,
    /// What its parameters count as.
    pub(super) parameter_bytes: u64,
    /// For the resolver; `None` where nothing is to be resolved.
    pub(super) asked: Option<Box<Asked>>,
    pub(super) rejection: Option<Box<CallFault>>,
    /// Every dispatched attempt: none while it waits.
    pub(super) tries: Vec<Try>,
    /// Kept for those who refer to it.
    pub(super) result: Option<Bytes>,
    /// Calls that refer to its result and do not have it yet.
    pub(super) readers: u32,
    pub(super) ended: bool,
    /// Where it is counted.
    pub(super) series: Series,
}

/// What the driver keeps of an attempt beside the scheduler's record.
pub(super) struct Try {
    pub(super) number: u32,
    pub(super) worker: WorkerKey,
    pub(super) worker_name: Arc<str>,
    pub(super) reported: bool,
    pub(super) result: Option<Bytes>,
    pub(super) fault: Option<Box<CallFault>>,
    pub(super) execution_time: Option<Duration>,
    pub(super) late: bool,
    /// Until it is known to have begun.
    pub(super) beginning: Option<Time>,
}

// === impl Executions ===

impl Executions {
    pub(super) fn new(payload_bytes: Arc<AtomicU64>) -> Self {
        Self {
            live: FxHashMap::default(),
            ids: FxHashMap::default(),
            ended: VecDeque::new(),
            ended_ids: FxHashMap::default(),
            payload_bytes,
            touched: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn keys(&self) -> Vec<ExecutionKey> {
        self.live.keys().copied().collect()
    }

    /// Takes one in; its parameters count from here on.
    pub(super) fn insert(&mut self, key: ExecutionKey, execution: Execution) {
        let bytes = execution.calls.iter().map(|call| call.parameter_bytes).sum();
        execution.count(&self.payload_bytes, bytes);
        self.ids.insert(execution.uuid, key);
        self.live.insert(key, execution);
    }

    pub(super) fn get(&mut self, key: ExecutionKey) -> Option<&mut Execution> {
        self.live.get_mut(&key)
    }

    pub(super) fn look(&self, key: ExecutionKey) -> Option<&Execution> {
        self.live.get(&key)
    }

    pub(super) fn call(&mut self, key: CallKey) -> Option<&mut Call> {
        self.live
            .get_mut(&key.execution)?
            .calls
            .get_mut(key.index as usize)
    }

    /// An attempt that was dispatched, of a call that runs.
    pub(super) fn attempt(&mut self, key: AttemptKey) -> Option<&mut Try> {
        self.call(key.call)?.attempt(key.number)
    }

    /// What has to be said of an execution at the end of the round.
    pub(super) fn tell(&mut self, key: ExecutionKey, news: ExecutionNews) {
        let Some(execution) = self.live.get_mut(&key) else {
            return;
        };
        if execution.news.is_empty() {
            self.touched.push(key);
        }
        execution.news.push(news);
    }

    /// Hands the round's news to those who wait for them.
    pub(super) fn publish(&mut self) {
        for key in self.touched.drain(..) {
            if let Some(execution) = self.live.get_mut(&key) {
                execution.feed.publish(&mut execution.news);
            }
        }
    }

    /// Replaces what a call's parameters count as.
    pub(super) fn count_parameters(&mut self, key: CallKey, bytes: u64) {
        let Some(execution) = self.live.get_mut(&key.execution) else {
            return;
        };
        let Some(call) = execution.calls.get_mut(key.index as usize) else {
            return;
        };
        let before = std::mem::replace(&mut call.parameter_bytes, bytes);
        // One step, and none where nothing changes: it is shared with every feed.
        if bytes != before {
            execution.count(&self.payload_bytes, bytes.wrapping_sub(before));
        }
    }

    /// It is over: nothing stays of it but its id.
    pub(super) fn end(&mut self, key: ExecutionKey, last: ExecutionNews) {
        let Some(mut execution) = self.remove(key) else {
            return;
        };
        execution.news.push(last);
        execution.feed.publish(&mut execution.news);
        if self.ended.len() == ENDED_IDS
            && let Some(oldest) = self.ended.pop_front()
        {
            self.ended_ids.remove(&oldest);
        }
        self.ended.push_back(execution.uuid);
        self.ended_ids
            .insert(execution.uuid, execution.caller.client.tenant.clone());
    }

    /// Removes one, as if it had never been.
    pub(super) fn remove(&mut self, key: ExecutionKey) -> Option<Execution> {
        let execution = self.live.remove(&key)?;
        let bytes: u64 = execution.calls.iter().map(|call| call.parameter_bytes).sum();
        execution.count(&self.payload_bytes, bytes.wrapping_neg());
        self.ids.remove(&execution.uuid);
        Some(execution)
    }

    /// All that run, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (ExecutionKey, &Execution)> {
        self.live.iter().map(|(key, execution)| (*key, execution))
    }

    /// One that runs, whosever it is.
    pub(super) fn by_any_id(&self, id: u128) -> Option<ExecutionKey> {
        self.ids.get(&id).copied()
    }

    /// It ended not long ago, whosever it was.
    pub(super) fn has_ended(&self, id: u128) -> bool {
        self.ended_ids.contains_key(&id)
    }

    /// One of a tenant's. `None`: never heard of, or long ago, or another tenant's. `Some(None)`: it has ended.
    pub(super) fn by_id(&self, id: u128, tenant: &str) -> Option<Option<ExecutionKey>> {
        match self.ids.get(&id) {
            Some(&key) => {
                let owner = &self.live.get(&key)?.caller.client.tenant;
                (**owner == *tenant).then_some(Some(key))
            }
            None => (**self.ended_ids.get(&id)? == *tenant).then_some(None),
        }
    }
}

// === impl Execution ===

impl Execution {
    pub(super) fn new(
        uuid: u128,
        words: Words,
        calls: Vec<Call>,
        feed: FeedWriter,
        detail: Detail,
        accepted_at: Time,
        (caller, record): (Caller, Record),
    ) -> Self {
        Self {
            uuid,
            words: Arc::new(words),
            calls,
            feed,
            detail,
            accepted_at,
            caller,
            trace: None,
            spans: None,
            record,
            tenant_bytes: None,
            ending: Ending::default(),
            news: Vec::new(),
        }
    }

    /// What is held for it changes by so many bytes, modulo 2^64.
    fn count(&self, all: &AtomicU64, bytes: u64) {
        all.fetch_add(bytes, Ordering::Relaxed);
        if let Some(tenant) = &self.tenant_bytes {
            tenant.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// W3C trace id of its trace, where that is recorded.
    pub(super) fn trace_id(&self) -> Option<String> {
        let trace = self.trace.as_ref().filter(|trace| trace.is_sampled())?;
        Some(trace.trace_id())
    }

    /// The same, as a number.
    pub(super) fn recorded_trace(&self) -> Option<u128> {
        u128::from_str_radix(&self.trace_id()?, 16).ok()
    }

    /// What travels with an attempt that is about to be sent.
    pub(super) fn trace_of(&mut self, attempt: AttemptKey, now: Time) -> Option<Arc<TraceContext>> {
        match &mut self.spans {
            Some(spans) => Some(spans.dispatched(attempt, now)),
            None => self.trace.clone(),
        }
    }

    /// Counts for the tenant too, from the beginning on.
    pub(super) fn count_for(&mut self, tenant: Option<Arc<AtomicU64>>) {
        if let Some(tenant) = &tenant {
            self.feed.count_for(tenant.clone());
        }
        self.tenant_bytes = tenant;
    }

    /// A call has, or will never need, the results that it referred to: those that nobody else needs go.
    pub(super) fn release(&mut self, references: impl IntoIterator<Item = u32>) {
        for index in references {
            let Some(call) = self.calls.get_mut(index as usize) else {
                continue;
            };
            call.readers = call.readers.saturating_sub(1);
            if call.readers == 0 {
                call.result = None;
            }
        }
    }
}

// === impl Call ===

impl Call {
    pub(super) fn attempt(&mut self, number: u32) -> Option<&mut Try> {
        self.tries.iter_mut().find(|attempt| attempt.number == number)
    }
}
