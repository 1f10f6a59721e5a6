//! Wrong command lines, plans, addresses, credentials and outputs: `data/bad_input.json` against the real binary, and
//! the page that is made from it.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]
#![cfg(unix)]

mod case;
mod page;
mod servers;
#[path = "../support/mod.rs"]
mod support;
#[path = "../../../client/link/tests/support/mod.rs"]
mod tls;

use std::collections::BTreeSet;

use case::Case;
use serde::Deserialize;
use servers::Servers;

/// How many commands run beside each other.
const BESIDE: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    codes: Vec<Code>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: i32,
    meaning: String,
}

fn data() -> Data {
    serde_json::from_str(include_str!("../data/bad_input.json")).expect("the cases are JSON")
}

#[test]
fn wrong_input_is_named_and_has_its_exit_code() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let servers = runtime.block_on(Servers::start());
    let cases = data().cases;
    let parts = cases.chunks(cases.len().div_ceil(BESIDE));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = parts
            .map(|part| {
                let servers = &servers;
                scope.spawn(move || {
                    part.iter()
                        .filter_map(|case| case.run(servers))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        running
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    });
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_exit_code_has_a_meaning_and_every_numbered_case_a_row() {
    let data = data();
    let codes: BTreeSet<i32> = data.codes.iter().map(|code| code.code).collect();
    for case in &data.cases {
        assert!(codes.contains(&case.code), "{}: {}", case.name, case.code);
    }
    let names: BTreeSet<&str> = data.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), data.cases.len(), "each case has its own name");
    let ids: BTreeSet<&str> = data.cases.iter().map(|case| case.id.as_str()).collect();
    for number in 1..=17 {
        let id = format!("L{number:02}");
        // An interrupt needs a run under way: `run.rs` and `stubborn.rs`.
        assert!(ids.contains(id.as_str()) || id == "L13", "{id}");
    }
}

#[test]
fn the_page_says_what_the_cases_say() {
    page::check(&data());
}
