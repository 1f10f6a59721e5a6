//! What workers say at the wrong time.

use toolwave_scheduler::{Action, Event};

use crate::common::{
    lab::{Lab, batch, nth, safe_call},
    s,
};

#[test]
fn the_start_of_an_attempt_that_was_given_up_is_no_news_of_the_next() {
    let mut lab = Lab::new();
    let slow = lab.worker(1);
    let execution = lab.submit(batch(vec![safe_call()]));
    let given_up = lab.attempt(nth(execution, 0));
    let other = lab.worker(1);
    lab.pass(s(31));
    assert_eq!(lab.place(nth(execution, 0)), other, "the first attempt timed out");
    let session = lab.session(slow);
    let actions = lab.event(Event::AttemptStarted {
        session,
        attempt: given_up,
    });
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Started { .. })),
        "{actions:?}"
    );
}
