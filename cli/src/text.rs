//! Text for terminals: nothing that a tool or a plan says can move the cursor, recolour or hide what is shown.

use std::{fmt::Write as _, time::Duration};

/// One line: control characters, line ends and characters that reorder text are written out.
pub(crate) fn printable(text: &str) -> String {
    escaped(text, |_| false)
}

/// The same for text of several lines: line ends and tabs stay.
pub(crate) fn printable_lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if kept(c) || !(c.is_control() || is_invisible(c)) {
            shown.push(c);
        } else {
            match c {
                '\n' => shown.push_str("\\n"),
                '\r' => shown.push_str("\\r"),
                '\t' => shown.push_str("\\t"),
                c => {
                    let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
                }
            }
        }
    }
    shown
}

/// Format characters that reorder or hide text: bidirectional marks, zero widths, line separators, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// At most `width` characters, an ellipsis included.
pub(crate) fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(width.saturating_sub(3)).collect();
    clipped.push_str("...");
    clipped
}

/// Three digits are what people compare.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 0.001 => format!("{:.0} us", s * 1e6),
        s if s < 0.01 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{s:.0} s"),
    }
}

/// `1 call`, `2 calls`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_could_act_on_it() {
        assert_eq!(
            printable("\u{1b}[31mred\u{7}\r\n\u{9b}x\u{202e}y"),
            "\\u{1b}[31mred\\u{7}\\r\\n\\u{9b}x\\u{202e}y"
        );
        assert_eq!(printable("käse 漢字 😀"), "käse 漢字 😀");
        assert_eq!(printable_lines("a\n\tb\u{1b}"), "a\n\tb\\u{1b}");
    }

    #[test]
    fn clipping_counts_characters() {
        assert_eq!(clipped("äöüäöü", 5), "äö...");
        assert_eq!(clipped("äöüäö", 5), "äöüäö");
    }

    #[test]
    fn durations_have_a_unit_that_fits() {
        let shown = |micros| duration(Duration::from_micros(micros));
        assert_eq!(shown(12), "12 us");
        assert_eq!(shown(1_234), "1.2 ms");
        assert_eq!(shown(123_400), "123 ms");
        assert_eq!(shown(1_234_000), "1.23 s");
        assert_eq!(shown(123_400_000), "123 s");
    }
}
