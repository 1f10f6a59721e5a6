//! Graphs of any shape: a plan whose waves are the layers of the graph, or a cycle that is really there. Through
//! the edge besides: what is declared to touch the same is ordered, whatever calls depend on.

use std::time::Duration;

use arbitrary::Unstructured;
use toolwave_coordinator::{
    catalogue::Catalogue,
    execution::{
        limits::RequestLimits,
        prepared::Detail,
        validate::{Circumstances, prepare},
    },
};
use toolwave_proto::v1::{self, EdgeOrigin, EffectMode, call::ParametersForm};
use toolwave_scheduler::plan::{Cycle, Edge, Need, Plan};

use crate::draw;

/// Calls of a graph; so many as `u64` has bits where reachability is looked at.
const MOST_CALLS: usize = 400;
const FEW_CALLS: usize = 24;

/// Makes a graph of the input, and plans it.
///
/// # Panics
/// The plan is no layering of the graph, or the cycle is none.
pub fn run(data: &[u8]) {
    let mut from = Unstructured::new(data);
    if draw::one_in(&mut from, 2) {
        effects(&mut from);
    } else {
        graph(&mut from);
    }
}

fn graph(from: &mut draw::Bytes<'_>) {
    let most = if draw::one_in(from, 2) { MOST_CALLS } else { 9 };
    let calls = 1 + draw::below(from, most) as u32;
    let mut edges = Vec::new();
    while !from.is_empty() && edges.len() < 4096 {
        let need = if draw::one_in(from, 4) {
            Need::End
        } else {
            Need::Success
        };
        let mut edge = Edge {
            from: draw::below(from, calls as usize) as u32,
            to: draw::below(from, calls as usize) as u32,
            need,
        };
        // Mostly forward, or nearly every graph has a cycle.
        if edge.from > edge.to && !draw::one_in(from, 8) {
            std::mem::swap(&mut edge.from, &mut edge.to);
        }
        edges.push(edge);
    }
    check(calls, &edges, &Plan::new(calls, &edges));
}

fn check(calls: u32, edges: &[Edge], plan: &Result<Plan, Cycle>) {
    match plan {
        Ok(plan) => {
            assert_eq!(plan.len(), calls);
            let mut waves = vec![0; calls as usize];
            for edge in edges {
                let wave = plan.wave(edge.from) + 1;
                assert!(wave <= plan.wave(edge.to), "{edge:?} is not kept");
                let least: &mut u32 = &mut waves[edge.to as usize];
                *least = wave.max(*least);
            }
            for call in 0..calls {
                assert_eq!(
                    plan.wave(call),
                    waves[call as usize],
                    "call {call} waits for nothing so long"
                );
            }
            let mut all = plan.waves().concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..calls), "each call is in one wave");
            let waiting: usize = (0..calls).map(|call| plan.dependents(call).len()).sum();
            let counted: u32 = (0..calls).map(|call| plan.dependency_count(call)).sum();
            assert_eq!(waiting, counted as usize);
            for edge in edges {
                let kept = plan
                    .dependents(edge.from)
                    .iter()
                    .filter(|dependent| dependent.call == edge.to);
                let needs: Vec<Need> = kept.map(|dependent| dependent.need).collect();
                assert_eq!(needs.len(), 1, "{edge:?}");
                assert!(
                    needs[0] == Need::Success || edge.need == Need::End,
                    "{edge:?} lost its need"
                );
            }
        }
        Err(Cycle(cycle)) => {
            assert!(!cycle.is_empty());
            for (at, &call) in cycle.iter().enumerate() {
                let next = cycle[(at + 1) % cycle.len()];
                assert!(
                    edges.iter().any(|edge| edge.from == call && edge.to == next),
                    "{cycle:?} is no cycle: {call} does not lead to {next}"
                );
            }
        }
    }
}

/// Tools that read or write the key in the parameter `k`.
fn catalogue() -> Catalogue {
    let tool = |name: &str, mode: EffectMode| v1::Tool {
        name: name.into(),
        effects: vec![v1::Effect {
            mode: mode.into(),
            key_template: "key:{k}".into(),
        }],
        ..v1::Tool::default()
    };
    [tool("read", EffectMode::Reads), tool("write", EffectMode::Writes)]
        .into_iter()
        .fold(Catalogue::default(), |catalogue, tool| {
            catalogue.declare(tool).expect("it is good").catalogue
        })
}

fn effects(from: &mut draw::Bytes<'_>) {
    let count = 1 + draw::below(from, FEW_CALLS);
    let mut touches = Vec::new();
    let calls: Vec<v1::Call> = (0..count)
        .map(|at| {
            let tool = draw::one_of(from, &["read", "write", "nothing"]);
            let key = draw::one_of(from, &["x", "y", "z"]);
            // Only known once the result is there: may be any key.
            let unknown = at > 0 && draw::one_in(from, 8);
            touches.push((tool, if unknown { None } else { Some(key) }));
            let value = if unknown {
                format!("${{{}.result}}", draw::below(from, at))
            } else {
                key.to_owned()
            };
            let depends_on = (0..draw::below(from, 3)).map(|_| draw::below(from, count).to_string());
            v1::Call {
                tool_name: tool.into(),
                depends_on: depends_on.collect(),
                parameters_form: Some(ParametersForm::ParametersJson(
                    serde_json::json!({"k": value}).to_string().into(),
                )),
                ..v1::Call::default()
            }
        })
        .collect();
    let request = v1::ExecuteParallelRequest {
        calls,
        ..v1::ExecuteParallelRequest::default()
    };
    let circumstances = Circumstances {
        deadline: Some(Duration::from_secs(1)),
        detail: Detail::Results,
        explain: true,
    };
    let Ok(prepared) = prepare(request, &catalogue(), &RequestLimits::default(), circumstances) else {
        return;
    };
    let plan = prepared.execution.plan;
    let edges: Vec<Edge> = prepared
        .edges
        .iter()
        .map(|edge| Edge {
            from: edge.from,
            to: edge.to,
            need: if edge.origin() == EdgeOrigin::Effect {
                Need::End
            } else {
                Need::Success
            },
        })
        .collect();
    check(plan.len(), &edges, &Ok(plan.clone()));
    let after = reachable(&plan);
    for (one, touch) in touches.iter().enumerate() {
        for (other, against) in touches.iter().enumerate().skip(one + 1) {
            let same = touch.1.is_none() || against.1.is_none() || touch.1 == against.1;
            let nothing = touch.0 == "nothing" || against.0 == "nothing";
            let written = touch.0 == "write" || against.0 == "write";
            if same && written && !nothing {
                let ordered = after[one] & 1 << other != 0 || after[other] & 1 << one != 0;
                assert!(
                    ordered,
                    "calls {one} and {other} touch the same at once: {touches:?}"
                );
            }
        }
    }
}

/// Of each call, the calls that wait for it, directly or not.
fn reachable(plan: &Plan) -> Vec<u64> {
    let mut after = vec![0u64; plan.len() as usize];
    for call in plan.waves().concat().into_iter().rev() {
        for dependent in plan.dependents(call) {
            after[call as usize] |= 1 << dependent.call | after[dependent.call as usize];
        }
    }
    after
}
