//! Text percent-encoded for the parts of a URL and for forms.

/// Appends a value: only letters, digits and `-._~` stay, so that it is one value wherever it stands.
pub(super) fn value(text: &str, out: &mut String) {
    encode(
        text,
        |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
        out,
    );
}

/// Appends text of the operator's own: what has a meaning in URLs keeps it, what cannot stand in one is encoded.
pub(super) fn fixed(text: &str, out: &mut String) {
    encode(
        text,
        |byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte),
        out,
    );
}

/// Appends a name or value of a form.
pub(super) fn form(text: &str, out: &mut String) {
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            out.push('+');
        }
        encode(
            word,
            |byte| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte),
            out,
        );
    }
}

fn encode(text: &str, stays: impl Fn(u8) -> bool, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}
