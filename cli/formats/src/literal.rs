//! Parameters that a model wrote, for a request in which `${` begins a reference: every `${` becomes `$${`, which
//! stands for the literal. What a model writes can so never name the result of another call.

use std::borrow::Cow;

use crate::json;

/// The parameters of a call, `${` in their strings made literal; all else is left byte for byte. Keys are left too:
/// no reference is looked for in them.
///
/// `text` is a JSON text; one that is none is answered as it is.
#[must_use]
pub fn literal_parameters(text: &str) -> Cow<'_, str> {
    let suspicious = text.contains('$') || text.contains("\\u0024");
    if !suspicious || !json::is_json(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut copied = 0;
    for (start, end) in strings(text.as_bytes()) {
        // A string that is no Unicode text is none to the coordinator either.
        let Ok(string) = serde_json::from_str::<String>(&text[start..end]) else {
            continue;
        };
        if string.contains("${") {
            out.push_str(&text[copied..start]);
            let literal = string.replace("${", "$${");
            out.push_str(&serde_json::Value::String(literal).to_string());
            copied = end;
        }
    }
    match copied {
        0 => Cow::Borrowed(text),
        _ => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
    }
}

/// Where the strings of a JSON text are, quotes included, without keys.
fn strings(text: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].iter().position(|&byte| byte == b'"')?;
            at = string_end(text, start)?;
            let after = text[at..].iter().find(|byte| !byte.is_ascii_whitespace());
            if after != Some(&b':') {
                return Some((start, at));
            }
        }
    })
}

/// Behind the closing quote of the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
