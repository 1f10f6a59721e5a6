//! What keys and answers do.

use super::*;
use crate::{
    top::{
        rows::{Row, rows},
        sample,
    },
    trace,
};

fn press(top: &mut Top, code: KeyCode) -> Option<Effect> {
    top.update(Event::Key(KeyEvent::from(code)))
}

fn char(top: &mut Top, key: char) -> Option<Effect> {
    press(top, KeyCode::Char(key))
}

fn keys(top: &Top, pane: Pane) -> Vec<String> {
    rows(top, pane).into_iter().map(|row: Row| row.key).collect()
}

const FIRST: &str = "41a03d15-0000-4000-8000-000000000001";
const SECOND: &str = "9c1b7e44-0000-4000-8000-000000000002";

#[test]
fn an_execution_is_cancelled_only_after_yes() {
    let mut top = sample::top();
    press(&mut top, KeyCode::Down);
    assert_eq!(char(&mut top, 'c'), None);
    let action = Action::Cancel(SECOND.to_owned());
    assert_eq!(top.over, Some(Over::Sure(action.clone())));
    for no in [
        KeyCode::Char('n'),
        KeyCode::Esc,
        KeyCode::Enter,
        KeyCode::Char('c'),
    ] {
        assert_eq!(press(&mut top, no), None);
        assert_eq!(
            (&top.over, top.notice.as_deref()),
            (&None, Some("nothing was changed"))
        );
        char(&mut top, 'c');
    }
    assert_eq!(char(&mut top, 'y'), Some(Effect::Act(action)));
    assert_eq!(
        top.update(Event::Acted("it is cancelled".to_owned())),
        Some(Effect::Look)
    );
    assert_eq!(top.notice.as_deref(), Some("it is cancelled"));
}

#[test]
fn a_worker_is_drained_and_a_draining_one_resumed() {
    let mut top = sample::top();
    char(&mut top, 'd');
    assert!(
        top.notice
            .as_deref()
            .is_some_and(|said| said.contains("only workers"))
    );
    char(&mut top, '2');
    for (worker, resume) in [("anna", false), ("bert", true)] {
        char(&mut top, 'd');
        assert_eq!(
            char(&mut top, 'y'),
            Some(Effect::Act(Action::Drain {
                worker: worker.to_owned(),
                resume
            }))
        );
        press(&mut top, KeyCode::Down);
    }
}

#[test]
fn what_has_ended_is_not_cancelled() {
    let mut top = sample::top();
    for status in &mut top.executions.executions {
        status.ended_at = crate::trace::sample::at(5);
    }
    assert_eq!(char(&mut top, 'c'), None);
    assert_eq!(
        (&top.over, top.notice.as_deref()),
        (&None, Some("that execution has ended"))
    );
}

#[test]
fn the_chosen_row_stays_chosen_wherever_it_goes() {
    let mut top = sample::top();
    press(&mut top, KeyCode::Down);
    let chosen = |top: &Top| {
        let rows = rows(top, Pane::Executions);
        rows[top.chosen(Pane::Executions, &rows)].key.clone()
    };
    assert_eq!(chosen(&top), SECOND);
    char(&mut top, 'r');
    assert_eq!(keys(&top, Pane::Executions), [SECOND, FIRST]);
    assert_eq!(chosen(&top), SECOND);
    let mut sight = sample::sight();
    if let Some(executions) = &mut sight.executions {
        executions.executions.insert(0, sample::running("new", 0, 3));
    }
    top.update(Event::Seen(Box::new(sight)));
    assert_eq!(chosen(&top), SECOND);
    // gone: the first one then
    let mut sight = sample::sight();
    sight.executions = Some(v1::ListExecutionsResponse {
        executions: vec![sample::running("new", 0, 3)],
        forgotten: 2,
    });
    top.update(Event::Seen(Box::new(sight)));
    assert_eq!(chosen(&top), "new");
}

#[test]
fn keys_beyond_the_ends_of_a_list_stay_at_its_ends_and_an_empty_one_has_none() {
    let mut top = sample::top();
    for code in [KeyCode::End, KeyCode::PageDown, KeyCode::Down] {
        press(&mut top, code);
    }
    assert_eq!(press(&mut top, KeyCode::Enter), Some(Effect::Look));
    assert_eq!(top.opened.as_ref().map(|opened| opened.id.as_str()), Some(SECOND));
    let mut empty = Top::new("http://x:1");
    for code in [
        KeyCode::End,
        KeyCode::Enter,
        KeyCode::Char('c'),
        KeyCode::Char('d'),
    ] {
        assert_eq!(press(&mut empty, code), None, "{code:?}");
    }
    assert!(empty.over.is_none() && empty.opened.is_none());
}

#[test]
fn each_list_has_its_own_order() {
    let mut top = sample::top();
    char(&mut top, '2');
    char(&mut top, 's');
    assert_eq!(keys(&top, Pane::Workers), ["anna", "bert", "carl"]);
    char(&mut top, 's');
    assert_eq!(top.sort(Pane::Workers), "state");
    assert_eq!(keys(&top, Pane::Workers), ["carl", "bert", "anna"]);
    assert_eq!(top.sort(Pane::Executions), "newest");
    press(&mut top, KeyCode::Tab);
    assert_eq!(keys(&top, Pane::Tools), ["search", "gone", "fetch"]);
    press(&mut top, KeyCode::BackTab);
    press(&mut top, KeyCode::Left);
    press(&mut top, KeyCode::Left);
    assert_eq!(top.pane, Pane::Limits);
}

#[test]
fn an_opened_execution_is_asked_for_until_it_has_ended() {
    let mut top = sample::top();
    assert_eq!(top.wanted(), Wanted::Lists { ended_too: false });
    press(&mut top, KeyCode::Enter);
    let opened = |known| Wanted::Opened {
        id: FIRST.to_owned(),
        known,
    };
    assert_eq!(top.wanted(), opened(false));
    let sight = |id: &str, calls, ended: bool| {
        let calls = (0..calls).map(|index| trace::sample::call(index, 0, 0, None));
        let mut execution = trace::sample::execution(calls.collect(), 10);
        if let Some(status) = &mut execution.status {
            status.execution_id = id.to_owned();
            status.ended_at = status.ended_at.filter(|_| ended);
        }
        let sight = Sight {
            opened: Some(execution),
            ..Sight::default()
        };
        Event::Seen(Box::new(sight))
    };
    top.update(sight(SECOND, 1, true));
    assert!(
        top.opened
            .as_ref()
            .is_some_and(|opened| opened.execution.is_none())
    );
    top.update(sight(FIRST, 1, false));
    assert_eq!(top.wanted(), opened(false));
    // of a large one not each answer is worth its size
    let asked: Vec<bool> = (0..5)
        .map(|_| {
            top.update(sight(FIRST, 5_000, false));
            top.wanted() == opened(false)
        })
        .collect();
    assert_eq!(asked.iter().filter(|asked| **asked).count(), 1);
    top.update(sight(FIRST, 1, true));
    assert_eq!(top.wanted(), opened(true));
    assert_eq!(press(&mut top, KeyCode::Esc), Some(Effect::Look));
    assert_eq!(top.wanted(), Wanted::Lists { ended_too: false });
    assert_eq!(char(&mut top, 'a'), Some(Effect::Look));
    assert_eq!(top.wanted(), Wanted::Lists { ended_too: true });
}

#[test]
fn what_was_seen_stays_when_the_coordinator_is_lost_until_it_is_back() {
    let mut top = sample::top();
    assert_eq!(top.update(Event::Lost("gone".to_owned())), None);
    assert_eq!(top.lost.as_deref(), Some("gone"));
    assert_eq!(keys(&top, Pane::Executions), [FIRST, SECOND]);
    top.update(Event::Seen(Box::new(sample::sight())));
    assert_eq!(top.lost, None);
}

#[test]
fn quitting_pausing_and_help() {
    let mut top = sample::top();
    assert_eq!(char(&mut top, 'p'), None);
    assert!(top.paused);
    assert_eq!(char(&mut top, ' '), Some(Effect::Look));
    char(&mut top, '?');
    assert_eq!(top.over, Some(Over::Help));
    // any key closes it, and does nothing else
    assert_eq!(char(&mut top, 'q'), None);
    assert_eq!(char(&mut top, 'q'), Some(Effect::Quit));
    char(&mut top, '?');
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(top.update(Event::Key(control_c)), Some(Effect::Quit));
}
