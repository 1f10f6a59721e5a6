//! Pages of the documentation that tests generate and keep true.

use std::path::Path;

/// Fails when the page at `path`, from the top of the repository, is not `page`; with `UPDATE_GENERATED` set in
/// the environment it is written first.
///
/// # Panics
/// The page is stale, or cannot be written.
pub fn check_page(path: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&file, page).expect("the page can be written");
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(there == page, "{path} is stale: run with UPDATE_GENERATED=1");
}

/// The canonical word of a code, such as `NOT_FOUND`.
#[must_use]
pub fn code_word(code: tonic::Code) -> String {
    let mut word = String::new();
    for (at, char) in format!("{code:?}").char_indices() {
        if at > 0 && char.is_ascii_uppercase() {
            word.push('_');
        }
        word.push(char.to_ascii_uppercase());
    }
    word
}

/// A text in a table of Markdown.
#[must_use]
pub fn table_cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}
