//! Tokens that were verified a moment ago: checking a signature costs as much as hundreds of calls. Bounded, and
//! only what was good is kept, so that nobody without a good token can push anything out.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

use super::{Client, tokens::Digest};

/// Tokens of one generation; there are two.
const TOKENS: usize = 16 * 1024;

/// By the digest of the whole token. An entry that is used stays: when the young generation is full the old one
/// goes, and what is found there becomes young again.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: FxHashMap<Digest, Entry>,
    old: FxHashMap<Digest, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    client: Arc<Client>,
    /// Seconds since 1970.
    until: u64,
}

// === impl Verified ===

impl Verified {
    /// Whose token it is, if it is known and good at `now`.
    pub(super) fn client(&self, digest: &Digest, now: u64) -> Option<Arc<Client>> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = generations.young.get(digest) {
            return (now <= entry.until).then(|| entry.client.clone());
        }
        let entry = generations
            .old
            .remove(digest)
            .filter(|entry| now <= entry.until)?;
        let client = entry.client.clone();
        generations.keep(*digest, entry, TOKENS);
        Some(client)
    }

    /// Keeps a token that was found good.
    pub(super) fn keep(&self, digest: Digest, client: Arc<Client>, until: u64) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.keep(digest, Entry { client, until }, TOKENS);
    }
}

// === impl Generations ===

impl Generations {
    fn keep(&mut self, digest: Digest, entry: Entry, most: usize) {
        if self.young.len() >= most {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> Digest {
        [number; 32]
    }

    fn entry(until: u64) -> Entry {
        let client = Arc::new(Client {
            tenant: "a".into(),
            subject: "".into(),
            tools: crate::identity::NamePatterns::default(),
            operator: false,
        });
        Entry { client, until }
    }

    #[test]
    fn what_was_verified_is_known_until_it_expires() {
        let verified = Verified::default();
        assert!(verified.client(&digest(1), 10).is_none());
        verified.keep(digest(1), entry(0).client, 10);
        assert!(verified.client(&digest(1), 10).is_some());
        assert!(verified.client(&digest(1), 11).is_none());
        assert!(verified.client(&digest(2), 10).is_none());
    }

    #[test]
    fn no_more_than_two_generations_are_kept() {
        let mut generations = Generations::default();
        for number in 0..=255 {
            generations.keep(digest(number), entry(0), 10);
            assert!(generations.young.len() <= 10 && generations.old.len() <= 10);
        }
        assert!(generations.young.contains_key(&digest(255)));
        assert!(!generations.young.contains_key(&digest(0)) && !generations.old.contains_key(&digest(0)));
    }
}
