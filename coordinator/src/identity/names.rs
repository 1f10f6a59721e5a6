//! Patterns of names: exact, or a beginning followed by `*`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names that are allowed. None, unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct NamePatterns(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exact(Box<str>),
    Beginning(Box<str>),
}

/// What is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; expected {}", self.what(), self.expected())]
pub struct BadPattern(String);

/// The rule of every name: of tools, workers, tenants.
pub(super) fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}

// === impl BadPattern ===

impl BadPattern {
    /// What is wrong.
    pub(super) fn what(&self) -> String {
        format!("`{}` is no pattern of names", self.0)
    }

    /// What would be right.
    pub(super) fn expected(&self) -> &'static str {
        "1 to 128 of [A-Za-z0-9._:-], and `*` at the end only"
    }
}

// === impl NamePatterns ===

impl NamePatterns {
    /// Every name.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Pattern::Beginning("".into())])
    }

    /// Whether every name fits.
    #[must_use]
    pub fn allow_all(&self) -> bool {
        self.0
            .iter()
            .any(|pattern| matches!(pattern, Pattern::Beginning(beginning) if beginning.is_empty()))
    }

    /// Whether a name fits one of the patterns.
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => **exact == *name,
            Pattern::Beginning(beginning) => name.starts_with(&**beginning),
        })
    }
}

impl TryFrom<Vec<String>> for NamePatterns {
    type Error = BadPattern;

    fn try_from(patterns: Vec<String>) -> Result<Self, BadPattern> {
        patterns
            .iter()
            .map(|text| Pattern::parse(text))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<NamePatterns> for Vec<String> {
    fn from(patterns: NamePatterns) -> Self {
        patterns.0.iter().map(ToString::to_string).collect()
    }
}

// === impl Pattern ===

impl Pattern {
    fn parse(text: &str) -> Result<Self, BadPattern> {
        let (name, open) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        let good = name.len() <= 128
            && (open || !name.is_empty())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        match (good, open) {
            (false, _) => Err(BadPattern(text.chars().take(160).collect())),
            (true, true) => Ok(Self::Beginning(name.into())),
            (true, false) => Ok(Self::Exact(name.into())),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Beginning(beginning) => write!(formatter, "{beginning}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Result<NamePatterns, BadPattern> {
        NamePatterns::try_from(texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_is_allowed_exactly_or_by_its_beginning() {
        let some = patterns(&["echo", "files.*"]).unwrap();
        assert!(some.allow("echo") && some.allow("files.read") && some.allow("files."));
        assert!(!some.allow("echo2") && !some.allow("files") && !some.allow(""));
        assert!(patterns(&["*"]).unwrap().allow("anything"));
        assert!(NamePatterns::all().allow("anything"));
        assert!(!NamePatterns::default().allow("echo"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_text() {
        for wrong in ["", "a*b", "*a", "a b", "**", "é"] {
            let error = patterns(&["good", wrong]).unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
