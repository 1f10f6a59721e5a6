//! The dependencies of an execution: what calls say, what references imply, what effects order; one plan.

use std::{cmp::Reverse, collections::BinaryHeap, fmt::Write as _, sync::Arc};

use toolwave_proto::v1;
use toolwave_scheduler::plan::{Cycle, Edge, Need, Plan};

use super::{
    effects::{self, Access, EffectEdge, Key},
    limits::RequestLimits,
    text::cut,
    violations::Violations,
};
use crate::error::Reason;

/// Ids that the message of a cycle names.
const NAMED_CALLS: usize = 10;

/// Edges and touches, as they are found.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Dependencies that must succeed; each pair once.
    pub(super) edges: Vec<Edge>,
    /// In request order.
    pub(super) accesses: Vec<Access>,
    /// What each edge comes from; only for who wants to know.
    pub(super) explained: Option<Vec<v1::Edge>>,
}

impl Graph {
    /// Checks bounds and finds the waves. Adds what is wrong; `None` then.
    pub(super) fn plan(
        &mut self,
        ids: &[Arc<str>],
        limits: &RequestLimits,
        violations: &mut Violations,
    ) -> Option<Plan> {
        let calls = ids.len() as u32;
        if self.too_many(limits, violations) {
            return None;
        }
        let plan = match Plan::new(calls, &self.edges) {
            Ok(plan) => plan,
            Err(Cycle(cycle)) => {
                add_cycle(&cycle, ids, violations);
                return None;
            }
        };
        // Order by effects alone is no depth that a client asked for, so it is not counted.
        if plan.wave_count() > limits.max_waves {
            violations.add(
                Reason::TooDeep,
                || "calls".into(),
                || {
                    format!(
                        "the calls make {} waves, at most {} are allowed",
                        plan.wave_count(),
                        limits.max_waves
                    )
                },
            );
            return None;
        }
        let mut ordered = effects::order(&self.accesses);
        if ordered.is_empty() {
            return Some(plan);
        }
        let explicit = self.edges.len();
        self.add_ordered(&ordered);
        if self.too_many(limits, violations) {
            return None;
        }
        let with_effects = Plan::new(calls, &self.edges).or_else(|_| {
            // A call depends on a later one that touches the same: what calls say goes before request order.
            self.edges.truncate(explicit);
            let position = dependency_order(&plan);
            self.accesses.sort_by_key(|access| position[access.call as usize]);
            ordered = effects::order(&self.accesses);
            self.add_ordered(&ordered);
            Plan::new(calls, &self.edges)
        });
        self.explain(&ordered);
        match with_effects {
            Ok(plan) => Some(plan),
            Err(Cycle(cycle)) => {
                add_cycle(&cycle, ids, violations);
                None
            }
        }
    }

    fn too_many(&self, limits: &RequestLimits, violations: &mut Violations) -> bool {
        let (edges, limit) = (self.edges.len(), limits.max_edges);
        if edges > limit {
            violations.add(
                Reason::TooManyEdges,
                || "calls".into(),
                || format!("{edges} dependencies in all, at most {limit} are allowed"),
            );
        }
        edges > limit
    }

    fn add_ordered(&mut self, ordered: &[EffectEdge]) {
        self.edges.extend(ordered.iter().map(|edge| Edge {
            from: edge.from,
            to: edge.to,
            need: Need::End,
        }));
    }

    fn explain(&mut self, ordered: &[EffectEdge]) {
        let Some(explained) = &mut self.explained else {
            return;
        };
        explained.extend(ordered.iter().map(|edge| v1::Edge {
            from: edge.from,
            to: edge.to,
            origin: v1::EdgeOrigin::Effect.into(),
            detail: match &self.accesses[edge.access as usize].key {
                Key::Exact(key) => key.clone(),
                Key::Beginning(beginning) => format!("{beginning}*"),
            },
        }));
    }
}

/// Where each call comes in an order in which every call follows its dependencies, and the request's order is
/// kept otherwise.
fn dependency_order(plan: &Plan) -> Vec<u32> {
    let mut open: Vec<u32> = (0..plan.len()).map(|call| plan.dependency_count(call)).collect();
    let mut ready: BinaryHeap<Reverse<u32>> = (0..plan.len())
        .filter(|&call| open[call as usize] == 0)
        .map(Reverse)
        .collect();
    let mut position = vec![0; open.len()];
    let mut next = 0;
    while let Some(Reverse(call)) = ready.pop() {
        position[call as usize] = next;
        next += 1;
        for dependent in plan.dependents(call) {
            open[dependent.call as usize] -= 1;
            if open[dependent.call as usize] == 0 {
                ready.push(Reverse(dependent.call));
            }
        }
    }
    position
}

/// The message reads as "waits for" and begins with the call that comes first in the request.
fn add_cycle(cycle: &[u32], ids: &[Arc<str>], violations: &mut Violations) {
    let mut cycle: Vec<u32> = cycle.iter().rev().copied().collect();
    let first = cycle
        .iter()
        .enumerate()
        .min_by_key(|(_, call)| **call)
        .map_or(0, |(at, _)| at);
    cycle.rotate_left(first);
    let start = cycle.first().copied().unwrap_or_default();
    violations.add(
        Reason::DependencyCycle,
        || format!("calls[{start}]"),
        || {
            let mut way = String::new();
            for &call in cycle.iter().take(NAMED_CALLS) {
                let _ = write!(way, "{} -> ", clip_id(&ids[call as usize]));
            }
            if cycle.len() > NAMED_CALLS {
                let _ = write!(way, "({} more) -> ", cycle.len() - NAMED_CALLS);
            }
            format!(
                "calls wait for each other and could never start: {way}{}",
                clip_id(&ids[start as usize])
            )
        },
    );
}

fn clip_id(id: &str) -> &str {
    cut(id, 32)
}
