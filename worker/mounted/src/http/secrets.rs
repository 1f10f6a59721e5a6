//! The secrets of one call: read when it starts, put where a template names them, and taken out of what is told.

use std::{collections::BTreeMap, sync::Arc};

use toolwave_tool::ToolError;

use super::escape;
use crate::value::{Secret, Source};

/// `{secrets.NAME}` in a template stands for a secret.
pub(super) const SECRETS: &str = "secrets";

/// Shorter ones are not looked for in errors: they stand in every text.
const LEAST_SCRUBBED: usize = 4;

/// Where the secrets of a tool come from, by the name that templates use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SecretSources(pub(super) Arc<BTreeMap<String, Source>>);

/// What was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(BTreeMap<String, Secret>);

impl SecretSources {
    /// Reads them all. Files are read on a thread that may block.
    pub(super) async fn read(&self) -> Result<Secrets, ToolError> {
        let reads_files = self.0.values().any(|source| matches!(source, Source::File(_)));
        if !reads_files {
            return self.read_now();
        }
        let sources = self.clone();
        tokio::task::spawn_blocking(move || sources.read_now())
            .await
            .unwrap_or_else(|_| Err(unavailable("the worker stops")))
    }

    fn read_now(&self) -> Result<Secrets, ToolError> {
        let mut secrets = BTreeMap::new();
        for (name, source) in self.0.iter() {
            let secret = source.read().map_err(|error| unavailable(&error.to_string()))?;
            secrets.insert(name.clone(), secret);
        }
        Ok(Secrets(secrets))
    }
}

fn unavailable(reason: &str) -> ToolError {
    ToolError::new("SECRET_UNAVAILABLE", format!("nothing was sent: {reason}"))
}

impl Secrets {
    /// The value, where there is one of that name.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }

    /// No secret, in any of its spellings, has more bytes.
    pub(super) fn longest(&self) -> usize {
        self.0
            .values()
            .map(|secret| secret.expose().len() * 3)
            .max()
            .unwrap_or(0)
    }

    /// The text without them, as they are and as they stand in URLs and forms.
    pub(super) fn scrub(&self, text: String) -> String {
        let mut values: Vec<String> = Vec::new();
        for value in self.0.values().map(Secret::expose) {
            if value.len() < LEAST_SCRUBBED {
                continue;
            }
            let (mut in_url, mut in_form) = (String::new(), String::new());
            escape::value(value, &mut in_url);
            escape::form(value, &mut in_form);
            values.extend([value.to_owned(), in_url, in_form]);
        }
        // The longest first: one may hold another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values
            .into_iter()
            .fold(text, |text, value| text.replace(&value, "[secret]"))
    }
}
