//! Where each setting came from: to say so of one that is wrong, and to whoever asks what is in force. Reads none.

use clap::{ArgMatches, parser::ValueSource};
use toolwave_config::{File, Problem, Source, Sources};
use toolwave_worker::tools::Allow;

/// Where a setting came from, to say so of one that is wrong.
pub(crate) struct Origin {
    pub(super) file: Option<File>,
    pub(super) flags: Vec<&'static str>,
}

// === impl Origin ===

impl Origin {
    /// A problem of the setting `key`, with the place where it was last said.
    pub(crate) fn problem(&self, key: &str, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        let flag = self
            .flags
            .iter()
            .find(|flag| flag.trim_start_matches('-').replace('-', "_") == key.replace('.', "_"));
        match (flag, &self.file) {
            (Some(flag), _) => Problem::new(*flag, what, expected),
            (None, Some(file)) => file.problem(key, what, expected),
            (None, None) => Problem::new(key, what, expected),
        }
    }

    /// The same of every setting, for those who ask what is in force.
    pub(crate) fn sources(&self, matches: &ArgMatches) -> Sources {
        let mut sources = Sources::new(self.file.clone());
        for id in matches.ids().map(clap::Id::as_str) {
            let source = match matches.value_source(id) {
                Some(ValueSource::CommandLine) => Source::Flag,
                Some(ValueSource::EnvVariable) => Source::Environment,
                _ => continue,
            };
            match id {
                // Those add to what the file says.
                "labels" => {
                    for (name, _) in matches.get_many::<(String, String)>(id).into_iter().flatten() {
                        sources.say(&format!("labels.{name}"), source);
                    }
                }
                "allow" => {
                    for allow in matches.get_many::<Allow>(id).into_iter().flatten() {
                        sources.say(allowed_key(allow), source);
                    }
                }
                id => sources.say(id, source),
            }
        }
        sources
    }
}

/// What a permission sets.
fn allowed_key(allow: &Allow) -> &'static str {
    match allow {
        Allow::Files(_) => "builtin.files",
        Allow::Sql(_) => "builtin.sql",
        Allow::Http(_) => "builtin.http.hosts",
    }
}
