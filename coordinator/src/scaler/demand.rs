//! How much a pool of workers has to do, as one number for an autoscaler: calls outstanding, less those that no
//! further worker would start. Pure: of counts, without clock or state.

/// A tool, as far as it concerns one pool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToolLoad {
    /// Calls that wait, less those that a limit of their execution or tenant keeps from starting.
    pub(super) waiting: f64,
    /// Attempts in flight, wherever.
    pub(super) in_flight: u32,
    /// At once over all workers; 0: no limit.
    pub(super) max_concurrency: u32,
    /// At once on one worker; 0: no limit.
    pub(super) max_per_worker: u32,
    /// Slots of all workers that host it and take dispatches.
    pub(super) slots: u64,
    /// Those of them that are the pool's.
    pub(super) pool_slots: u64,
    /// Whether the pool's workers would host it.
    pub(super) of_pool: OfPool,
}

/// Whether a tool is one of a pool's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OfPool {
    /// It is another's.
    #[default]
    No,
    /// Nobody knows: the pool had no worker since the coordinator started, and nothing says what they host.
    Perhaps,
    /// The trigger says so, or its workers had it.
    Yes,
}

/// What a pool is measured with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// Workers of the pool that take dispatches.
    pub(super) workers: u32,
    /// Of each.
    pub(super) slots_per_worker: f64,
    /// Outstanding calls that one worker is for.
    pub(super) target: f64,
    /// Of the coordinator, over all workers.
    pub(super) max_in_flight: u64,
}

/// Outstanding calls of a pool. A call that a limit keeps from starting does not count, since no worker would start
/// it; a call of a tool that several pools host counts for each by its slots; a call that nobody can run counts only
/// for a pool without workers, which it wakes.
pub(super) fn outstanding(measure: &Measure, tools: impl IntoIterator<Item = ToolLoad>) -> f64 {
    let slots = measure.slots_per_worker.max(1.0);
    // A limit of so many calls fills so many slots, without the room that the target leaves.
    let limited = |limit: f64| limit * measure.target / slots;
    let (mut all, mut unknown, mut narrowest) = (0.0, 0.0, 0.0_f64);
    for tool in tools {
        let mut calls = tool.waiting + f64::from(tool.in_flight);
        if tool.max_concurrency > 0 {
            calls = calls.min(limited(tool.max_concurrency.into()));
        }
        let mine = if tool.slots > 0 {
            calls * tool.pool_slots as f64 / tool.slots as f64
        } else if measure.workers > 0 {
            // Workers of this pool are there and none hosts it: another would not either.
            0.0
        } else {
            match tool.of_pool {
                OfPool::Yes => calls,
                OfPool::Perhaps => {
                    unknown += calls;
                    0.0
                }
                OfPool::No => 0.0,
            }
        };
        all += mine;
        let width = f64::from(tool.max_per_worker);
        if width > 0.0 && width < slots {
            // Each worker takes fewer of it than it has slots.
            narrowest = narrowest.max(mine * slots / width);
        }
    }
    // What may be of others starts one worker, which then shows what it hosts.
    let needed = all.max(narrowest) + f64::min(unknown, measure.target);
    needed.min(limited(measure.max_in_flight as f64))
}
