//! Which workers may come in where certificates say who they are: under which names, with which tools.

use std::sync::Arc;

use super::{
    NamePatterns, config,
    refusal::Denied,
    uri::{CertificateUri, Kind},
};
use crate::config::Wrong;

/// Who a worker is, and what that allows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WorkerIdentity {
    /// The name in its certificate.
    pub(crate) uri: Arc<str>,
    /// It may register under these.
    pub(crate) names: NamePatterns,
    /// It may offer these tools.
    pub(crate) tools: NamePatterns,
    /// It may not even try to offer others.
    pub(crate) strict: bool,
}

/// All that are configured.
#[derive(Debug, Default)]
pub(super) struct WorkerIdentities(Vec<Arc<WorkerIdentity>>);

// === impl WorkerIdentities ===

impl WorkerIdentities {
    /// # Errors
    /// Every entry that cannot be used.
    pub(super) fn new(entries: &[config::WorkerIdentity]) -> Result<Self, Vec<Wrong>> {
        let (mut identities, mut problems) = (Vec::<Arc<WorkerIdentity>>::new(), Vec::new());
        let mut wrong = |what: String, expected: &str| {
            problems.push(Wrong {
                key: "worker_identities",
                what,
                expected: expected.into(),
            });
        };
        for entry in entries {
            let uri = match CertificateUri::parse(&entry.identity) {
                Ok(uri) if uri.kind() == Kind::Worker => uri,
                Ok(CertificateUri { .. }) | Err(_) => {
                    let what = format!("`{}` is no worker's identity", entry.identity.escape_debug());
                    wrong(what, "spiffe://<trust domain>/worker/<name>");
                    continue;
                }
            };
            if identities.iter().any(|other| *other.uri == *uri.as_str()) {
                wrong(format!("`{uri}` is there twice"), "identities that differ");
            }
            let own = [uri.named().to_owned(), format!("{}-*", uri.named())];
            let names = match (&entry.names, NamePatterns::try_from(own.to_vec())) {
                (Some(names), _) => names.clone(),
                (None, Ok(own)) => own,
                (None, Err(error)) => {
                    wrong(error.what(), error.expected());
                    continue;
                }
            };
            identities.push(Arc::new(WorkerIdentity {
                uri: uri.as_str().into(),
                names,
                tools: entry.tools.clone(),
                strict: entry.strict,
            }));
        }
        if problems.is_empty() {
            Ok(Self(identities))
        } else {
            Err(problems)
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn named(&self, uri: &CertificateUri) -> Result<Arc<WorkerIdentity>, Denied> {
        let entry = self.0.iter().find(|identity| *identity.uri == *uri.as_str());
        entry.cloned().ok_or(Denied::NoEntry)
    }
}
