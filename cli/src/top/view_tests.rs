//! The screen at several sizes, character by character: `UPDATE_GENERATED=1 cargo test -p toolwave` writes the files.

use std::{fs, path::Path};

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use super::*;
use crate::{
    top::{
        sample,
        state::{Action, Event},
    },
    trace,
};

const PLAIN: Look = Look {
    glyphs: Glyphs::UNICODE,
    colour: false,
};
const ASCII: Look = Look {
    glyphs: Glyphs::ASCII,
    colour: false,
};

fn drawn(top: &Top, look: Look, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal
        .draw(|frame| draw(frame, top, look, Duration::from_secs(75)))
        .expect("it is drawn");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let rows = buffer.content.chunks(usize::from(buffer.area.width).max(1));
    rows.map(|row| {
        let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", row.trim_end())
    })
    .collect()
}

#[track_caller]
fn same(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/top/screens/{name}.txt"));
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, shown).expect("the screen is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{name}: see the first line of this file");
}

fn opened() -> Top {
    let mut top = sample::top();
    let mut execution = trace::sample::eventful();
    if let Some(status) = &mut execution.status {
        status.execution_id = "41a03d15-0000-4000-8000-000000000001".to_owned();
    }
    top.update(Event::Key(crossterm::event::KeyCode::Enter.into()));
    top.update(Event::Seen(Box::new(crate::top::sight::Sight {
        opened: Some(execution),
        ..sample::sight()
    })));
    top
}

#[test]
fn the_lists_at_several_sizes() {
    let mut top = sample::top();
    same("wide", &text(&drawn(&top, PLAIN, 140, 24)));
    same("usual", &text(&drawn(&top, PLAIN, 80, 24)));
    same("ascii", &text(&drawn(&top, ASCII, 80, 24)));
    same("narrow", &text(&drawn(&top, PLAIN, 44, 16)));
    same("tiny", &text(&drawn(&top, PLAIN, 23, 2)));
    top.pane = Pane::Limits;
    same("limits", &text(&drawn(&top, PLAIN, 80, 24)));
}

#[test]
fn what_lies_over_the_lists_and_an_open_execution() {
    let mut top = sample::top();
    top.over = Some(Over::Help);
    same("help", &text(&drawn(&top, PLAIN, 80, 24)));
    top.over = Some(Over::Sure(Action::Cancel("41a03d15".to_owned())));
    same("sure", &text(&drawn(&top, ASCII, 60, 12)));
    same("opened", &text(&drawn(&opened(), PLAIN, 100, 20)));
}

#[test]
fn what_is_stale_empty_or_paused_says_so() {
    let mut top = sample::top();
    top.update(Event::Lost("no coordinator at http://127.0.0.1:7420".to_owned()));
    let stale = text(&drawn(&top, PLAIN, 110, 24));
    assert!(
        stale.contains("STALE for 1 min 15 s: no coordinator at"),
        "{stale}"
    );
    assert!(stale.contains("41a03d15"), "the last picture stays\n{stale}");
    let mut empty = Top::new("http://127.0.0.1:7420");
    empty.update(Event::Seen(Box::default()));
    empty.paused = true;
    same("empty", &text(&drawn(&empty, PLAIN, 80, 24)));
}

#[test]
fn every_size_is_drawn_without_a_panic() {
    let tops = [sample::top(), opened(), {
        let mut top = sample::top();
        top.over = Some(Over::Help);
        top
    }];
    for top in &tops {
        for width in [0, 1, 2, 10, 23, 24, 25, 40, 76, 132, 400] {
            for height in [0, 1, 2, 5, 6, 7, 14, 18, 60] {
                drawn(top, PLAIN, width, height);
            }
        }
    }
}

#[test]
fn ascii_and_colourless_screens_are_what_they_promise() {
    for top in [sample::top(), opened()] {
        let buffer = drawn(&top, ASCII, 140, 24);
        assert!(text(&buffer).is_ascii());
        assert!(
            buffer
                .content
                .iter()
                .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
    }
    let coloured = Look {
        colour: true,
        ..PLAIN
    };
    let buffer = drawn(&sample::top(), coloured, 140, 24);
    assert!(buffer.content.iter().any(|cell| cell.fg == Color::Red));
}

#[test]
fn a_scrolled_execution_keeps_its_last_line_on_the_screen() {
    let mut top = opened();
    for _ in 0..3 {
        top.update(Event::Key(crossterm::event::KeyCode::End.into()));
    }
    let shown = text(&drawn(&top, PLAIN, 100, 10));
    assert!(shown.contains("any number of slots"), "{shown}");
    top.update(Event::Key(crossterm::event::KeyCode::Home.into()));
    let shown = text(&drawn(&top, PLAIN, 100, 10));
    assert!(shown.contains("execution 41a03d15"), "{shown}");
}

#[test]
fn the_page_shows_the_screen_as_it_is() {
    let page = include_str!("../../../docs/command-line.md");
    let screen = text(&drawn(&sample::top(), PLAIN, 140, 24));
    assert!(
        page.contains(&screen),
        "docs/command-line.md shows another screen than src/top/screens/wide.txt"
    );
}
