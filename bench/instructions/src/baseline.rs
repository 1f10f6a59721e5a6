//! The committed counts, and what a difference from them means. One part for each target: code for different
//! processors cannot be compared.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anyhow::Context;
use serde::Deserialize;

/// A count that is larger by more than so many percent fails; one that is smaller by more is worth recording.
pub(crate) const LEEWAY_PERCENT: u64 = 10;

/// What may cost so many percent more with many calls queued than with few, and still be flat: the depth of a heap
/// grows, if slowly.
const FLAT_PERCENT: u64 = 25;

const HEAD: &str = "\
# Instructions of what every call goes through, as `.ci/instructions` compares them; written by `.ci/instructions --update`.
";

/// The whole file: by target.
pub(crate) type Baseline = BTreeMap<String, Counts>;

/// Counts, and what they were taken with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    /// `rustc -V`.
    pub(crate) compiler: String,
    /// `valgrind --version`.
    pub(crate) valgrind: String,
    /// By subject.
    pub(crate) instructions: BTreeMap<String, u64>,
}

/// What has become of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Within the leeway.
    Kept,
    /// It is larger by more than the leeway.
    Grew,
    /// It is smaller by more than the leeway.
    Shrank,
    /// Nothing is recorded of it.
    NotRecorded,
    /// It is recorded, and no subject is named so.
    NotCounted,
}

/// One subject in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) subject: String,
    pub(crate) before: Option<u64>,
    pub(crate) now: Option<u64>,
    pub(crate) verdict: Verdict,
}

// === impl Verdict ===

impl Verdict {
    fn of(before: Option<u64>, now: Option<u64>) -> Self {
        let larger = |a: u64, b: u64| a * 100 > b * (100 + LEEWAY_PERCENT);
        match (before, now) {
            (Some(before), Some(now)) if larger(now, before) => Self::Grew,
            (Some(before), Some(now)) if now * 100 < before * (100 - LEEWAY_PERCENT) => Self::Shrank,
            (Some(_), Some(_)) => Self::Kept,
            (None, _) => Self::NotRecorded,
            (Some(_), None) => Self::NotCounted,
        }
    }

    /// The comparison as a whole fails.
    pub(crate) fn fails(self) -> bool {
        matches!(self, Self::Grew | Self::NotRecorded | Self::NotCounted)
    }

    /// For the table.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Kept => "",
            Self::Grew => "grew: FAILED",
            Self::Shrank => "shrank",
            Self::NotRecorded => "not in the baseline: FAILED",
            Self::NotCounted => "only in the baseline: FAILED",
        }
    }
}

// === impl Comparison ===

impl Comparison {
    /// By how many percent it changed.
    pub(crate) fn change(&self) -> Option<f64> {
        let (before, now) = (self.before? as f64, self.now? as f64);
        Some((now / before - 1.0) * 100.0)
    }
}

/// Every subject of `before` or of `now`.
pub(crate) fn compare(before: &Counts, now: &Counts) -> Vec<Comparison> {
    let mut names: Vec<&String> = before
        .instructions
        .keys()
        .chain(now.instructions.keys())
        .collect();
    names.sort_unstable();
    names.dedup();
    let compared = names.into_iter().map(|name| {
        let (before, now) = (
            before.instructions.get(name).copied(),
            now.instructions.get(name).copied(),
        );
        Comparison {
            subject: name.clone(),
            before,
            now,
            verdict: Verdict::of(before, now),
        }
    });
    compared.collect()
}

/// What costs the same with `few` and with `many` queued does so; otherwise how many times as much it costs.
///
/// # Errors
/// The factor.
pub(crate) fn flat(now: &Counts, [few, many]: [&str; 2]) -> Result<(), f64> {
    let count = |subject| now.instructions.get(subject).copied().unwrap_or(0);
    let (few, many) = (count(few), count(many));
    if many * 100 > few * (100 + FLAT_PERCENT) {
        return Err(many as f64 / few as f64);
    }
    Ok(())
}

/// Reads the file; one that is not there holds nothing.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Baseline> {
    if !path.exists() {
        return Ok(Baseline::default());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
}

/// Writes the file.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(path: &Path, baseline: &Baseline) -> anyhow::Result<()> {
    std::fs::write(path, text(baseline)).with_context(|| format!("cannot write {}", path.display()))
}

fn text(baseline: &Baseline) -> String {
    let mut text = HEAD.to_owned();
    for (target, counts) in baseline {
        let Counts {
            compiler,
            valgrind,
            instructions,
        } = counts;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[{target}]\ncompiler = {compiler:?}\nvalgrind = {valgrind:?}\n"
        );
        let _ = writeln!(text, "\n[{target}.instructions]");
        for (subject, count) in instructions {
            let _ = writeln!(text, "{subject:?} = {count}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: &[(&str, u64)]) -> Counts {
        Counts {
            compiler: "rustc 1.95.0 (1234 2026-01-01)".into(),
            valgrind: "valgrind-3.19.0".into(),
            instructions: instructions
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
        }
    }

    fn verdicts(before: &[(&str, u64)], now: &[(&str, u64)]) -> Vec<Verdict> {
        compare(&counts(before), &counts(now))
            .iter()
            .map(|comparison| comparison.verdict)
            .collect()
    }

    #[test]
    fn a_count_fails_when_it_grows_by_more_than_ten_percent() {
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 1100)]), [Verdict::Kept]);
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 1101)]), [Verdict::Grew]);
        assert!(Verdict::Grew.fails());
    }

    #[test]
    fn a_count_that_shrinks_passes_and_is_said_to() {
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 900)]), [Verdict::Kept]);
        assert_eq!(verdicts(&[("a", 1000)], &[("a", 899)]), [Verdict::Shrank]);
        assert!(!Verdict::Shrank.fails() && !Verdict::Kept.fails());
    }

    #[test]
    fn a_subject_on_one_side_only_fails() {
        let both = verdicts(&[("gone", 1)], &[("new", 1)]);
        assert_eq!(both, [Verdict::NotCounted, Verdict::NotRecorded]);
        assert!(both.iter().all(|verdict| verdict.fails()));
    }

    #[test]
    fn a_cost_that_grows_with_the_queue_is_told() {
        let now = counts(&[("few", 100), ("many", 125), ("too many", 150)]);
        assert_eq!(flat(&now, ["few", "many"]), Ok(()));
        assert_eq!(flat(&now, ["few", "too many"]), Err(1.5));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let baseline = Baseline::from([
            ("x86_64-unknown-linux-gnu".to_owned(), counts(&[("a, 1,000", 12)])),
            ("aarch64-unknown-linux-gnu".to_owned(), counts(&[])),
        ]);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("baseline.toml");
        assert_eq!(read(&path).expect("not there yet"), Baseline::default());
        write(&path, &baseline).expect("written");
        assert_eq!(read(&path).expect("read"), baseline);
    }
}
