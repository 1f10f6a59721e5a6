//! The scheduler: accepting an execution, and dispatching and finishing a call, with few and with many queued.

use super::{Subject, counted};
use crate::treadmill::{Load, Treadmill};

const CALLS: u64 = 1024;

pub(super) const ACCEPTED: Subject = Subject {
    name: "a call of an execution of 1,000 accepted",
    times: 1000,
    run: || {
        let mut treadmill = Treadmill::new(load(100_000, 1000, 1));
        treadmill.prepare(1000);
        counted(|| treadmill.submit());
    },
};

pub(super) const AT_10: Subject = Subject {
    name: "a call dispatched and finished, 10 queued",
    times: CALLS,
    run: || calls_finish(load(10, 10, 1)),
};

pub(super) const AT_100_000: Subject = Subject {
    name: "a call dispatched and finished, 100,000 queued",
    times: CALLS,
    run: || calls_finish(load(100_000, 1000, 1)),
};

pub(super) const FRAMES_AT_100_000: Subject = Subject {
    name: "a call dispatched and finished, 100,000 queued, 64 a frame",
    times: CALLS,
    run: || calls_finish(load(100_000, 1000, 64)),
};

fn load(queued: usize, execution: usize, frame: usize) -> Load {
    Load {
        queued,
        execution,
        workers: 4,
        slots: 64,
        frame,
    }
}

/// Only the frames are counted; executions that keep the queue as long as it was come in between.
fn calls_finish(load: Load) {
    let mut treadmill = Treadmill::new(load);
    let before = treadmill.ended();
    while treadmill.ended() - before < CALLS {
        counted(|| treadmill.frame());
        while treadmill.wants_more() {
            treadmill.submit();
        }
    }
    assert_eq!(
        treadmill.ended() - before,
        CALLS,
        "frames hold a whole part of the calls"
    );
}
