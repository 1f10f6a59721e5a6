//! What a person is told of a wrong configuration file.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use toolwave_config::{File, load};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    max_concurrency: u32,
    #[serde(with = "toolwave_config::duration")]
    drain_timeout: Duration,
    #[serde(with = "toolwave_config::size")]
    max_result: u64,
    format: Format,
    labels: BTreeMap<String, String>,
    tools: Tools,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tools {
    root: Option<String>,
    hosts: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Text,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrency: 5,
            drain_timeout: Duration::from_secs(30),
            max_result: 1024,
            format: Format::Text,
            labels: BTreeMap::new(),
            tools: Tools::default(),
        }
    }
}

fn problems(text: &str) -> Vec<String> {
    let problems = File::from_text("a.toml", text.to_owned()).and_then(|file| file.parse::<Settings>());
    problems
        .expect_err("the text is wrong")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_good_file_overrides_defaults() {
    let text = "max_concurrency = 9\ndrain_timeout = \"1m 30s\"\nmax_result = \"4 MiB\"\nformat = \"json\"\n\
                labels.zone = \"a\"\n[tools]\nroot = \"/srv\"\nhosts = [\"x\"]\n";
    let settings: Settings = File::from_text("a.toml", text.to_owned())
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        settings,
        Settings {
            max_concurrency: 9,
            drain_timeout: Duration::from_secs(90),
            max_result: 4 << 20,
            format: Format::Json,
            labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
            tools: Tools {
                root: Some("/srv".to_owned()),
                hosts: vec!["x".to_owned()]
            },
        }
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    assert_eq!(
        problems("\nmax_concurency = 9\n"),
        [
            "a.toml:2:1: max_concurency: unknown key, did you mean `max_concurrency`?; expected one of \
             `max_concurrency`, `drain_timeout`, `max_result`, `format`, `labels`, `tools`"
        ]
    );
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    let text = "drain_timeout = 30\nformat = \"jsn\"\nmax_concurrency = \"nine\"\nmax_result = -1\n\
                [tools]\nroot = 7\nhosts = [\"a\", 2]\nzzz = 1\n";
    assert_eq!(
        problems(text),
        [
            "a.toml:1:17: drain_timeout: is integer `30`; expected a duration with a unit, such as \"10s\" or \
             \"500ms\"",
            "a.toml:2:10: format: unknown value `jsn`, did you mean `json`?; expected one of `text`, `json`",
            "a.toml:3:19: max_concurrency: is string \"nine\"; expected a whole number from 0 to 4294967295",
            "a.toml:4:14: max_result: is integer `-1`; expected a size in bytes, such as 65536 or \"4 MiB\"",
            "a.toml:6:8: tools.root: is integer `7`; expected a string",
            "a.toml:7:15: tools.hosts[1]: is integer `2`; expected a string",
            "a.toml:8:1: tools.zzz: unknown key; expected one of `root`, `hosts`",
        ]
    );
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Required {
    table: BTreeMap<String, Inner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[serde(rename = "size")]
    _size: u32,
    #[serde(rename = "name")]
    _name: String,
}

#[test]
fn what_is_wrong_is_not_missing_too_and_the_rest_is_left_for_others() {
    let text =
        "[table.a]\nsize = \"x\"\nname = \"a\"\n[table.b]\nsize = 1\n[table.c]\nsize = 1\nname = \"c\"\n";
    let file = File::from_text("a.toml", text.to_owned()).unwrap();
    let (rest, problems) = file.parse_rest::<Required>();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a.toml:2:8: table.a.size: is string \"x\"; expected a whole number from 0 to 4294967295",
            "a.toml:4:1: table.b: key `name` is missing; expected `name = ...`",
        ]
    );
    assert_eq!(rest.unwrap().table.into_keys().collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_list_is_no_table() {
    assert_eq!(
        problems("tools = [\"/srv\", []]\nlabels = 1\n"),
        [
            "a.toml:1:9: tools: is a list; expected a table",
            "a.toml:2:10: labels: is integer `1`; expected a table",
        ]
    );
}

#[test]
fn a_problem_takes_one_line_and_acts_on_no_terminal() {
    let problems = problems("\"a\\nb\\u001b[31m\" = 1\nformat = \"\\u001b[31m\"\n");
    assert!(
        problems[0].starts_with("a.toml:1:1: a\\nb\\u{1b}[31m: unknown key"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("a.toml:2:10: format: unknown value `\\u{1b}[31m`"),
        "{problems:?}"
    );
}

#[test]
fn of_syntax_errors_the_first_is_told_with_what_stands_there() {
    assert_eq!(
        problems("drain_timeout = 10 s\nformat = \n[tools]\nroot = \"a\"\nroot = \"b\"\n"),
        ["a.toml:1:17: string values must be quoted at `10 s`; expected literal string"]
    );
    assert_eq!(
        problems("[tools]\nroot = \"a\"\nroot = \"b\"\n"),
        ["a.toml:3:1: duplicate key at `root`"]
    );
}

#[test]
fn a_bracket_that_is_left_open_is_one_problem_however_long_the_rest() {
    let rest: String = (0..60)
        .map(|number| format!("[labels.l{number}]\nzone = [\"a\", \"b\"]\n"))
        .collect();
    for (open, place) in [
        ("hosts = [\"a\", \"b\"\n", "a.toml:2:"),
        ("[labels\n", "a.toml:1:8: "),
    ] {
        let problems = problems(&format!("{open}{rest}"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(place), "{problems:?}");
    }
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let endless = folder.path().join("endless.toml");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    let problems = load::<Settings>(&endless).unwrap_err();
    assert!(
        problems[0]
            .to_string()
            .ends_with("is larger than 1 MiB; expected a TOML file of at most 1 MiB"),
        "{problems:?}"
    );
}

#[test]
fn bytes_that_are_no_utf_8_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(&path, b"format = \"text\"\nlabels.zone = \"\xff\"\n").unwrap();
    let problems = load::<Settings>(&path).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        format!(
            "{}:2:16: is not UTF-8 here; expected a TOML file in UTF-8",
            path.display()
        )
    );
}

#[test]
fn a_duration_without_a_unit_is_refused_also_as_text() {
    assert_eq!(
        problems("drain_timeout = \"30\""),
        [
            "a.toml:1:17: drain_timeout: `30` has no unit; expected a duration with a unit, such as \"10s\" or \"500ms\""
        ]
    );
}

#[test]
fn a_number_that_does_not_fit_is_told_where_it_stands() {
    assert_eq!(
        problems("max_concurrency = 4294967296"),
        [
            "a.toml:1:19: max_concurrency: is integer `4294967296`; expected a whole number from 0 to 4294967295"
        ]
    );
    assert_eq!(
        problems("max_concurrency = 99999999999999999999"),
        [
            "a.toml:1:19: max_concurrency: is `99999999999999999999`; expected a whole number from 0 to \
             4294967295"
        ]
    );
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let problems = problems("max_concurrency = 1\nformat = \n");
    assert!(problems[0].starts_with("a.toml:2:"), "{problems:?}");
}

#[test]
fn a_file_that_is_not_there_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let problems = load::<Settings>(&path).unwrap_err();
    let text = problems[0].to_string();
    assert!(
        text.starts_with(&format!("{}: cannot be read: ", path.display())),
        "{text}"
    );
}

#[test]
fn a_wrong_value_of_the_right_type_is_told_where_it_stands() {
    let file = File::from_text(
        "a.toml",
        "[tools]\nroot = \"\"\nhosts = [\"a\", \"é\"]\n".to_owned(),
    )
    .unwrap();
    assert_eq!(
        file.problem("tools.hosts[1]", "is no host name", "letters")
            .to_string(),
        "a.toml:3:15: tools.hosts[1]: is no host name; expected letters"
    );
    assert_eq!(
        file.problem("max_concurrency", "is 0", "1 or more").to_string(),
        "max_concurrency: is 0; expected 1 or more"
    );
}
