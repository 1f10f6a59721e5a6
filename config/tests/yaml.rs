//! YAML is read as TOML is: the same types, the same problems, with their places.

use std::collections::BTreeMap;

use serde::Deserialize;
use toolwave_config::File;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    slots: u32,
    note: Option<String>,
    ratio: f64,
    tools: BTreeMap<String, Tool>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tool {
    argv: Vec<String>,
    quick: bool,
}

fn read(text: &str) -> Result<Settings, Vec<String>> {
    File::from_text("a.yaml", text.to_owned())
        .and_then(|file| file.parse())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_good_file_says_what_its_toml_would() {
    let text = "\u{feff}slots: 3\nnote: ~\nratio: 0.5\ntools:\n  a.b:\n    argv: [x, 'y']\n    quick: true\n";
    let toml = "slots = 3\nratio = 0.5\n[tools.\"a.b\"]\nargv = [\"x\", \"y\"]\nquick = true\n";
    let toml: Settings = File::from_text("a.toml", toml.to_owned())
        .and_then(|file| file.parse())
        .expect("good TOML");
    assert_eq!(read(text).expect("good YAML"), toml);
    assert_eq!(read("# nothing\n"), Ok(Settings::default()));
    assert_eq!(read("{\"slots\": 3}").map(|settings| settings.slots), Ok(3));
}

#[test]
fn every_problem_is_told_with_its_place() {
    let text =
        "slots: many\ntools:\n  é.b:\n    argv: [x, 2]\n    quick: yes\n    argvv: 1\n  c:\n    argv:\n";
    assert_eq!(
        read(text).expect_err("wrong"),
        [
            "a.yaml:1:8: slots: is string \"many\"; expected a whole number from 0 to 4294967295",
            "a.yaml:4:15: tools.é.b.argv[1]: is integer `2`; expected a string",
            "a.yaml:5:12: tools.é.b.quick: is string \"yes\"; expected true or false",
            "a.yaml:6:5: tools.é.b.argvv: unknown key, did you mean `argv`?; expected one of `argv`, `quick`",
            "a.yaml:8:9: tools.c.argv: is empty; expected a list",
        ]
    );
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    for (text, told) in [
        ("slots: 1\nslots: 2\n", "a.yaml:2:1: duplicate key at `slots`"),
        ("tools: [\n", "a.yaml:1:8: unclosed"),
        (
            "slots: 1\n---\nslots: 2\n",
            "a.yaml:3:1: a second document begins here",
        ),
    ] {
        let problems = read(text).expect_err("wrong");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(told), "{text}: {problems:?}");
    }
}

#[test]
fn a_problem_of_a_value_finds_keys_with_dots_and_says_where_a_missing_one_belongs() {
    let text = "tools:\n  a:\n    argv: [x]\n  a.b:\n    argv: [x, y]\n";
    let file = File::from_text("a.yaml", text.to_owned()).expect("good");
    let place = |key: &str| file.problem_near(key, "wrong", "").to_string();
    assert_eq!(
        place("tools.a.b.argv[1]"),
        "a.yaml:5:15: tools.a.b.argv[1]: wrong"
    );
    assert_eq!(place("tools.a.argv[0]"), "a.yaml:3:12: tools.a.argv[0]: wrong");
    assert_eq!(place("tools.a.quick"), "a.yaml:3:5: tools.a.quick: wrong");
    assert_eq!(
        file.problem("tools.a.quick", "wrong", "").to_string(),
        "tools.a.quick: wrong"
    );
}
