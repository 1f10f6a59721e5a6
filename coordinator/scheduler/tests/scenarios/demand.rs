//! How many waiting calls other workers could start: what is left over by the limits of executions and tenants.

use toolwave_scheduler::{CallSpec, TenantLimits, ToolKey};

use crate::common::{
    lab::{Lab, TOOL, batch, call, nth},
    s,
};

fn startable(lab: &Lab) -> f64 {
    lab.harness.scheduler.startable().values().sum()
}

#[track_caller]
fn assert_near(is: f64, wanted: f64, why: &str) {
    assert!((is - wanted).abs() < 1e-9, "{is}: {why}");
}

#[test]
fn calls_beyond_the_max_concurrency_of_their_execution_ask_for_no_worker() {
    let mut lab = Lab::new();
    lab.worker(2);
    let execution = lab.submit(batch(vec![call(); 100]).at_once(5));
    assert_near(startable(&lab), 3.0, "two are in flight");
    lab.worker(8);
    assert_near(startable(&lab), 0.0, "five are");
    lab.succeeds(nth(execution, 0));
    assert_near(startable(&lab), 0.0, "the next one has started");
    lab.submit(batch(vec![call(); 40]));
    assert_near(startable(&lab), 35.0, "of another one, five found a slot");
}

#[test]
fn calls_beyond_the_limit_of_their_tenant_ask_for_no_worker() {
    let most = TenantLimits {
        max_in_flight: Some(6),
        ..TenantLimits::default()
    };
    let mut lab = Lab::new();
    lab.worker(2);
    lab.submit(batch(vec![call(); 20]).tenant(1).limits(most));
    lab.submit(batch(vec![call(); 20]).tenant(1).limits(most).at_once(1));
    assert_near(startable(&lab), 4.0, "two of six are in flight");
    lab.submit(batch(vec![call(); 7]).tenant(2));
    assert_near(startable(&lab), 11.0, "another tenant has no limit");
}

#[test]
fn tools_of_an_execution_share_its_places_by_what_waits_for_each() {
    const UNDECLARED: ToolKey = ToolKey(7);
    let mut lab = Lab::with(|config| config.startup_grace = s(20));
    let undeclared = CallSpec {
        tool: UNDECLARED,
        ..call()
    };
    let mut calls = vec![call(); 30];
    calls.extend(vec![undeclared; 10]);
    lab.submit(batch(calls).at_once(4));
    let startable = lab.harness.scheduler.startable();
    assert_near(startable[&TOOL], 3.0, "nobody hosts it");
    assert_near(startable[&UNDECLARED], 1.0, "nobody has declared it");
}
