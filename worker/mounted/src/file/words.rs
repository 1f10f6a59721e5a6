//! Text that a model reads: what must not stand in it, since nobody who looks at it would see it there.

use serde_json::Value;

/// A longer description is no description.
const MAX_DESCRIPTION_BYTES: usize = 4 << 10;

/// What is wrong with a description, and what would be right.
pub(super) fn check_description(text: &str) -> Result<(), (String, &'static str)> {
    if text.trim().is_empty() {
        return Err((
            "is empty".to_owned(),
            "words that say what the tool does, for people and models",
        ));
    }
    if text.len() > MAX_DESCRIPTION_BYTES {
        let what = format!("has {} bytes", text.len());
        return Err((what, "at most 4 KiB"));
    }
    check_text(text)
}

/// The same of any text, whatever its length.
fn check_text(text: &str) -> Result<(), (String, &'static str)> {
    match text.chars().enumerate().find(|(_, char)| is_hidden(*char)) {
        Some((at, char)) => Err((
            format!(
                "has U+{:04X}, which nobody sees, at character {}",
                u32::from(char),
                at + 1
            ),
            "text without control, zero-width, direction or tag characters",
        )),
        None => Ok(()),
    }
}

/// The first text of a schema, keys among them, that hides something: its place below the schema, and what is wrong.
pub(super) fn hidden_in_schema(schema: &Value) -> Option<(String, String, &'static str)> {
    let told = |text: &str| check_text(text).err();
    match schema {
        Value::String(text) => told(text).map(|(what, expected)| (String::new(), what, expected)),
        Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| {
            let (path, what, expected) = hidden_in_schema(item)?;
            Some((format!("[{at}]{path}"), what, expected))
        }),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            if let Some((what, expected)) = told(key) {
                return Some((String::new(), what, expected));
            }
            let (path, what, expected) = hidden_in_schema(value)?;
            Some((format!(".{key}{path}"), what, expected))
        }),
        _ => None,
    }
}

/// Controls but for line breaks and tabs; what has no width, turns the direction of what follows, or is a tag.
fn is_hidden(char: char) -> bool {
    match char {
        '\n' | '\t' | '\r' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' => true,
        '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        char => char.is_control(),
    }
}
