//! `docs/bad-inputs.md`, generated from the catalogues, so that it says what is tested and nothing else.

use std::{collections::BTreeSet, fmt::Write as _};

use toolwave_tests::{check_page, table_cell};

use crate::{configuration, tools_files, transport, workers};

const INTRODUCTION: &str = "\
# Bad inputs

<!-- Generated from tests/data/bad_*.json by
     `UPDATE_GENERATED=1 cargo test -p toolwave-tests --test bad_inputs`. Do not edit. -->

What is answered to whom does not keep to the rules. Each row is tried by a test: over a real connection, or with
the real programs. After each the coordinator serves others as before, and holds nothing of it.

";

/// One row of a table of the page.
pub(crate) struct Line {
    id: String,
    input: String,
    answer: String,
}

struct Section {
    title: &'static str,
    about: &'static str,
    lines: Vec<Line>,
}

// === impl Line ===

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

fn sections() -> [Section; 4] {
    [
        Section {
            title: "Transport",
            about: "What no gRPC client sends, and what its network makes of it.",
            lines: transport::rows()
                .iter()
                .filter_map(transport::Row::line)
                .collect(),
        },
        Section {
            title: "Messages of workers",
            about: "A worker is half trusted: what it says of itself and of its calls is checked, and what it says of \
                    others changes nothing. A session that ends carries `google.rpc.ErrorInfo` with the reason.",
            lines: workers::rows().iter().filter_map(workers::Row::line).collect(),
        },
        Section {
            title: "Configuration",
            about: "Every problem is told at once, one line each, in the order of the file: \
                    `file:line:column: key: what is wrong; expected what would be right`. \
                    Of TOML that cannot be read, the first place alone: the rest are mostly its consequences.",
            lines: configuration::rows()
                .iter()
                .filter_map(configuration::Row::line)
                .collect(),
        },
        Section {
            title: "Tools files",
            about: "As configuration: every problem at once. What begins with `warning: ` changes nothing, and is an \
                    error with `strict`. When a file is read again, it is the same, and the tools stay as they were.",
            lines: tools_files::rows()
                .iter()
                .filter_map(tools_files::Row::line)
                .collect(),
        },
    ]
}

/// Requests have a page of their own, with the reasons.
fn requests() -> usize {
    let rows: Vec<serde_json::Value> = serde_json::from_str(include_str!("../../data/bad_requests.json"))
        .expect("the catalogue is good JSON");
    rows.iter()
        .filter(|row| row.get("not_applicable").is_none())
        .count()
}

fn page() -> String {
    let sections = sections();
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| what | inputs tried |\n| --- | ---: |\n");
    let requests = requests();
    let _ = writeln!(page, "| [requests](errors.md) | {requests} |");
    let mut all = requests;
    for section in &sections {
        let _ = writeln!(
            page,
            "| {} | {} |",
            section.title.to_lowercase(),
            section.lines.len()
        );
        all += section.lines.len();
    }
    let _ = writeln!(page, "| all | {all} |");
    for section in &sections {
        let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.about);
        page.push_str("| row | input | answer |\n| --- | --- | --- |\n");
        for line in &section.lines {
            let (input, answer) = (table_cell(&line.input), table_cell(&line.answer));
            let _ = writeln!(page, "| {} | {input} | {answer} |", line.id);
        }
    }
    page
}

#[test]
fn the_page_of_bad_inputs_is_up_to_date() {
    check_page("docs/bad-inputs.md", &page());
}

#[test]
fn every_row_has_an_id_of_its_own() {
    let mut ids = BTreeSet::new();
    for line in sections().into_iter().flat_map(|section| section.lines) {
        assert!(ids.insert(line.id.clone()), "{} is there twice", line.id);
        assert!(!line.answer.is_empty(), "{} has no answer", line.id);
    }
}
