//! Names of tools that a provider takes for the names that a catalogue has, and back.
//!
//! The way back is a table made from the catalogue; nothing is ever guessed from how a name looks.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::{
    CallError,
    provider::{NAME_LIMIT, Provider},
};

/// Hex digits of the hash behind a name, tried in this order until all names differ.
const HASH_DIGITS: [usize; 3] = [8, 16, 32];
/// The longest name of a tool, in bytes.
const TOOL_NAME_BYTES: usize = 128;

/// The names of one catalogue for one provider.
#[derive(Clone, Debug)]
pub struct Names {
    to_provider: BTreeMap<String, String>,
    to_tool: BTreeMap<String, String>,
}

impl Names {
    /// The names for all tools of a catalogue. Which names they get depends on nothing but the set of tools.
    #[must_use]
    pub fn of<T: Into<String>>(provider: Provider, tools: impl IntoIterator<Item = T>) -> Self {
        let tools: BTreeSet<String> = tools.into_iter().map(Into::into).collect();
        // How often a tool's name was lengthened; 0: it has no hash.
        let mut rounds: BTreeMap<&str, usize> = tools.iter().map(|tool| (tool.as_str(), 0)).collect();
        let to_provider = loop {
            let names: BTreeMap<&str, String> = rounds
                .iter()
                .map(|(&tool, &round)| (tool, name(provider, tool, round)))
                .collect();
            let mut tools_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (tool, name) in &names {
                tools_of.entry(name).or_default().push(tool);
            }
            let shared: Vec<&str> = tools_of
                .into_values()
                .filter(|sharing| sharing.len() > 1)
                .flatten()
                .filter(|tool| rounds[tool] < HASH_DIGITS.len())
                .collect();
            if shared.is_empty() {
                break names;
            }
            for tool in shared {
                rounds.entry(tool).and_modify(|round| *round += 1);
            }
        };
        let to_provider: BTreeMap<String, String> = to_provider
            .into_iter()
            .map(|(tool, name)| (tool.to_owned(), name))
            .collect();
        let to_tool = to_provider
            .iter()
            .map(|(tool, name)| (name.clone(), tool.clone()))
            .collect();
        Self { to_provider, to_tool }
    }

    /// The name that the provider is told; `None` for a tool that is not in the catalogue.
    #[must_use]
    pub fn name(&self, tool: &str) -> Option<&str> {
        self.to_provider.get(tool).map(String::as_str)
    }

    /// The tool that a model means by `name`. One that the catalogue does not have stays as it is, so that the
    /// coordinator rejects that call, with the nearest names.
    ///
    /// # Errors
    /// When no tool can be named so: the coordinator would refuse the whole request.
    pub fn tool<'a>(&'a self, name: &'a str) -> Result<&'a str, CallError> {
        if let Some(tool) = self.to_tool.get(name) {
            return Ok(tool);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
        if (1..=TOOL_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(name)
        } else {
            Err(CallError::bad_tool_name(name))
        }
    }
}

/// The name after so many rounds.
fn name(provider: Provider, tool: &str, round: usize) -> String {
    let mut plain = String::with_capacity(tool.len() + 8);
    for c in tool.chars() {
        match c {
            _ if provider.allows(c) => plain.push(c),
            '.' => plain.push_str("__"),
            _ => plain.push('_'),
        }
    }
    let starts_well = plain.starts_with(|c| provider.allows_first(c));
    if !starts_well {
        plain.insert(0, '_');
    }
    let stays = starts_well && plain.len() <= NAME_LIMIT && !tool.contains("__");
    let digits = match round {
        0 if stays => return plain,
        // A name that has a hash from the start has had its first round with that.
        0 => HASH_DIGITS[0],
        round => HASH_DIGITS[(round - usize::from(stays)).min(HASH_DIGITS.len() - 1)],
    };
    let hash = Sha256::digest(tool.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    plain.truncate(NAME_LIMIT - 1 - digits);
    format!("{plain}_{}", &hash[..digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_gives_a_longer_hash_and_stays_within_the_limit() {
        let long = "x".repeat(128);
        for tool in ["a:b", "a__b", long.as_str()] {
            let names: BTreeSet<String> = (0..=3)
                .map(|round| name(Provider::OpenAiChat, tool, round))
                .collect();
            assert!(names.len() >= 3, "{names:?}");
            assert!(names.iter().all(|name| name.len() <= NAME_LIMIT), "{names:?}");
        }
    }

    #[test]
    fn a_name_made_to_collide_with_a_hashed_one_leads_to_its_own_tool() {
        let long = "t".repeat(70);
        let hashed = name(Provider::OpenAiChat, &long, 0);
        let names = Names::of(Provider::OpenAiChat, [long.as_str(), hashed.as_str()]);
        let (one, other) = (names.name(&long).unwrap(), names.name(&hashed).unwrap());
        assert_ne!(one, other);
        assert_eq!(names.tool(one).unwrap(), long);
        assert_eq!(names.tool(other).unwrap(), hashed);
    }
}
