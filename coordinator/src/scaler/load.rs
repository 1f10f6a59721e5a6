//! What the scaler looks at: the workers and the tools of a moment, and which pool had which tools. One look serves
//! whoever asks within a tenth of a second, so that answers which belong together agree.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use toolwave_scheduler::ToolStatus;

use super::{
    demand::{Measure, OfPool, ToolLoad, outstanding},
    trigger::Trigger,
};
use crate::{catalogue::Catalogue, driver::mailbox::ListedWorker, handle::Handle};

/// How long a look is good for.
pub(super) const FRESH: Duration = Duration::from_millis(100);
/// The label that names a worker's pool.
const LABEL: &str = "pool";
/// The pool of workers without the label.
const DEFAULT: &str = "default";
/// Labels are what workers say: of so many pools it is kept what they host.
const POOLS: usize = 1_000;

/// Looks, and remembers what pools hosted.
#[derive(Default)]
pub(super) struct Looks {
    last: tokio::sync::Mutex<Option<Arc<Look>>>,
    /// Tools by pool, as last seen; a pool without workers keeps its own.
    hosted: Mutex<HashMap<String, HashSet<Arc<str>>>>,
}

/// The cluster at a moment.
pub(super) struct Look {
    pub(super) at: Instant,
    /// Changes that it has seen.
    pub(super) count: u64,
    workers: Vec<ListedWorker>,
    /// Each with how many of the calls that wait for it would start if there were workers.
    tools: Vec<(Arc<str>, ToolStatus, f64)>,
    catalogue: Arc<Catalogue>,
}

/// What one pool comes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// For one worker.
    pub(super) target: f64,
    /// Now.
    pub(super) outstanding: f64,
}

// === impl Looks ===

impl Looks {
    /// `None`: the coordinator has stopped.
    pub(super) async fn look(&self, handle: &Handle) -> Option<Arc<Look>> {
        let mut last = self.last.lock().await;
        if let Some(look) = last.as_ref().filter(|look| look.at.elapsed() < FRESH) {
            return Some(look.clone());
        }
        let count = handle.activity().count();
        let tools = handle.tool_demand().await;
        let workers = handle.workers().await?;
        self.remember(&workers);
        let look = Arc::new(Look {
            at: Instant::now(),
            count,
            workers,
            tools,
            catalogue: handle.catalogue(),
        });
        *last = Some(look.clone());
        Some(look)
    }

    fn remember(&self, workers: &[ListedWorker]) {
        let mut now: HashMap<&str, HashSet<Arc<str>>> = HashMap::new();
        for worker in workers {
            now.entry(pool(worker))
                .or_default()
                .extend(worker.tools.iter().cloned());
        }
        let mut hosted = self.hosted.lock().unwrap_or_else(PoisonError::into_inner);
        for (pool, tools) in now {
            if hosted.len() < POOLS || hosted.contains_key(pool) {
                hosted.insert(pool.to_owned(), tools);
            }
        }
    }

    /// What a trigger's pool has to do.
    pub(super) fn load(&self, look: &Look, trigger: &Trigger, max_in_flight: usize) -> Load {
        let serving = || look.workers.iter().filter(|worker| !worker.status.draining);
        let mine: Vec<&ListedWorker> = serving()
            .filter(|worker| trigger.pool.as_deref().is_none_or(|name| pool(worker) == name))
            .collect();
        let slots: u64 = mine.iter().map(|worker| u64::from(worker.status.slots)).sum();
        let seen = (slots > 0).then(|| slots as f64 / mine.len() as f64);
        let measure = Measure {
            workers: mine.len() as u32,
            slots_per_worker: trigger.slots_per_worker(seen) / trigger.coordinators,
            target: trigger.target(seen) / trigger.coordinators,
            max_in_flight: max_in_flight as u64,
        };
        let (all_slots, pool_slots) = (hosting(serving()), hosting(mine.iter().copied()));
        let hosted = self.hosted.lock().unwrap_or_else(PoisonError::into_inner);
        let tools = look.tools.iter().map(|(name, status, startable)| {
            let declared = look.catalogue.tool(name);
            let limit = |of: fn(&toolwave_proto::v1::Tool) -> u32| declared.map_or(0, |tool| of(&tool.proto));
            ToolLoad {
                waiting: *startable,
                in_flight: status.in_flight,
                max_concurrency: limit(|tool| tool.max_concurrency),
                max_per_worker: limit(|tool| tool.max_concurrency_per_worker),
                slots: all_slots.get(name).copied().unwrap_or(0),
                pool_slots: pool_slots.get(name).copied().unwrap_or(0),
                of_pool: of_pool(trigger, &hosted, name),
            }
        });
        Load {
            target: trigger.target(seen),
            outstanding: outstanding(&measure, tools) * trigger.coordinators,
        }
    }
}

fn of_pool(trigger: &Trigger, hosted: &HashMap<String, HashSet<Arc<str>>>, tool: &Arc<str>) -> OfPool {
    let had = |pool: &HashSet<Arc<str>>| pool.contains(tool);
    let said = trigger.tools.as_ref().map(|tools| tools.allow(tool));
    let remembered = match &trigger.pool {
        Some(pool) => hosted.get(pool).map(had),
        None if hosted.is_empty() => None,
        None => Some(hosted.values().any(had)),
    };
    match said.or(remembered) {
        Some(true) => OfPool::Yes,
        Some(false) => OfPool::No,
        None if hosted.values().any(had) => OfPool::No,
        None => OfPool::Perhaps,
    }
}

/// The pool that a worker says it is of.
fn pool(worker: &ListedWorker) -> &str {
    let labels = &worker.description.labels;
    labels.get(LABEL).map_or(DEFAULT, String::as_str)
}

/// Slots that are there for each tool.
fn hosting<'a>(workers: impl Iterator<Item = &'a ListedWorker>) -> HashMap<&'a Arc<str>, u64> {
    let mut slots = HashMap::new();
    for worker in workers {
        for tool in &worker.tools {
            *slots.entry(tool).or_default() += u64::from(worker.status.slots);
        }
    }
    slots
}
