//! One configuration file: read, turned into a type, and asked where a key stands.

use std::{
    fs, io,
    io::Read as _,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{
    node::{Node, Step, Value, dotted},
    problem::Problem,
    secret::is_secret,
    yaml::parse_yaml,
};

/// More problems than this are not told at once.
const MAX_PROBLEMS: usize = 50;
/// A file with more is no configuration: it is not read to its end, which it may not have.
const MAX_BYTES: u64 = 1 << 20;
/// Of what stands at the place of a syntax error, in characters.
const EXCERPT: usize = 40;
const YAML: &str = "YAML";

/// A file whose TOML or YAML is well formed. YAML is what is named `.yaml`, `.yml` or `.json`, which is YAML too.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    text: String,
    root: Node,
}

/// Reads a file into `T`, which should have `#[serde(default, deny_unknown_fields)]` on each table.
///
/// # Errors
/// Every problem, in the order of the file.
pub fn load<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, Vec<Problem>> {
    File::read(path)?.parse()
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Vec<Problem>> {
        let path = path.as_ref();
        let text = Self::read_text(path).map_err(|problem| vec![problem])?;
        Self::from_text(path, text)
    }

    /// Reads the text of a file, up to the same bound.
    ///
    /// # Errors
    /// The file cannot be read, is too large or no UTF-8.
    pub fn read_text(path: &Path) -> Result<String, Problem> {
        let problem = |what: String, expected: &str| Problem {
            file: Some(path.to_owned()),
            ..Problem::new("", what, expected)
        };
        let bytes = read(path).map_err(|error| {
            let what = format!("cannot be read: {error}");
            problem(what, &format!("a readable {} file in UTF-8", format_of(path)))
        })?;
        if bytes.len() as u64 > MAX_BYTES {
            let what = "is larger than 1 MiB".to_owned();
            return Err(problem(
                what,
                &format!("a {} file of at most 1 MiB", format_of(path)),
            ));
        }
        String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
            Problem {
                position: Some(position(&before, &(good..good))),
                ..problem(
                    "is not UTF-8 here".to_owned(),
                    &format!("a {} file in UTF-8", format_of(path)),
                )
            }
        })
    }

    /// Takes text as if it had been read from `path`.
    ///
    /// # Errors
    /// The text is no TOML, or no YAML where the path says that it is.
    pub fn from_text(path: impl Into<PathBuf>, text: String) -> Result<Self, Vec<Problem>> {
        let path = path.into();
        if format_of(&path) == YAML {
            return Self::from_yaml(path, text);
        }
        let (table, errors) = toml::de::DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            let root = Node::table(&table);
            return Ok(Self { path, text, root });
        }
        // Most of what the parser says after its first error is a consequence of that: one open bracket makes an error
        // of every line below.
        let first = errors
            .iter()
            .min_by_key(|error| error.span().map(|span| span.start));
        Err(first.iter().map(|error| syntax(&path, &text, error)).collect())
    }

    fn from_yaml(path: PathBuf, mut text: String) -> Result<Self, Vec<Problem>> {
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        match parse_yaml(&text) {
            Ok(root) => {
                let mut root = Node::yaml(root, &text);
                if matches!(root.value, Value::Null) {
                    root.value = Value::Table(Vec::new());
                }
                Ok(Self { path, text, root })
            }
            Err(error) => Err(vec![yaml_syntax(&path, &text, &error)]),
        }
    }

    /// Turns the file into `T`.
    ///
    /// # Errors
    /// Every problem, in the order of the file: what was wrong is set aside and the rest is tried again.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        match self.parse_rest() {
            (Some(value), problems) if problems.is_empty() => Ok(value),
            (_, problems) => Err(problems),
        }
    }

    /// Every problem, in the order of the file, and what is left without that which is wrong: for whoever has more
    /// to say of the rest.
    #[must_use]
    pub fn parse_rest<T: DeserializeOwned>(&self) -> (Option<T>, Vec<Problem>) {
        let mut root = self.root.clone();
        let mut problems: Vec<Problem> = Vec::new();
        let mut removed: Vec<Vec<Step>> = Vec::new();
        let mut rest = None;
        while problems.len() < MAX_PROBLEMS {
            let fault = match T::deserialize(&root) {
                Ok(value) => {
                    rest = Some(value);
                    break;
                }
                Err(fault) => fault,
            };
            // What is missing because it was taken away has been told.
            let own = fault.is_missing && removed.iter().any(|path| path.starts_with(&fault.path));
            if !own {
                problems.push(Problem {
                    file: Some(self.path.clone()),
                    position: fault.span.map(|span| position(&self.text, &span)),
                    key: dotted(&fault.path),
                    what: fault.what,
                    expected: fault.expected,
                });
            }
            // an element that is taken out would shift the others: the whole list goes
            let end = fault.path.iter().position(|step| matches!(step, Step::Index(_)));
            let path = &fault.path[..end.unwrap_or(fault.path.len())];
            if !root.remove(path) {
                break;
            }
            removed.push(path.to_vec());
        }
        problems.sort_by_key(|problem| problem.position);
        (rest, problems)
    }

    /// A problem of a key that has the right type and a wrong value. The place is left out for a key that
    /// is not in the file.
    #[must_use]
    pub fn problem(&self, key: &str, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        match self.root.find(key) {
            (_, true) => self.problem_near(key, what, expected),
            (_, false) => Problem::new(key, what, expected),
        }
    }

    /// The same of a key that is missing perhaps: then the place is that of what it is missing in.
    #[must_use]
    pub fn problem_near(&self, key: &str, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        let (node, _) = self.root.find(key);
        Problem {
            file: Some(self.path.clone()),
            position: Some(position(&self.text, &node.span)),
            ..Problem::new(key, what, expected)
        }
    }

    /// Whether a dotted key stands in it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.root.find(key).1
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn format_of(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml" | "json") => YAML,
        _ => "TOML",
    }
}

/// One byte more than a configuration has shows that the file is too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the parser says, with what stands there.
fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let message = error.message().replace('\n', ", ");
    let (what, expected) = message.split_once(", expected ").unwrap_or((&message, ""));
    let there = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    let there: String = there
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(EXCERPT)
        .collect();
    let of = error.span().map_or("", |span| line_before(text, span.start));
    let key = of.split_once('=').map_or("", |(key, _)| key.trim());
    let what = if there.is_empty() || is_secret(key) {
        what.to_owned()
    } else {
        format!("{what} at `{there}`")
    };
    Problem {
        file: Some(path.to_owned()),
        position: error.span().map(|span| position(text, &span)),
        ..Problem::new("", what, expected)
    }
}

/// The same of YAML, whose parser stops at the first place.
fn yaml_syntax(path: &Path, text: &str, error: &serde_saphyr::Error) -> Problem {
    let error = error.without_snippet();
    let what = match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("duplicate key at `{key}`")
        }
        serde_saphyr::Error::MultipleDocuments { .. } => "a second document begins here".to_owned(),
        other => {
            let message = other.to_string();
            // The position stands in front already.
            let message = message.split(" at line ").next().unwrap_or_default();
            message.trim_start_matches("error: ").trim().replace('\n', ", ")
        }
    };
    let column = |location: serde_saphyr::Location| {
        let (line, column) = (location.line(), location.column());
        Some((usize::try_from(line).ok()?, usize::try_from(column).ok()?))
    };
    let place = error.location().and_then(column).filter(|(line, _)| *line > 0);
    let end = || position(text, &(text.len()..text.len()));
    Problem {
        file: Some(path.to_owned()),
        position: Some(place.unwrap_or_else(end)),
        ..Problem::new("", what, "")
    }
}

/// What stands in a line before a place in it.
fn line_before(text: &str, end: usize) -> &str {
    let before = text.get(..end).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default()
}

fn position(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}
