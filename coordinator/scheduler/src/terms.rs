//! What calls agree on about their waits and retries. Calls of one execution mostly say the same, so each keeps
//! the place of its terms and not the terms.

use std::time::Duration;

use crate::RetryPolicy;

/// Times and retries of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Terms {
    /// Of one attempt.
    pub(crate) timeout: Duration,
    /// Of its wait for a slot.
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) retry: RetryPolicy,
}

/// Where the terms of a call are, among those of its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TermsKey(u32);

/// The different terms of an execution's calls.
#[derive(Debug, Default)]
pub(crate) struct AllTerms(Vec<Terms>);

/// How many are looked at for the same terms; executions that say more different things pay in memory.
const LOOKED_AT: usize = 8;

impl AllTerms {
    /// The place of these terms.
    pub(crate) fn find_or_add(&mut self, terms: Terms) -> TermsKey {
        let from = self.0.len().saturating_sub(LOOKED_AT);
        if let Some(at) = self.0[from..].iter().rposition(|known| *known == terms) {
            return TermsKey((from + at) as u32);
        }
        self.0.push(terms);
        TermsKey(self.0.len() as u32 - 1)
    }

    /// The terms at a place.
    pub(crate) fn of(&self, key: TermsKey) -> &Terms {
        &self.0[key.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(seconds: u64) -> Terms {
        Terms {
            timeout: Duration::from_secs(seconds),
            queue_timeout: None,
            retry: RetryPolicy::default(),
        }
    }

    #[test]
    fn equal_terms_have_one_place_and_different_ones_their_own() {
        let mut all = AllTerms::default();
        let keys: Vec<TermsKey> = (0..100).map(|n| all.find_or_add(terms(n % 5))).collect();
        assert_eq!(all.0.len(), 5);
        for (n, key) in (0..).zip(keys) {
            assert_eq!(*all.of(key), terms(n % 5));
        }
    }
}
