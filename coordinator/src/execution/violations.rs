//! Everything that is wrong with a request, collected in one pass; bounded, because it travels in a trailer.

use std::fmt::Write as _;

use super::text::{clipped, cut};
use crate::error::Reason;

/// The most violations that are sent, the one that counts the others included.
const LISTED: usize = 50;
/// The most that all of them may take, in bytes. Clients in Java, and those on gRPC's C core (C++, Python, Ruby),
/// accept 8 KiB of trailers unless told otherwise, and with more lose even the code. Details travel in base64, which
/// adds a third; the message comes twice, and as a header it may take three times its bytes.
const LISTED_BYTES: usize = 4 * 1024;
/// What each takes besides its texts: tags and lengths of protobuf.
const FRAMING: usize = 12;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The stable word.
    pub reason: Reason,
    /// The path of the field, such as `calls[3].depends_on[0]`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub description: String,
}

/// All that is wrong; the first `LISTED` are kept, the others counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    kept: Vec<Violation>,
    bytes: usize,
    more: usize,
}

impl Violations {
    /// Of one violation.
    pub fn one(reason: Reason, field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(reason, || field.into(), || description.into());
        violations
    }

    /// Adds one. The texts are only made when they are kept.
    pub fn add(
        &mut self,
        reason: Reason,
        field: impl FnOnce() -> String,
        description: impl FnOnce() -> String,
    ) {
        // Once one was left out, so are all after it: those listed are the first.
        if self.more > 0 || self.kept.len() >= LISTED - 1 {
            self.more += 1;
            return;
        }
        let (field, description) = (clipped(field()), clipped(description()));
        let bytes = field.len() + description.len() + reason.word().len() + FRAMING;
        if self.bytes + bytes > LISTED_BYTES {
            self.more += 1;
            return;
        }
        self.bytes += bytes;
        self.kept.push(Violation {
            reason,
            field,
            description,
        });
    }

    /// True when nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Those kept.
    #[must_use]
    pub fn kept(&self) -> &[Violation] {
        &self.kept
    }

    /// How many were left out.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }

    /// The reason of the first one: what the whole request is refused with.
    #[must_use]
    pub fn first_reason(&self) -> Reason {
        self.kept
            .first()
            .map_or(Reason::EmptyRequest, |violation| violation.reason)
    }

    /// Field and description of each, the reason in front of the description; a last one says how many more.
    pub fn listed(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let rest = (self.more > 0).then(|| (String::new(), format!("and {} more violations", self.more)));
        self.kept
            .iter()
            .map(|violation| {
                (
                    violation.field.clone(),
                    format!("{}: {}", violation.reason.word(), violation.description),
                )
            })
            .chain(rest)
    }

    /// One line for the status message: the first violation, and how many there are.
    #[must_use]
    pub fn summary(&self) -> String {
        let Some(first) = self.kept.first() else {
            return "the request is wrong".into();
        };
        let mut line = if first.field.is_empty() {
            first.description.clone()
        } else {
            format!("{}: {}", first.field, first.description)
        };
        let others = self.kept.len() - 1 + self.more;
        if others > 0 {
            line.truncate(cut(&line, 400).len());
            let _ = write!(line, " (and {others} more violations, see the details)");
        }
        clipped(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_violation_says_how_many_more() {
        let mut violations = Violations::default();
        for i in 0..10_000 {
            violations.add(Reason::BadId, || format!("calls[{i}].id"), || "is bad".into());
        }
        let listed: Vec<_> = violations.listed().collect();
        assert_eq!(listed.len(), 50);
        assert_eq!(listed[49].1, "and 9951 more violations");
        assert_eq!(listed[0], ("calls[0].id".into(), "BAD_ID: is bad".into()));
    }

    #[test]
    fn long_violations_still_fit_into_a_trailer() {
        let mut violations = Violations::default();
        for _ in 0..50 {
            violations.add(Reason::BadId, || "f".repeat(600), || "d".repeat(600));
        }
        let bytes: usize = violations
            .listed()
            .map(|(field, text)| field.len() + text.len())
            .sum();
        assert!(bytes <= LISTED_BYTES, "{bytes}");
        let listed = violations.listed().count();
        assert_eq!(
            violations.listed().last().map(|(_, text)| text),
            Some(format!("and {} more violations", 51 - listed))
        );
    }
}
