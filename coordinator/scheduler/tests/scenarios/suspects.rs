//! Calls that lost a worker: one of them may have ended it.

use toolwave_scheduler::{CallKey, Outcome, WorkerKey};

use crate::common::{
    lab::{Lab, batch, nth, safe_call},
    ms, s,
};

/// A worker with three safe calls, whose stream breaks for good once two other workers of three slots are there.
fn three_lose_their_worker(lab: &mut Lab) -> ([CallKey; 3], [WorkerKey; 2]) {
    let first = lab.worker(3);
    let execution = lab.submit(batch(vec![safe_call(); 3]));
    let others = [lab.worker(3), lab.worker(3)];
    lab.breaks(first);
    lab.pass(s(2));
    ([0, 1, 2].map(|index| nth(execution, index)), others)
}

fn in_flight(lab: &Lab, calls: &[CallKey]) -> usize {
    calls.iter().filter(|call| lab.flight(**call).is_some()).count()
}

#[test]
fn calls_that_lost_a_worker_start_one_by_one_on_each_of_the_others() {
    let mut lab = Lab::new();
    let (calls, others) = three_lose_their_worker(&mut lab);
    assert_eq!(
        others.map(|worker| lab.taken(worker)),
        [1, 1],
        "none starts beside another"
    );
    lab.pass(ms(99));
    assert_eq!(in_flight(&lab, &calls), 2);
    lab.pass(ms(1));
    assert_eq!(
        in_flight(&lab, &calls),
        3,
        "those that ran for a while are no suspects any more"
    );
}

#[test]
fn a_call_that_lost_a_worker_starts_as_soon_as_another_such_has_ended() {
    let mut lab = Lab::new();
    let (calls, _) = three_lose_their_worker(&mut lab);
    let (running, waiting): (Vec<CallKey>, Vec<CallKey>) =
        calls.into_iter().partition(|call| lab.flight(*call).is_some());
    assert_eq!((running.len(), waiting.len()), (2, 1));
    lab.succeeds(running[0]);
    assert_eq!(in_flight(&lab, &waiting), 1);
}

#[test]
fn fresh_calls_do_not_wait_for_those_that_lost_a_worker() {
    let mut lab = Lab::new();
    let (_, others) = three_lose_their_worker(&mut lab);
    lab.submit(batch(vec![safe_call(); 4]));
    assert_eq!(others.map(|worker| lab.taken(worker)), [3, 3]);
}

#[test]
fn a_call_that_ends_its_second_worker_takes_none_of_those_it_was_lost_with() {
    let mut lab = Lab::new();
    let (calls, _) = three_lose_their_worker(&mut lab);
    lab.worker(3);
    let poison = calls
        .into_iter()
        .find(|call| lab.flight(*call).is_some())
        .expect("two run");
    let second = lab.place(poison);
    let fresh = lab.submit(batch(vec![safe_call(); 2]));
    lab.breaks(second);
    lab.pass(s(2));
    assert_eq!(lab.outcome(poison), Some(Outcome::Failed));
    let innocents = calls
        .into_iter()
        .filter(|call| *call != poison)
        .chain([nth(fresh, 0), nth(fresh, 1)]);
    for innocent in innocents {
        lab.pass(s(1));
        lab.succeeds(innocent);
        assert_eq!(lab.outcome(innocent), Some(Outcome::Succeeded));
    }
}
