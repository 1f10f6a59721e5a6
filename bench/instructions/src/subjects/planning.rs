//! Planning: the largest request that the default limits allow, in calls, with a dense graph.

use std::hint::black_box;

use toolwave_scheduler::plan::{Edge, Need, Plan};

use super::{Subject, counted};

const CALLS: u32 = 10_000;
const EDGES: usize = 30_000;

pub(super) const GRAPH: Subject = Subject {
    name: "planning, 10,000 calls and 30,000 edges",
    times: 1,
    run: graph,
};

fn graph() {
    let mut random = fastrand::Rng::with_seed(1);
    let edges: Vec<Edge> = (0..EDGES)
        .map(|_| {
            let to = random.u32(1..CALLS);
            let from = random.u32(0..to);
            Edge {
                from,
                to,
                need: Need::Success,
            }
        })
        .collect();
    let plan = counted(|| Plan::new(CALLS, black_box(&edges)));
    let plan = plan.expect("edges that lead upwards make no cycle");
    assert!(
        plan.wave_count() > 5,
        "a graph of {} waves is no graph",
        plan.wave_count()
    );
}
