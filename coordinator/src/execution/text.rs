//! Texts that go out to people: bounded, and safe to print whatever the client sent.

/// The most that a message may hold, in bytes.
pub const MESSAGE_BYTES: usize = 512;
/// The most of somebody's input that a message may quote, in bytes.
pub const QUOTE_BYTES: usize = 64;

/// `text` in quotes, at most [`QUOTE_BYTES`] of it, what cannot be printed escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().min(QUOTE_BYTES) + 8);
    quoted.push('"');
    for (at, char) in text.char_indices() {
        let escaped = char.escape_debug();
        if at + char.len_utf8() > QUOTE_BYTES || quoted.len() + escaped.len() > QUOTE_BYTES + 1 {
            quoted.push('…');
            break;
        }
        quoted.extend(escaped);
    }
    quoted.push('"');
    quoted
}

/// `message`, cut to [`MESSAGE_BYTES`] at the edge of a character.
#[must_use]
pub fn clipped(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(cut(&message, MESSAGE_BYTES - '…'.len_utf8()).len());
        message.push('…');
    }
    message
}

/// The beginning of `text`: at most `bytes` of it, cut at the edge of a character.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short_and_printable() {
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(quoted("a\nb\u{0}c\u{202e}d"), "\"a\\nb\\0c\\u{202e}d\"");
        assert!(quoted(&"ä\n".repeat(1000)).len() <= QUOTE_BYTES + 8);
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let cut = clipped("ä".repeat(1000));
        assert!(cut.len() <= MESSAGE_BYTES && cut.ends_with("ä…"));
        assert_eq!(clipped("short".into()), "short");
    }
}
