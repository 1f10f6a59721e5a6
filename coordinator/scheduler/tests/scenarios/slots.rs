//! A worker that divides its slots among several coordinators gives this one more or fewer, or leaves it.

use toolwave_scheduler::{Event, Outcome, SessionEnd};

use crate::common::lab::{Lab, batch, call, nth};

#[test]
fn a_worker_with_fewer_slots_than_before_starts_nothing_until_enough_has_ended() {
    let mut lab = Lab::new();
    let worker = lab.worker(3);
    let execution = lab.submit(batch(vec![call(), call(), call(), call()]));
    let session = lab.session(worker);
    lab.event(Event::WorkerSlots { session, slots: 2 });
    assert!(lab.flight(nth(execution, 2)).is_some(), "what runs goes on");
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.flight(nth(execution, 3)), None, "two run on two slots");
    lab.succeeds(nth(execution, 1));
    assert_eq!(lab.place(nth(execution, 3)), worker);
}

#[test]
fn a_worker_with_more_slots_than_before_starts_more_at_once() {
    let mut lab = Lab::new();
    let worker = lab.worker(0);
    let execution = lab.submit(batch(vec![call(), call()]));
    let session = lab.session(worker);
    lab.event(Event::WorkerSlots { session, slots: 2 });
    assert_eq!(
        (lab.place(nth(execution, 0)), lab.place(nth(execution, 1))),
        (worker, worker)
    );
}

/// A worker of several coordinators is often idle at this one when it is told to end.
#[test]
fn a_dispatch_that_crosses_the_goodbye_of_its_worker_goes_to_another_and_counts_as_no_attempt() {
    let mut lab = Lab::new();
    let leaving = lab.worker(1);
    let execution = lab.submit(batch(vec![call()]));
    assert_eq!(lab.place(nth(execution, 0)), leaving);
    let other = lab.worker(1);
    let session = lab.session(leaving);
    lab.event(Event::WorkerLost {
        session,
        end: SessionEnd::Goodbye,
    });
    assert_eq!(lab.place(nth(execution, 0)), other);
    lab.succeeds(nth(execution, 0));
    assert_eq!(lab.outcome(nth(execution, 0)), Some(Outcome::Succeeded));
}
