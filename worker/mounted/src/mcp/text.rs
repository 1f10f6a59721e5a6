//! Text of a server where people read it: control characters made visible, and length bounded.

/// At most `limit` bytes of the text on one line, with control and invisible characters as escapes.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for char in text.trim().chars() {
        if shown.len() >= limit {
            shown.push('…');
            break;
        }
        if char.is_control() || is_invisible(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// The first character of the text that is not seen, or changes how others are seen.
pub(super) fn hidden(text: &str) -> Option<char> {
    text.chars()
        .find(|char| (char.is_control() && !matches!(char, '\n' | '\t' | '\r')) || is_invisible(*char))
}

/// Zero width, direction, tag and filler characters: a model reads them, a person does not.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_found_and_written_as_an_escape() {
        assert_eq!(hidden("plain text,\n\tand é 漢 🦀 ❤\u{fe0f}"), None);
        for char in [
            '\u{200b}',
            '\u{202e}',
            '\u{e0041}',
            '\u{1b}',
            '\u{0}',
            '\u{feff}',
            '\u{2066}',
        ] {
            assert_eq!(hidden(&format!("a{char}b")), Some(char));
        }
        assert_eq!(shown("\u{1b}[31mred\r\n", 100), "\\u{1b}[31mred");
        assert_eq!(shown("aaaa\u{200b}a", 4), "aaaa…");
    }
}
