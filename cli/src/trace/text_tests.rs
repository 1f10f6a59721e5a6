//! The drawing at several widths, in Unicode and in ASCII.

use super::*;
use crate::trace::sample;

fn drawn(width: usize, glyphs: &Glyphs) -> String {
    let timeline = Timeline::of(&sample::eventful(), None);
    let lines = lines(&timeline, width, glyphs);
    lines.iter().map(|line| plain(line) + "\n").collect()
}

#[test]
fn bars_tell_waiting_running_repeating_and_the_critical_path() {
    assert_eq!(
        drawn(100, &Glyphs::UNICODE),
        r#"                                  0                   500 ms        1.00 s
wave 0
* c0                       search ████████████████                         SUCCEEDED anna     400 ms
  c1                       search ░░░░▒▒▒▒▒x░░░░██████                     FAILED    anna x2  500 ms
wave 1
* c2                       search                 ░░░░████████████████████ SUCCEEDED anna     600 ms
  <odd & "long"> \u{1b}[.. search                                          SKIPPED
░ waited  █ in flight  ▒x repeated  * critical path
"#
    );
}

#[test]
fn ascii_says_the_same() {
    let ascii = drawn(100, &Glyphs::ASCII);
    let replaced = drawn(100, &Glyphs::UNICODE)
        .replace('█', "#")
        .replace('░', ".")
        .replace('▒', "%");
    assert!(ascii.is_ascii());
    assert_eq!(ascii, replaced);
}

#[test]
fn every_width_is_kept_and_the_bar_is_the_last_to_go() {
    for width in [56, 64, 72, 80, 100, 200] {
        let drawn = drawn(width, &Glyphs::UNICODE);
        for line in drawn.lines() {
            assert!(line.width() <= width, "{width}: {line}");
        }
        assert!(drawn.contains("███"), "{width}:\n{drawn}");
    }
    // narrower than anything can be: no panic, and the words stay
    for width in 0..56 {
        assert!(drawn(width, &Glyphs::ASCII).contains("SUCCEEDED"));
    }
}

#[test]
fn wide_characters_are_counted_as_they_are_shown() {
    assert_eq!(fit("漢字漢字", 6), "漢字..");
    assert_eq!(fit("漢字", 5), "漢字 ");
    assert_eq!(clip("abcdef", 4), "abcd");
    assert_eq!(clip("abc", 3), "abc");
}

#[test]
fn what_is_left_out_is_said() {
    let timeline = Timeline::of(&sample::eventful(), Some(2));
    let lines = lines(&timeline, 100, &Glyphs::ASCII);
    let said: Vec<String> = lines.iter().map(plain).collect();
    assert!(
        said.iter()
            .any(|line| line == "2 calls not shown: those above are of the critical path, then the slowest"),
        "{said:#?}"
    );
}
