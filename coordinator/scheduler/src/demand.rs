//! How many waiting calls would start if there were any number of workers: those that limits of their execution and
//! of their tenant leave over. For an autoscaler; it decides nothing, and leaves the limits of tools to who asks.

use rustc_hash::FxHashMap;

use crate::{ExecutionKey, Scheduler, TenantKey, ToolKey};

/// Waiting calls of one execution for one tool.
struct Claim {
    tool: ToolKey,
    execution: ExecutionKey,
    calls: u32,
}

impl Scheduler {
    /// For each tool that calls wait for, ready or for its first declaration: how many of them other workers could
    /// start. Where a limit leaves fewer places than calls wait, each tool has its share of the places, which need
    /// not be a whole number.
    #[must_use]
    pub fn startable(&self) -> FxHashMap<ToolKey, f64> {
        let claims = self.claims();
        let mut waiting: FxHashMap<ExecutionKey, u32> = FxHashMap::default();
        for claim in &claims {
            *waiting.entry(claim.execution).or_default() += claim.calls;
        }
        // The share of an execution's waiting calls that may start, and its tenant.
        let shares: FxHashMap<ExecutionKey, (TenantKey, f64)> = waiting
            .iter()
            .filter_map(|(key, &calls)| {
                let execution = self.executions().get(key)?;
                let places = execution.max_concurrency.saturating_sub(execution.in_flight);
                Some((*key, (execution.tenant, share(places.into(), calls.into()))))
            })
            .collect();
        let mut of_tenants: FxHashMap<TenantKey, f64> = FxHashMap::default();
        for (key, (tenant, share)) in &shares {
            *of_tenants.entry(*tenant).or_default() += share * f64::from(waiting[key]);
        }
        for (tenant, calls) in &mut of_tenants {
            let places = self.cluster().tenants.places(*tenant);
            *calls = places.map_or(1.0, |places| share(places as f64, *calls));
        }
        let mut startable = FxHashMap::default();
        for claim in claims {
            if let Some((tenant, share)) = shares.get(&claim.execution) {
                let tool: &mut f64 = startable.entry(claim.tool).or_default();
                *tool += f64::from(claim.calls) * share * of_tenants[tenant];
            }
        }
        startable
    }

    fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (&tool, state) in &self.cluster().tools {
            let lanes = state
                .queues
                .iter()
                .flat_map(|queue| self.cluster().queues.lanes(*queue));
            claims.extend(lanes.map(|(execution, calls)| Claim {
                tool,
                execution,
                calls,
            }));
            claims.extend(state.undeclared.iter().map(|call| Claim {
                tool,
                execution: call.execution,
                calls: 1,
            }));
        }
        claims
    }
}

/// How much of `calls` fits into `places`.
fn share(places: f64, calls: f64) -> f64 {
    if calls > places { places / calls } else { 1.0 }
}
