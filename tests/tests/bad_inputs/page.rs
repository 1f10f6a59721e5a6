//! `docs/bad-inputs.md`, generated from the catalogues.

/// One row of a table of the page.
pub(crate) struct Line {
    id: String,
    input: String,
    answer: String,
}

impl Line {
    pub(crate) fn new(id: &str, input: &str, answer: String, why: Option<&str>) -> Self {
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        Self {
            id: id.to_owned(),
            input: input.to_owned(),
            answer: answer + &why,
        }
    }
}
