//! Workers whose sessions do not last.

use toolwave_scheduler::WorkerCondition;

use crate::common::{
    lab::{Lab, batch, call, nth},
    ms, s,
};

#[test]
fn a_worker_whose_sessions_break_again_and_again_is_taken_out_and_probed() {
    let mut lab = Lab::new();
    let worker = lab.worker(4);
    for _ in 0..4 {
        lab.breaks(worker);
        lab.pass(ms(200));
        lab.rejoin(worker, &[]);
    }
    assert_eq!(
        lab.condition(worker),
        Some(WorkerCondition::Ready),
        "four may be bad luck"
    );
    lab.breaks(worker);
    lab.rejoin(worker, &[]);
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Ejected));
    let execution = lab.submit(batch(vec![call(); 3]));
    assert_eq!(lab.taken(worker), 0, "nothing while it is out");
    lab.pass(s(1));
    assert_eq!(lab.taken(worker), 1, "one probe, though it has four slots");
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.condition(worker), Some(WorkerCondition::Ready));
    assert_eq!(lab.taken(worker), 2);
}

#[test]
fn sessions_that_lasted_for_a_lease_and_work_that_was_done_are_no_flapping() {
    let mut lab = Lab::new();
    let worker = lab.worker(1);
    for _ in 0..10 {
        for _ in 0..5 {
            lab.pass(s(2));
            lab.beat(worker, &[], u64::MAX);
        }
        lab.breaks(worker);
        lab.rejoin(worker, &[]);
        assert_eq!(
            lab.condition(worker),
            Some(WorkerCondition::Ready),
            "a balancer cuts connections too"
        );
    }
    for _ in 0..10 {
        let execution = lab.submit(batch(vec![call()]));
        lab.succeeds(nth(execution, 0));
        lab.breaks(worker);
        lab.rejoin(worker, &[]);
        assert_eq!(
            lab.condition(worker),
            Some(WorkerCondition::Ready),
            "it does its part"
        );
    }
}
