//! Keeps the index of faults true: every test that `data/faults.json` names is in the tree, every test of a fault
//! is in the index, and `docs/faults.md` is what the index says.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Folders of crates that have tests, below the root.
const CRATES: [&str; 9] = [
    "tests",
    "coordinator",
    "coordinator/scheduler",
    "worker",
    "client",
    "cli",
    "config",
    "proto",
    "bench",
];
/// Binaries every test of which that says which fault it is for must be in the index.
const FAULT_BINARIES: [&str; 3] = ["faults", "network", "simulation"];

/// One row of the index.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    /// What goes wrong.
    fault: String,
    /// As `binary::module::name`.
    tests: Vec<String>,
    /// What of the row is not tested, and why.
    open: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/data/faults.json")).expect("the index is there");
    serde_json::from_str(&text).expect("the index is a list of rows")
}

/// The files that may hold the test `binary::module::name`: those of the binary, by the path of its modules.
fn sources(binary: &str, modules: &[&str]) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for folder in CRATES {
        let tests = root().join(folder).join("tests");
        if modules.is_empty() {
            sources.push(tests.join(format!("{binary}.rs")));
            sources.push(tests.join(binary).join("main.rs"));
        } else {
            let module = tests.join(binary).join(modules.join("/"));
            sources.push(module.with_extension("rs"));
            sources.push(module.join("mod.rs"));
        }
    }
    sources.retain(|path| path.is_file());
    sources
}

/// The documentation of the test `name` in this source; `None`: there is no such test.
fn documentation(source: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let signature = format!("fn {name}(");
    let at = lines.iter().position(|line| line.contains(&signature))?;
    let above: Vec<&str> = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .copied()
        .collect();
    let is_test = above
        .iter()
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    is_test.then(|| {
        above
            .iter()
            .rev()
            .filter(|line| line.starts_with("///"))
            .copied()
            .collect()
    })
}

/// Every test of a binary whose documentation begins with an id of the matrix, as it stands in the index.
fn tests_of_faults(binary: &str) -> BTreeSet<(String, String)> {
    let folder = root().join("tests/tests").join(binary);
    let mut found = BTreeSet::new();
    for path in files(&folder) {
        let relative = path.strip_prefix(&folder).expect("is inside").with_extension("");
        let mut modules: Vec<String> = relative
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        modules.retain(|module| module != "mod" && module != "main");
        modules.insert(0, binary.to_owned());
        let source = fs::read_to_string(&path).expect("can be read");
        for line in source.lines().map(str::trim) {
            let Some((_, rest)) = line.split_once("fn ") else {
                continue;
            };
            let name = rest.split('(').next().unwrap_or_default();
            for id in documentation(&source, name).iter().flat_map(|text| ids(text)) {
                found.insert((id, format!("{}::{name}", modules.join("::"))));
            }
        }
    }
    found
}

/// The ids of the matrix that a documentation begins with, among those of other lists: `/// E9, F01, F30: what`.
fn ids(documentation: &str) -> Vec<String> {
    let Some((before, _)) = documentation.trim_start_matches('/').split_once(':') else {
        return Vec::new();
    };
    let ids: Vec<&str> = before.split(',').map(str::trim).collect();
    let is_id = |id: &&str| {
        let (letter, number) = id.split_at_checked(1).unwrap_or_default();
        letter.bytes().all(|byte| byte.is_ascii_uppercase()) && number.parse::<u8>().is_ok()
    };
    if !ids.iter().all(is_id) {
        return Vec::new();
    }
    let of_the_matrix = ids.into_iter().filter(|id| id.starts_with('F') && id.len() == 3);
    of_the_matrix.map(str::to_owned).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn page(rows: &[Row]) -> String {
    let mut page = String::from(
        "# Faults\n\n<!-- Generated from tests/data/faults.json by\n     `UPDATE_GENERATED=1 cargo test -p \
         toolwave-tests --test faults index`. Do not edit. -->\n\nWhat goes wrong, and the tests that show what \
         happens then. A test is named `binary::module::name`; run one with\n`cargo test --workspace --test \
         BINARY NAME`. What the cluster promises meanwhile is in [semantics.md](semantics.md).\n\n\
         | row | fault | tests |\n| --- | --- | --- |\n",
    );
    for row in rows {
        let mut cell: Vec<String> = row.tests.iter().map(|test| format!("`{test}`")).collect();
        cell.extend(row.open.iter().map(|open| format!("*open: {open}*")));
        let _ = writeln!(page, "| {} | {} | {} |", row.id, row.fault, cell.join("<br>"));
    }
    page
}

#[test]
fn every_row_names_tests_that_are_in_the_tree_or_says_what_is_open() {
    let rows = rows();
    let mut wrong = Vec::new();
    for (number, row) in (1..).zip(&rows) {
        if row.id != format!("F{number:02}") {
            wrong.push(format!("{} stands where F{number:02} belongs", row.id));
        }
        if row.tests.is_empty() && row.open.is_none() {
            wrong.push(format!("{} has no test and does not say what is open", row.id));
        }
        for test in &row.tests {
            let parts: Vec<&str> = test.split("::").collect();
            let [binary, modules @ .., name] = parts.as_slice() else {
                wrong.push(format!("{}: {test} is not binary::module::name", row.id));
                continue;
            };
            let sources = sources(binary, modules);
            let found = |path: &PathBuf| documentation(&fs::read_to_string(path).unwrap_or_default(), name);
            if !sources.iter().any(|path| found(path).is_some()) {
                wrong.push(format!("{}: there is no test {test}", row.id));
            }
        }
    }
    assert_eq!(rows.len(), 40, "the matrix has 40 rows");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_of_a_fault_is_in_the_index() {
    let listed: BTreeSet<(String, String)> = rows()
        .into_iter()
        .flat_map(|row| row.tests.into_iter().map(move |test| (row.id.clone(), test)))
        .collect();
    let missing: Vec<_> = FAULT_BINARIES
        .iter()
        .flat_map(|binary| tests_of_faults(binary))
        .filter(|test| !listed.contains(test))
        .collect();
    assert!(missing.is_empty(), "not in tests/data/faults.json: {missing:#?}");
}

#[test]
fn a_test_that_is_gone_or_renamed_is_noticed() {
    let source = "/// F01: is killed.\n#[tokio::test]\nasync fn it_dies() {}\nfn helper() {}\n";
    let documentation_of = |name| documentation(source, name);
    assert_eq!(
        documentation_of("it_dies").map(|text| ids(&text)),
        Some(vec!["F01".to_owned()])
    );
    assert_eq!(documentation_of("it_died"), None);
    assert_eq!(documentation_of("helper"), None);
    assert_eq!(ids("/// F01, F30: both."), ["F01", "F30"]);
    assert_eq!(ids("/// E9, F36: both."), ["F36"]);
    assert!(ids("/// Shows: nothing.").is_empty() && ids("/// E9: a rule.").is_empty());
}

#[test]
fn the_page_of_faults_is_up_to_date() {
    let path = root().join("docs/faults.md");
    let page = page(&rows());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/faults.md is stale: run with UPDATE_GENERATED=1"
    );
}
