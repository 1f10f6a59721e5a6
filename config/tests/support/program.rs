//! A program of toolwave that prints its configuration, for tests of what counts: file, environment or flags.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Output},
};

/// A key with what the file, the environment and the flag say of it, as TOML prints it.
pub struct Row {
    key: &'static str,
    default: &'static str,
    said: [String; 3],
}

/// A program, and how its variables begin.
pub struct Program {
    pub binary: &'static str,
    pub variables: &'static str,
}

impl Row {
    /// `none`: it has no default.
    pub fn new(key: &'static str, default: &'static str, said: [&str; 3]) -> Self {
        Self {
            key,
            default,
            said: said.map(str::to_owned),
        }
    }

    /// `--log-level` of `log.level`.
    fn flag(&self) -> String {
        format!("--{}", self.key.replace(['.', '_'], "-"))
    }

    /// A text without what TOML puts around it.
    fn bare(text: &str) -> &str {
        text.trim_matches(['"', '[', ']'])
    }
}

impl Program {
    pub fn run(&self, file: Option<&Path>, environment: &[(String, String)], arguments: &[String]) -> Output {
        let mut command = Command::new(self.binary);
        command
            .env_clear()
            .envs(environment.iter().cloned())
            .args(arguments);
        if let Some(file) = file {
            command.arg("--config").arg(file);
        }
        command.output().expect("it runs")
    }

    fn text(&self, file: Option<&Path>, environment: &[(String, String)], arguments: &[String]) -> String {
        let mut all = arguments.to_vec();
        all.push("--print-config".to_owned());
        let output = self.run(file, environment, &all);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Each value with where it came from, by key.
    pub fn printed(
        &self,
        file: Option<&Path>,
        environment: &[(String, String)],
        arguments: &[String],
    ) -> BTreeMap<String, (String, String)> {
        let said = self.text(file, environment, arguments);
        let mut values = BTreeMap::new();
        let mut table = String::new();
        for line in said.lines().filter(|line| !line.is_empty()) {
            if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                table = format!("{heading}.");
                continue;
            }
            let (rest, source) = line
                .rsplit_once("  # ")
                .expect("each value says where it came from");
            let (key, value) = rest.split_once(" = ").expect("a value");
            values.insert(format!("{table}{key}"), (value.to_owned(), source.to_owned()));
        }
        values
    }

    pub fn variable(&self, key: &str) -> String {
        format!("{}{}", self.variables, key.replace('.', "_").to_uppercase())
    }

    /// Whether flag and variable say this key.
    pub fn offers(&self, key: &str) -> bool {
        self.offered().contains(&self.variable(key))
    }

    /// The variables that `--help` names.
    fn offered(&self) -> BTreeSet<String> {
        let help = self.run(None, &[], &["--help".to_owned()]).stdout;
        let help = String::from_utf8(help).expect("UTF-8");
        let named = help
            .split("[env:")
            .skip(1)
            .filter_map(|rest| rest.split(['=', ']']).next());
        named.map(|name| name.trim().to_owned()).collect()
    }

    /// Each of these keys goes by its default, the file, the environment and the flag, whichever comes last of those
    /// that say something; and there is no other that flags or variables say, but `others`.
    pub fn keeps_the_order(&self, rows: &[Row], others: &[&str]) {
        let known = rows.iter().map(|row| self.variable(row.key));
        let known: BTreeSet<String> = known
            .chain(others.iter().map(|other| self.variable(other)))
            .collect();
        assert_eq!(self.offered(), known, "the table has another row than `--help`");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("c.toml");
        let text: String = rows
            .iter()
            .map(|row| format!("{} = {}\n", row.key, row.said[0]))
            .collect();
        std::fs::write(&file, text).expect("written");
        let environment = rows
            .iter()
            .map(|row| (self.variable(row.key), Row::bare(&row.said[1]).to_owned()));
        let environment: Vec<_> = environment.collect();
        let flags = rows
            .iter()
            .map(|row| format!("{}={}", row.flag(), Row::bare(&row.said[2])));
        let flags: Vec<_> = flags.collect();
        for from in 0..8_usize {
            let [of_file, of_environment, of_flags] = [from & 1, from & 2, from & 4].map(|bit| bit != 0);
            let printed = self.printed(
                of_file.then_some(&*file),
                if of_environment { &environment } else { &[] },
                if of_flags { &flags } else { &[] },
            );
            for row in rows {
                let expected = match (of_flags, of_environment, of_file) {
                    (true, ..) => Some((&*row.said[2], "flag")),
                    (_, true, _) => Some((&*row.said[1], "environment")),
                    (.., true) => Some((&*row.said[0], "file")),
                    // What has no default is not printed.
                    _ => (row.default != "none").then_some((row.default, "default")),
                };
                let expected = expected.map(|(value, source)| (value.to_owned(), source.to_owned()));
                assert_eq!(
                    printed.get(row.key),
                    expected.as_ref(),
                    "{} of {from:03b}",
                    row.key
                );
            }
        }
        // What is printed is a configuration again, of the same values.
        let again = folder.path().join("again.toml");
        std::fs::write(&again, self.text(None, &environment, &flags)).expect("written");
        let values = |printed: BTreeMap<String, (String, String)>| -> Vec<(String, String)> {
            printed
                .into_iter()
                .map(|(key, (value, _))| (key, value))
                .collect()
        };
        let first = values(self.printed(None, &environment, &flags));
        assert_eq!(values(self.printed(Some(&again), &[], &[])), first);
    }
}
