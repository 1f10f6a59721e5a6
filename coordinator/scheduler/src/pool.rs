//! Workers grouped by the set of tools that they host, so that "who is free for this tool" needs no search
//! over workers or tools.

use rustc_hash::FxHashMap;

use crate::{ToolKey, WorkerKey, tool::Tools, worker::Worker};

/// Names a pool while it is there: its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PoolKey(u32);

/// Workers that host the same tools.
#[derive(Debug)]
pub(crate) struct Pool {
    tools: Vec<ToolKey>,
    /// All of them, in no order.
    pub(crate) members: Vec<WorkerKey>,
    /// Those that take a dispatch now, in no order.
    pub(crate) free: Vec<WorkerKey>,
}

/// All pools.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    by_tools: FxHashMap<Vec<ToolKey>, PoolKey>,
    pools: Vec<Option<Pool>>,
    /// Places that are free.
    free: Vec<PoolKey>,
}

impl Pools {
    /// Puts a worker into the pool of its tools (sorted, without duplicates).
    pub(crate) fn join(&mut self, worker: WorkerKey, hosted: Vec<ToolKey>, tools: &mut Tools) -> PoolKey {
        let key = match self.by_tools.get(&hosted) {
            Some(&key) => key,
            None => {
                let key = self.free.pop().unwrap_or_else(|| {
                    self.pools.push(None);
                    PoolKey(self.pools.len() as u32 - 1)
                });
                for tool in &hosted {
                    tools.entry(*tool).or_default().pools.push(key);
                }
                self.by_tools.insert(hosted.clone(), key);
                self.pools[key.0 as usize] = Some(Pool {
                    tools: hosted,
                    members: Vec::new(),
                    free: Vec::new(),
                });
                key
            }
        };
        if let Some(pool) = self.pool_mut(key) {
            pool.members.push(worker);
        }
        key
    }

    /// Takes a worker out; a pool without members is gone.
    pub(crate) fn leave(&mut self, worker: &mut Worker, tools: &mut Tools) {
        self.set_free(worker, false);
        let Some(pool) = self
            .pools
            .get_mut(worker.pool.0 as usize)
            .and_then(Option::as_mut)
        else {
            return;
        };
        pool.members.retain(|member| *member != worker.key);
        if pool.members.is_empty() {
            for tool in &pool.tools {
                if let Some(tool) = tools.get_mut(tool) {
                    tool.pools.retain(|key| *key != worker.pool);
                }
            }
            self.by_tools.remove(&pool.tools);
            self.pools[worker.pool.0 as usize] = None;
            self.free.push(worker.pool);
        }
    }

    /// Lists the worker among the free of its pool when it is; true: it is.
    pub(crate) fn list(&mut self, worker: &mut Worker) -> bool {
        let free = worker.is_free();
        self.set_free(worker, free);
        free
    }

    /// Lists the worker among the free of its pool, or not.
    fn set_free(&mut self, worker: &mut Worker, free: bool) {
        if worker.listed_free == free {
            return;
        }
        let Some(pool) = self.pool_mut(worker.pool) else {
            return;
        };
        if free {
            pool.free.push(worker.key);
        } else if let Some(at) = pool.free.iter().position(|key| *key == worker.key) {
            pool.free.swap_remove(at);
        }
        worker.listed_free = free;
    }

    /// A pool.
    pub(crate) fn pool(&self, key: PoolKey) -> Option<&Pool> {
        self.pools.get(key.0 as usize)?.as_ref()
    }

    fn pool_mut(&mut self, key: PoolKey) -> Option<&mut Pool> {
        self.pools.get_mut(key.0 as usize)?.as_mut()
    }

    /// What the workers of a pool host.
    pub(crate) fn tools_of(&self, key: PoolKey) -> &[ToolKey] {
        self.pool(key).map_or(&[], |pool| &pool.tools)
    }
}
