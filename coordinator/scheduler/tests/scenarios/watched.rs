//! What the state tells those who watch: for how long limits kept calls from starting, and since when calls wait.

use std::time::Duration;

use toolwave_scheduler::{LimitStatus, ToolKey, ToolSpec};

use crate::common::{
    lab::{Lab, OTHER_TOOL, TOOL, batch, call, nth},
    ms, s,
};

fn of(lab: &Lab, tool: Option<ToolKey>) -> LimitStatus {
    let limits = lab.harness.scheduler.limits(lab.harness.now);
    let found = limits.into_iter().find(|limit| limit.tool == tool);
    found.expect("it is a limit")
}

fn limited(lab: &Lab, tool: Option<ToolKey>) -> Duration {
    of(lab, tool).limited
}

fn one_at_once() -> Lab {
    let mut lab = Lab::new();
    let spec = ToolSpec {
        max_concurrency: 1,
        ..ToolSpec::default()
    };
    lab.declare(TOOL, spec);
    lab.worker(8);
    lab
}

#[test]
fn a_limit_is_timed_exactly_while_calls_wait_for_it() {
    let mut lab = one_at_once();
    lab.pass(s(1));
    let execution = lab.submit(batch(vec![call(); 2]));
    assert_eq!(limited(&lab, Some(TOOL)), Duration::ZERO);
    lab.pass(ms(300));
    assert_eq!(limited(&lab, Some(TOOL)), ms(300));
    lab.succeeds(nth(execution, 0));
    lab.pass(s(5));
    assert_eq!(
        limited(&lab, Some(TOOL)),
        ms(300),
        "the last call runs, and nothing waits"
    );
    let status = of(&lab, Some(TOOL));
    assert_eq!((status.limit, status.in_use), (1, 1));
    lab.succeeds(nth(execution, 1));
    assert_eq!(of(&lab, Some(TOOL)).in_use, 0);
    assert_eq!(
        limited(&lab, None),
        Duration::ZERO,
        "it was the tool's limit alone"
    );
    let others = lab.harness.scheduler.limits(lab.harness.now);
    assert!(
        others.iter().all(|limit| limit.tool != Some(OTHER_TOOL)),
        "it has none"
    );
}

#[test]
fn a_limit_is_not_timed_any_more_when_what_waited_is_cancelled() {
    let mut lab = one_at_once();
    lab.submit(batch(vec![call()]));
    let waits = lab.submit(batch(vec![call()]));
    lab.pass(ms(200));
    lab.cancel(waits);
    lab.pass(s(3));
    assert_eq!(limited(&lab, Some(TOOL)), ms(200));
}

#[test]
fn the_coordinators_own_limit_is_timed_too() {
    let mut lab = Lab::with(|config| config.max_in_flight = 1);
    lab.worker(8);
    let execution = lab.submit(batch(vec![call(); 2]));
    lab.pass(ms(100));
    lab.succeeds(nth(execution, 0));
    lab.pass(ms(100));
    assert_eq!(limited(&lab, None), ms(100));
}

#[test]
fn calls_wait_since_they_were_ready_and_not_for_their_own_executions_limit() {
    let mut lab = Lab::new();
    lab.worker(1);
    lab.pass(s(1));
    let first = lab.submit(batch(vec![call(); 2]));
    let began = lab.harness.now;
    lab.pass(ms(700));
    assert_eq!(lab.harness.scheduler.waiting_since(), [(TOOL, began)]);
    lab.succeeds(nth(first, 0));
    assert!(lab.harness.scheduler.waiting_since().is_empty());
    let mut lab = Lab::new();
    lab.worker(8);
    lab.submit(batch(vec![call(); 2]).at_once(1));
    assert!(
        lab.harness.scheduler.waiting_since().is_empty(),
        "there is room; it does not want more at once"
    );
}
