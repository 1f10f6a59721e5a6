//! A worker that divides its slots among several coordinators gives this one more or fewer.

use toolwave_scheduler::Event;

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
    assert_eq!((lab.place(nth(execution, 0)), lab.place(nth(execution, 1))), (worker, worker));
}
