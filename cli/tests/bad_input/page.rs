//! `docs/command-line-errors.md`, made from the cases.

use std::{fmt::Write as _, fs};

use crate::{Data, case::Case, support::repository};

const PAGE: &str = "docs/command-line-errors.md";

pub(crate) fn check(data: &Data) {
    let path = repository().join(PAGE);
    let page = page(data);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).is_ok_and(|text| text == page),
        "{PAGE} is stale; UPDATE_GENERATED=1 cargo test -p toolwave --test bad_input writes it anew"
    );
}

fn page(data: &Data) -> String {
    let mut page = String::from(
        "# What `toolwave` says when something is wrong\n\n\
         <!-- Generated from cli/tests/data/bad_input.json by\n     \
         `UPDATE_GENERATED=1 cargo test -p toolwave --test bad_input`. Do not edit. -->\n\n\
         The answer is on standard output, and only the answer; with `--output json` it is one JSON document. Notes,\n\
         warnings, logs and errors are on standard error. Nothing panics, and nothing shows a backtrace, a token or a\n\
         password.\n\n## Exit codes\n\n| code | meaning |\n| ---: | --- |\n",
    );
    for code in &data.codes {
        let _ = writeln!(page, "| {} | {} |", code.code, code.meaning);
    }
    page.push_str("\n## What was tried\n\n| what is wrong | code | what is said, among others |\n| --- | ---: | --- |\n");
    for case in &data.cases {
        let _ = writeln!(page, "| {} | {} | {} |", cell(&case.name), case.code, said(case));
    }
    page
}

fn said(case: &Case) -> String {
    match case.stderr.first() {
        Some(text) => format!("`{}`", cell(text).replace('`', "'")),
        None => "nothing".to_owned(),
    }
}

fn cell(text: &str) -> String {
    let text = text
        .replace("http://{nobody}", "http://HOST:PORT")
        .replace("https://{nobody}", "https://HOST:PORT")
        .replace("http://{server}", "http://HOST:PORT");
    text.escape_debug()
        .to_string()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
        .replace('|', "\\|")
}
