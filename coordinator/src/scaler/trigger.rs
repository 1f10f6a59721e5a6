//! What a ScaledObject's trigger says in its metadata: which pool, and what one worker of it is for. Everything is
//! text there, and what is wrong is told with what would be right. Knows nothing of the cluster's state.

use std::collections::HashMap;

use crate::identity::NamePatterns;

/// The share of a worker's slots that is to be taken, where the trigger says no target: the rest is room for what
/// comes while further workers start.
pub(super) const UTILISATION: f64 = 0.75;
/// A worker's own default, where nobody says and no worker is there to look at.
const SLOTS: f64 = 16.0;
/// More than any worker has, and any coordinator has neighbours.
const MOST: u32 = 1_000_000;
/// Names this much alike are taken for a slip.
const ALIKE: f64 = 0.9;

const POOL: &str = "pool";
const TARGET: &str = "targetOutstandingPerWorker";
const SLOTS_PER_WORKER: &str = "slotsPerWorker";
const TOOLS: &str = "tools";
const COORDINATORS: &str = "coordinators";
const KEYS: [&str; 5] = [POOL, TARGET, SLOTS_PER_WORKER, TOOLS, COORDINATORS];

/// A pool and its measure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trigger {
    /// The label `pool` of its workers; `None`: all workers.
    pub(super) pool: Option<String>,
    target: Option<u32>,
    slots: Option<u32>,
    /// What its workers host, for when none is there.
    pub(super) tools: Option<NamePatterns>,
    /// Coordinators among which workers divide their slots, and clients their calls.
    pub(super) coordinators: f64,
}

/// Metadata that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata {key}: {what}; expected {expected}")]
pub(super) struct BadMetadata {
    key: String,
    what: String,
    expected: String,
}

// === impl Trigger ===

impl Trigger {
    /// Reads the metadata of a trigger. Keys that are KEDA's own are passed over.
    pub(super) fn read(metadata: &HashMap<String, String>) -> Result<Self, BadMetadata> {
        slips(metadata)?;
        let pool = metadata.get(POOL).map(|pool| name(pool)).transpose()?;
        let tools = metadata.get(TOOLS).map(|tools| patterns(tools)).transpose()?;
        let number = |key| metadata.get(key).map(|text| number(key, text)).transpose();
        Ok(Self {
            pool,
            target: number(TARGET)?,
            slots: number(SLOTS_PER_WORKER)?,
            tools,
            coordinators: number(COORDINATORS)?.unwrap_or(1).into(),
        })
    }

    /// Slots of one worker over all coordinators; `seen` is what they have on the average here.
    pub(super) fn slots_per_worker(&self, seen: Option<f64>) -> f64 {
        let said = self.slots.map(f64::from);
        let seen = seen.map(|seen| seen * self.coordinators);
        said.or(seen).unwrap_or(SLOTS).max(1.0)
    }

    /// Outstanding calls that one worker is for.
    pub(super) fn target(&self, seen: Option<f64>) -> f64 {
        match self.target {
            Some(target) => target.into(),
            None => (self.slots_per_worker(seen) * UTILISATION).max(1.0),
        }
    }
}

/// A key that is nearly one of ours would silently say nothing.
fn slips(metadata: &HashMap<String, String>) -> Result<(), BadMetadata> {
    for key in metadata.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        let near = KEYS
            .iter()
            .find(|known| strsim::jaro_winkler(&known.to_lowercase(), &key.to_lowercase()) >= ALIKE);
        if let Some(known) = near {
            return Err(BadMetadata {
                key: format!("`{}`", shown(key)),
                what: "is no key of this scaler".into(),
                expected: format!("`{known}`; the keys are {}", KEYS.join(", ")),
            });
        }
    }
    Ok(())
}

fn name(pool: &str) -> Result<String, BadMetadata> {
    if !pool.is_empty() && pool.len() <= 128 {
        return Ok(pool.to_owned());
    }
    Err(BadMetadata {
        key: POOL.into(),
        what: format!("has {} bytes", pool.len()),
        expected: "1 to 128 bytes: the label `pool` of the workers; leave it out for all workers".into(),
    })
}

fn patterns(text: &str) -> Result<NamePatterns, BadMetadata> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    NamePatterns::try_from(names).map_err(|_| BadMetadata {
        key: TOOLS.into(),
        what: format!("`{}` holds what is no name of a tool", shown(text)),
        expected:
            "names with commas between them, each of [A-Za-z0-9._:-] with `*` at its end only, such as \
                   \"search,fetch_*\""
                .into(),
    })
}

fn number(key: &str, text: &str) -> Result<u32, BadMetadata> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| BadMetadata {
        key: key.into(),
        what: format!("`{}` is no number that can be used", shown(text)),
        expected: format!("a whole number from 1 to {MOST} in quotes, such as \"24\""),
    })
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Trigger, BadMetadata> {
        let owned = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        Trigger::read(&owned.collect())
    }

    #[test]
    fn what_keda_adds_is_passed_over_and_the_rest_is_read() {
        let trigger = read(&[
            ("scalerAddress", "coordinator-headless.toolwave.svc:7420"),
            ("caCert", "…"),
            ("enableTLS", "true"),
            ("pool", "gpu"),
            ("targetOutstandingPerWorker", "24"),
        ]);
        let trigger = trigger.unwrap();
        assert_eq!(trigger.pool.as_deref(), Some("gpu"));
        assert!((trigger.target(Some(8.0)) - 24.0).abs() < f64::EPSILON);
    }

    #[test]
    fn without_a_target_three_quarters_of_the_slots_are_to_be_taken() {
        let seen = read(&[]).unwrap();
        assert!((seen.target(Some(32.0)) - 24.0).abs() < f64::EPSILON);
        assert!((seen.target(None) - 12.0).abs() < f64::EPSILON);
        let said = read(&[("slotsPerWorker", "64")]).unwrap();
        assert!((said.target(Some(32.0)) - 48.0).abs() < f64::EPSILON);
    }

    #[test]
    fn bad_metadata_is_told_with_what_would_be_right() {
        for (key, value, told) in [
            ("targetOutstandingPerWorker", "lots", "a whole number from 1"),
            ("targetOutstandingPerWorker", "0", "a whole number from 1"),
            ("slotsPerWorker", "-3", "a whole number from 1"),
            ("coordinators", "1.5", "a whole number from 1"),
            ("pool", "", "1 to 128 bytes"),
            ("tools", "a,,b", "such as"),
            ("tools", "*x", "such as"),
            (
                "targetOutstandingPerWorkers",
                "24",
                "`targetOutstandingPerWorker`",
            ),
            ("targetoutstandingperworker", "24", "`targetOutstandingPerWorker`"),
            ("Pool", "gpu", "`pool`"),
        ] {
            let said = read(&[(key, value)]).unwrap_err().to_string();
            assert!(said.contains(told) && said.contains(key), "{key}={value}: {said}");
        }
    }
}
