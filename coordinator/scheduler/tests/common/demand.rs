//! What must be true of the calls that other workers could start: as many as limits of executions and tenants leave.

use std::collections::BTreeMap;

use toolwave_scheduler::{Scheduler, TenantKey};

use super::{
    entities::{Execution, State},
    shadow::{Shadow, Verdict, ensure},
};

/// For what rounding does.
const TOLERANCE: f64 = 1e-6;

impl Shadow {
    pub(crate) fn check_demand(&self, scheduler: &Scheduler) -> Verdict {
        let told: f64 = scheduler.startable().values().sum();
        // What is in flight is known between bounds.
        let (most, least) = (self.startable(true), self.startable(false));
        ensure!(
            (least as f64 - TOLERANCE..=most as f64 + TOLERANCE).contains(&told),
            "demand: {least} to {most} calls could start, not {told}"
        );
        Ok(())
    }

    fn startable(&self, surely: bool) -> usize {
        let mut by_tenant: BTreeMap<TenantKey, usize> = BTreeMap::new();
        for (key, execution) in self.executions.iter().filter(|(_, execution)| !execution.ended) {
            let in_flight = self.counted(surely, |_, call| call.execution == *key);
            let limit = execution.submission.max_concurrency;
            let places = limit.map_or(usize::MAX, |limit| (limit as usize).saturating_sub(in_flight));
            *by_tenant.entry(execution.submission.tenant).or_default() += self.waiting(execution).min(places);
        }
        let of_tenant = |(tenant, calls): (&TenantKey, &usize)| {
            let limits = self.tenants.get(tenant).map(|tenant| &tenant.limits);
            let in_flight = self.counted(surely, |_, call| {
                let execution = self.executions.get(&call.execution);
                execution.map(|execution| execution.submission.tenant) == Some(*tenant)
            });
            let limit = limits.and_then(|limits| limits.max_in_flight);
            let places = limit.map_or(usize::MAX, |limit| (limit as usize).saturating_sub(in_flight));
            places.min(*calls)
        };
        by_tenant.iter().map(of_tenant).sum()
    }

    /// Calls that are ready, or would be if somebody had declared their tool.
    fn waiting(&self, execution: &Execution) -> usize {
        let calls = (0..).zip(&execution.calls);
        calls
            .filter(|(index, call)| match call.state {
                State::Ready { .. } => true,
                State::Waiting => {
                    let declared = self.tools.get(&call.tool).is_some_and(|tool| tool.spec.is_some());
                    execution.unblocked(*index) && !declared
                }
                _ => false,
            })
            .count()
    }
}
