//! Tenants: turns taken and attempts in flight, for fairness and limits.

use rustc_hash::FxHashMap;

use crate::TenantKey;

/// Tenants with an execution, or with attempts in flight.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    tenants: FxHashMap<TenantKey, Tenant>,
    /// In flight at once of each; 0: no limit.
    limit: usize,
    /// The turn last taken by any tenant.
    clock: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    executions: usize,
    in_flight: usize,
    queued: usize,
    turn: u64,
    /// The turn last taken by an execution of it.
    clock: u64,
}

impl Tenants {
    /// Nobody yet; each with this limit.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// An execution of it is admitted.
    pub(crate) fn admit(&mut self, key: TenantKey) {
        self.tenants.entry(key).or_default().executions += 1;
    }

    /// An execution of it has ended.
    pub(crate) fn finish(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.executions -= 1;
            if tenant.is_idle() {
                self.tenants.remove(&key);
            }
        }
    }

    /// A call of it is ready. `turn` is that of its execution, `first` says that this had no ready call. What was
    /// idle, or is new, has saved no turns: it goes behind those that wait already. What has ready calls keeps
    /// its turn, or whoever gets new calls often would never have one.
    pub(crate) fn queue(&mut self, key: TenantKey, turn: &mut u64, first: bool) {
        let clock = self.clock;
        if let Some(tenant) = self.tenants.get_mut(&key) {
            if tenant.queued == 0 {
                tenant.turn = tenant.turn.max(clock + 1);
            }
            tenant.queued += 1;
            if first {
                *turn = (*turn).max(tenant.clock + 1);
            }
        }
    }

    /// A ready call of it is not ready any more.
    pub(crate) fn unqueue(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.queued -= 1;
        }
    }

    /// A ready call of it is dispatched: it takes its turn, and so does its execution.
    pub(crate) fn take_turn(&mut self, key: TenantKey, turn: &mut u64) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.queued -= 1;
            tenant.in_flight += 1;
            self.clock = self.clock.max(tenant.turn);
            tenant.turn += 1;
            tenant.clock = tenant.clock.max(*turn);
            *turn += 1;
        }
    }

    /// An attempt of it does not count any more.
    pub(crate) fn release(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.in_flight -= 1;
            if tenant.is_idle() {
                self.tenants.remove(&key);
            }
        }
    }

    /// Turns taken; `None`: no other attempt of it may start.
    pub(crate) fn open_turn(&self, key: TenantKey) -> Option<u64> {
        match self.tenants.get(&key) {
            Some(tenant) if self.limit > 0 && tenant.in_flight >= self.limit => None,
            Some(tenant) => Some(tenant.turn),
            None => Some(0),
        }
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.tenants.len()
    }
}

impl Tenant {
    /// Nothing of it is left.
    fn is_idle(&self) -> bool {
        self.executions == 0 && self.in_flight == 0
    }
}
