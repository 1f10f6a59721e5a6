//! Properties of plans over random graphs: waves follow dependencies, and a cycle is real and shortest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use toolwave_scheduler::plan::{Cycle, Edge, Need, Plan};

const MOST_CALLS: u32 = 12;

fn need() -> impl Strategy<Value = Need> {
    prop_oneof![Just(Need::Success), Just(Need::End)]
}

/// A number of calls, and edges among them that may repeat and may go round in circles.
fn graph() -> impl Strategy<Value = (u32, Vec<Edge>)> {
    (1..=MOST_CALLS).prop_flat_map(|calls| {
        let edge = (0..calls, 0..calls, need()).prop_map(|(from, to, need)| Edge { from, to, need });
        (Just(calls), prop::collection::vec(edge, 0..20))
    })
}

/// The same without circles: calls in a shuffled order, edges only along it.
fn acyclic() -> impl Strategy<Value = (u32, Vec<Edge>)> {
    graph().prop_flat_map(|(calls, edges)| {
        Just((0..calls).collect::<Vec<u32>>())
            .prop_shuffle()
            .prop_map(move |order| {
                let along = |edge: &Edge| {
                    let (a, b) = (edge.from.min(edge.to), edge.from.max(edge.to));
                    Edge {
                        from: order[a as usize],
                        to: order[b as usize],
                        need: edge.need,
                    }
                };
                (
                    calls,
                    edges
                        .iter()
                        .filter(|edge| edge.from != edge.to)
                        .map(along)
                        .collect(),
                )
            })
    })
}

fn followers(edges: &[Edge], call: u32) -> BTreeSet<u32> {
    edges
        .iter()
        .filter(|edge| edge.from == call)
        .map(|edge| edge.to)
        .collect()
}

/// Edges on the shortest way from a call back to itself.
fn shortest_cycle(calls: u32, edges: &[Edge], start: u32) -> Option<usize> {
    let mut far: BTreeMap<u32, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some((call, steps)) = queue.pop_front() {
        for next in followers(edges, call) {
            if next == start {
                return Some(steps + 1);
            }
            if far.insert(next, steps + 1).is_none() {
                queue.push_back((next, steps + 1));
            }
        }
        assert!(far.len() <= calls as usize);
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_call_is_one_wave_after_the_last_of_its_dependencies((calls, edges) in acyclic()) {
        let plan = Plan::new(calls, &edges).expect("edges along an order make no cycle");
        prop_assert_eq!(plan.len(), calls);
        for call in 0..calls {
            let last = edges.iter().filter(|edge| edge.to == call).map(|edge| plan.wave(edge.from) + 1).max();
            prop_assert_eq!(plan.wave(call), last.unwrap_or(0));
        }
    }

    #[test]
    fn dependents_and_counts_are_the_distinct_edges_and_success_wins((calls, edges) in acyclic()) {
        let plan = Plan::new(calls, &edges).expect("edges along an order make no cycle");
        let mut distinct: BTreeMap<(u32, u32), Need> = BTreeMap::new();
        for edge in &edges {
            let need = distinct.entry((edge.from, edge.to)).or_insert(edge.need);
            if edge.need == Need::Success {
                *need = Need::Success;
            }
        }
        let mut told = BTreeMap::new();
        for from in 0..calls {
            for dependent in plan.dependents(from) {
                prop_assert!(told.insert((from, dependent.call), dependent.need).is_none(), "told twice");
            }
        }
        prop_assert_eq!(&told, &distinct);
        for call in 0..calls {
            let count = distinct.keys().filter(|(_, to)| *to == call).count();
            prop_assert_eq!(plan.dependency_count(call) as usize, count);
        }
    }

    #[test]
    fn waves_hold_every_call_once_in_request_order((calls, edges) in acyclic()) {
        let plan = Plan::new(calls, &edges).expect("edges along an order make no cycle");
        let waves = plan.waves();
        prop_assert_eq!(waves.len(), plan.wave_count() as usize);
        prop_assert!(waves.iter().all(|wave| !wave.is_empty() && wave.is_sorted()));
        let all: BTreeSet<u32> = waves.iter().flatten().copied().collect();
        prop_assert_eq!(all.len(), calls as usize);
        prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), calls as usize);
    }

    #[test]
    fn a_graph_is_refused_exactly_when_it_has_a_cycle_and_the_cycle_is_a_shortest_one((calls, edges) in graph()) {
        let cyclic = (0..calls).any(|call| shortest_cycle(calls, &edges, call).is_some());
        match Plan::new(calls, &edges) {
            Ok(_) => prop_assert!(!cyclic),
            Err(Cycle(cycle)) => {
                prop_assert!(cyclic);
                prop_assert!(!cycle.is_empty());
                prop_assert_eq!(cycle.iter().collect::<BTreeSet<_>>().len(), cycle.len(), "a call comes twice");
                for (at, &call) in cycle.iter().enumerate() {
                    let next = cycle[(at + 1) % cycle.len()];
                    prop_assert!(followers(&edges, call).contains(&next), "{next} does not wait for {call}: {cycle:?}");
                }
                let shortest = cycle.iter().filter_map(|&call| shortest_cycle(calls, &edges, call)).max();
                prop_assert_eq!(shortest, Some(cycle.len()), "a shorter way round: {:?}", cycle);
            }
        }
    }
}

#[test]
fn a_call_that_waits_for_itself_is_a_cycle_of_one() {
    let edge = Edge {
        from: 1,
        to: 1,
        need: Need::Success,
    };
    assert_eq!(Plan::new(3, &[edge]).unwrap_err(), Cycle(vec![1]));
}

#[test]
fn a_plan_of_nothing_is_empty() {
    let plan = Plan::new(0, &[]).unwrap();
    assert!(plan.is_empty() && plan.waves().is_empty() && plan.wave_count() == 0);
    assert!(!Plan::new(1, &[]).expect("one call has no cycle").is_empty());
}

#[test]
fn a_chain_of_many_calls_has_as_many_waves() {
    let calls = 20_000;
    let edges: Vec<Edge> = (1..calls)
        .map(|to| Edge {
            from: to - 1,
            to,
            need: Need::Success,
        })
        .collect();
    assert_eq!(Plan::new(calls, &edges).unwrap().wave_count(), calls);
}
