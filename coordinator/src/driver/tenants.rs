//! Names of tenants and their keys, and the bytes that are held for those that may not hold any number. What
//! nobody needs is kept for a while, so that a tenant with one execution after another keeps its key.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustc_hash::FxHashMap;
use toolwave_scheduler::TenantKey;

/// Tenants that are kept although nothing of them is left.
const IDLE_AT_MOST: usize = 10_000;

/// Tenants of which something is left, and some more.
#[derive(Default)]
pub(super) struct Tenants {
    keys: FxHashMap<Arc<str>, TenantKey>,
    tenants: FxHashMap<TenantKey, Tenant>,
    /// Those that the scheduler forgot, the first of them first; some are back since.
    idle: VecDeque<TenantKey>,
    last: u32,
}

struct Tenant {
    name: Arc<str>,
    /// Parameters and results held for it; `None` where nobody counts them.
    payload_bytes: Option<Arc<AtomicU64>>,
    /// The scheduler knows nothing of it.
    is_idle: bool,
    /// It stands among the idle.
    is_listed: bool,
}

/// A tenant that submits.
pub(super) struct Submitter {
    pub(super) key: TenantKey,
    pub(super) payload_bytes: Option<Arc<AtomicU64>>,
}

// === impl Tenants ===

impl Tenants {
    /// A tenant that is about to submit; `counted` where what is held for it matters.
    pub(super) fn submits(&mut self, name: &Arc<str>, counted: bool) -> Submitter {
        let key = match self.keys.get(name) {
            Some(&key) => key,
            None => self.insert(name),
        };
        let Some(tenant) = self.tenants.get_mut(&key) else {
            debug_assert!(false, "a key leads to its tenant");
            return Submitter {
                key,
                payload_bytes: None,
            };
        };
        if counted && tenant.payload_bytes.is_none() {
            tenant.payload_bytes = Some(Arc::default());
        }
        Submitter {
            key,
            payload_bytes: tenant.payload_bytes.clone(),
        }
    }

    /// The name of one, and what is held for it where that is counted.
    pub(super) fn known(&self, key: TenantKey) -> Option<(Arc<str>, Option<u64>)> {
        let tenant = self.tenants.get(&key)?;
        let held = tenant.payload_bytes.as_ref();
        Some((tenant.name.clone(), held.map(|held| held.load(Ordering::Relaxed))))
    }

    /// The scheduler hears of it now, and says when it knows nothing of it any more.
    pub(super) fn submitted(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.is_idle = false;
        }
    }

    fn insert(&mut self, name: &Arc<str>) -> TenantKey {
        // After four billion tenants the first of them may still be there.
        let key = loop {
            self.last = self.last.wrapping_add(1);
            let key = TenantKey(self.last);
            if !self.tenants.contains_key(&key) {
                break key;
            }
        };
        self.keys.insert(name.clone(), key);
        let tenant = Tenant {
            name: name.clone(),
            payload_bytes: None,
            is_idle: true,
            is_listed: false,
        };
        self.tenants.insert(key, tenant);
        self.list(key);
        key
    }

    /// The scheduler knows nothing of it any more.
    pub(super) fn forget(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.is_idle = true;
            self.list(key);
        }
    }

    fn list(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key)
            && !std::mem::replace(&mut tenant.is_listed, true)
        {
            self.idle.push_back(key);
        }
        if self.idle.len() > IDLE_AT_MOST {
            self.remove_first_idle();
        }
    }

    fn remove_first_idle(&mut self) {
        let Some(key) = self.idle.pop_front() else { return };
        let Some(tenant) = self.tenants.get_mut(&key) else {
            return;
        };
        if !tenant.is_idle {
            tenant.is_listed = false;
        } else if tenant.holds_bytes() {
            // Somebody has results of it to read yet.
            self.idle.push_back(key);
        } else {
            self.keys.remove(&tenant.name);
            self.tenants.remove(&key);
        }
    }
}

impl Tenant {
    fn holds_bytes(&self) -> bool {
        let held = self.payload_bytes.as_ref();
        held.is_some_and(|held| held.load(Ordering::Relaxed) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(index: usize) -> Arc<str> {
        format!("tenant-{index}").into()
    }

    #[test]
    fn a_tenant_that_comes_back_soon_keeps_its_key() {
        let mut tenants = Tenants::default();
        let key = tenants.submits(&name(0), false).key;
        for _ in 0..3 {
            tenants.submitted(key);
            tenants.forget(key);
            assert_eq!(tenants.submits(&name(0), false).key, key);
        }
        assert!(tenants.idle.len() <= 1);
    }

    #[test]
    fn tenants_of_which_nothing_is_left_are_bounded_and_those_with_bytes_stay() {
        let mut tenants = Tenants::default();
        let holding = tenants.submits(&name(0), true);
        let held = holding.payload_bytes.expect("counted");
        held.store(7, Ordering::Relaxed);
        let busy = tenants.submits(&name(1), false).key;
        tenants.submitted(busy);
        for index in 2..2 * IDLE_AT_MOST {
            let key = tenants.submits(&name(index), false).key;
            if index % 2 == 0 {
                tenants.submitted(key);
                tenants.forget(key);
            }
        }
        assert!(tenants.tenants.len() <= IDLE_AT_MOST + 2);
        assert_eq!(tenants.keys.len(), tenants.tenants.len());
        let again = tenants.submits(&name(0), true);
        assert_eq!(
            again.payload_bytes.map(|held| held.load(Ordering::Relaxed)),
            Some(7)
        );
        assert_eq!(tenants.submits(&name(1), false).key, busy);
    }
}
