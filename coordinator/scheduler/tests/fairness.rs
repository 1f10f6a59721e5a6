//! F1: tenants with a backlog are served by their weights after every single start, whatever the number of their
//! executions, what they are limited to, and in which order attempts end.

mod common;

use proptest::prelude::*;
use toolwave_scheduler::{CallKey, TenantLimits};

use common::lab::{Lab, batch, call};

/// A tenant with more calls than the test starts.
#[derive(Clone, Debug)]
struct Tenant {
    weight: u32,
    executions: u32,
    max_in_flight: Option<u32>,
}

fn tenants() -> impl Strategy<Value = Vec<Tenant>> {
    let tenant =
        (1u32..6, 1u32..3, prop::option::of(1u32..4)).prop_map(|(weight, executions, max_in_flight)| {
            Tenant {
                weight,
                executions,
                max_in_flight,
            }
        });
    prop::collection::vec(tenant, 2..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tenants_with_a_backlog_are_served_by_their_weights_after_every_start(
        tenants in tenants(),
        slots in 1u32..6,
        ends in prop::collection::vec(any::<u16>(), 80),
    ) {
        let mut lab = Lab::new();
        let mut owners = std::collections::BTreeMap::new();
        for (key, tenant) in (0..).zip(&tenants) {
            let limits = TenantLimits {
                weight: tenant.weight,
                max_in_flight: tenant.max_in_flight,
                ..TenantLimits::default()
            };
            for _ in 0..tenant.executions {
                let calls = vec![call(); 90];
                owners.insert(lab.submit(batch(calls).tenant(key).limits(limits)), key as usize);
            }
        }
        lab.worker(slots);
        let mut running: Vec<CallKey> = lab.started_order();
        let mut seen = running.len();
        // Of each pair: starts of both since one of them was at its limit.
        let mut since = vec![vec![(0u32, 0u32); tenants.len()]; tenants.len()];
        let mut in_flight = vec![0u32; tenants.len()];
        for &first in &running {
            in_flight[owners[&first.execution]] += 1;
        }
        for end in ends {
            let ended = running.swap_remove(usize::from(end) % running.len());
            in_flight[owners[&ended.execution]] -= 1;
            lab.succeeds(ended);
            let order = lab.started_order();
            for &started in &order[seen..] {
                running.push(started);
                let one = owners[&started.execution];
                in_flight[one] += 1;
                for (other, with) in tenants.iter().enumerate().filter(|(other, _)| *other != one) {
                    let (of_one, of_other) = if one < other {
                        let pair = &mut since[one][other];
                        pair.0 += 1;
                        *pair
                    } else {
                        let pair = &mut since[other][one];
                        pair.1 += 1;
                        (pair.1, pair.0)
                    };
                    let closed = |tenant: usize| tenants[tenant].max_in_flight.is_some_and(|most| in_flight[tenant] >= most);
                    if closed(one) || closed(other) {
                        // Who could not start was passed over; from here on they are compared anew.
                        since[one.min(other)][one.max(other)] = (0, 0);
                        continue;
                    }
                    let (mine, theirs) = (f64::from(tenants[one].weight), f64::from(with.weight));
                    let ahead = f64::from(of_one) / mine - f64::from(of_other) / theirs;
                    // A tenant that was closed keeps its turns; that is bounded by what it could not start.
                    let held = tenants[one].max_in_flight.is_some();
                    prop_assert!(
                        held || ahead <= 1.0 / mine + 1.0 / theirs + 1e-9,
                        "F1: {tenants:?}: {one} is {ahead} turns ahead of {other}"
                    );
                }
            }
            seen = order.len();
        }
    }
}
