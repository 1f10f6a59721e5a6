//! A value that a declaration gives as text, or keeps out of the file: `"text"`, `{ env = "NAME" }`,
//! `{ file = "/run/secrets/name" }`.
//!
//! What was read is never shown: not by `Debug`, not in errors, not in logs.

use std::{
    env, fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

/// No secret is longer.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The text itself.
    Text(String),
    /// A variable of the worker's environment.
    Variable(String),
    /// A file, without the line break at its end; read again whenever the value is asked for.
    File(PathBuf),
}

/// A value that was read. It is cleared from memory when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Why there is no value. It never tells one.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; expected one with the value")]
    NotSet(String),
    /// The variable or file is no text.
    #[error("{0} is not UTF-8; expected text")]
    NotText(String),
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}; expected a file that holds the value", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too long.
    #[error("{path} is larger than 64 KiB; expected a file that holds the value alone", path = .0.display())]
    TooLarge(PathBuf),
}

impl Source {
    /// True where the value stands in the file itself.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Reads the value.
    ///
    /// # Errors
    /// It is not there, or no text.
    pub fn read(&self) -> Result<Secret, SourceError> {
        match self {
            Self::Text(text) => Ok(Secret::new(text.clone())),
            Self::Variable(name) => match env::var(name) {
                Ok(value) => Ok(Secret::new(value)),
                Err(env::VarError::NotPresent) => Err(SourceError::NotSet(name.clone())),
                Err(env::VarError::NotUnicode(_)) => Err(SourceError::NotText(name.clone())),
            },
            Self::File(path) => read_file(path),
        }
    }
}

fn read_file(path: &Path) -> Result<Secret, SourceError> {
    let unreadable = |source| SourceError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(SourceError::TooLarge(path.to_owned()));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| SourceError::NotText(path.display().to_string()))?;
    let value = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(value);
    Ok(Secret::new(text))
}

impl Secret {
    /// Keeps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;

        impl<'de> Visitor<'de> for Spelling {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, { env = \"NAME\" } or { file = \"PATH\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Source, E> {
                Ok(Source::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Source, A::Error> {
                const KEYS: &[&str] = &["env", "file"];
                let Some(key) = map.next_key::<String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                let source = match key.as_str() {
                    "env" => Source::Variable(map.next_value()?),
                    "file" => Source::File(map.next_value()?),
                    _ => return Err(de::Error::unknown_field(&key, KEYS)),
                };
                match map.next_key::<String>()? {
                    None => Ok(source),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
        }

        deserializer.deserialize_any(Spelling)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_value_is_text_or_comes_from_the_environment_or_a_file() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"from a file\r\n").expect("written");
        let read = |json: serde_json::Value| {
            let source: Source = serde_json::from_value(json).expect("a source");
            source.read().map(|secret| secret.expose().to_owned())
        };
        assert_eq!(read("plain".into()).expect("text"), "plain");
        assert_eq!(
            read(serde_json::json!({"file": file.path()})).expect("a file"),
            "from a file"
        );
        let path = env::var("PATH").expect("PATH");
        assert_eq!(
            read(serde_json::json!({"env": "PATH"})).expect("a variable"),
            path
        );
        let error = read(serde_json::json!({"env": "NO_SUCH_VARIABLE_HERE"})).expect_err("not set");
        assert!(
            error.to_string().contains("NO_SUCH_VARIABLE_HERE is not set"),
            "{error}"
        );
    }

    #[test]
    fn other_spellings_are_refused() {
        for json in [
            serde_json::json!({}),
            serde_json::json!({"env": "A", "file": "B"}),
            serde_json::json!({"vault": "A"}),
            serde_json::json!(5),
        ] {
            assert!(serde_json::from_value::<Source>(json.clone()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("swordfish".to_owned())), "Secret(..)");
    }
}
