//! Who opened a session, and what that allows it: the name that it registers under and the tools that it offers.

use std::{net::SocketAddr, sync::Arc};

use rustc_hash::FxHashSet;
use tonic::Extensions;
use toolwave_proto::v1;

use super::{convert, fault::SessionFault};
use crate::{
    audit::{Audit, Event},
    identity::{Peer, WorkerIdentity},
};

/// Tools that a message names; of more it gives the number.
const NAMED: usize = 8;
/// Tools that are told of one session; of what else it offers nothing is said.
const TOLD: usize = 1024;
/// Of a tool's name in a message, in bytes.
const NAME_BYTES: usize = 128;

/// The other end of a session.
pub(super) struct Caller {
    pub(super) address: Option<SocketAddr>,
    /// `None`: workers need not say who they are.
    pub(super) worker: Option<Arc<WorkerIdentity>>,
    /// Tools that were left out, and said so: once each, however often they are offered.
    told: FxHashSet<Box<str>>,
}

// === impl Caller ===

impl Caller {
    /// What the listener left in the extensions of a request.
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self {
            address: extensions.get::<Peer>().map(|peer| peer.address),
            worker: extensions.get::<Arc<WorkerIdentity>>().cloned(),
            told: FxHashSet::default(),
        }
    }

    /// The name in its certificate; empty where it needs none.
    pub(super) fn identity(&self) -> &str {
        self.worker.as_ref().map_or("", |worker| &worker.uri)
    }

    /// Whether it may have this name.
    pub(super) fn may_be(&self, name: &str) -> Result<(), SessionFault> {
        match &self.worker {
            Some(worker) if !worker.names.allow(name) => Err(SessionFault::IdentityMismatch {
                worker: name.into(),
                identity: worker.uri.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Those of the tools that it may offer.
    pub(super) fn permitted(
        &mut self,
        name: &str,
        mut tools: Vec<v1::Tool>,
        audit: &Audit,
    ) -> Result<Vec<v1::Tool>, SessionFault> {
        let Some(worker) = self.worker.clone() else {
            return Ok(tools);
        };
        let (mut named, mut more) = (Vec::new(), 0);
        tools.retain(|tool| {
            let permitted = worker.tools.allow(&tool.name);
            if !permitted && (worker.strict || self.is_news(&tool.name)) {
                if named.len() < NAMED {
                    named.push(convert::clean(tool.name.clone(), NAME_BYTES));
                } else {
                    more += 1;
                }
            }
            permitted
        });
        if named.is_empty() {
            return Ok(tools);
        }
        if worker.strict {
            let mut tools = format!("`{}`", named.join("`, `"));
            if more > 0 {
                tools.push_str(&format!(" and {more} more"));
            }
            let identity = worker.uri.clone();
            return Err(SessionFault::ToolsNotPermitted { identity, tools });
        }
        tracing::warn!(worker = name, identity = %worker.uri, tools = ?named, more, "tools left out: not permitted");
        audit.record(|| Event::WorkerToolsLeftOut {
            worker: name.into(),
            identity: worker.uri.clone(),
            count: named.len() + more,
            tools: named.into_iter().map(Arc::from).collect(),
        });
        Ok(tools)
    }

    /// Whether this was not told before.
    fn is_news(&mut self, tool: &str) -> bool {
        let known = convert::clean(tool.to_owned(), NAME_BYTES);
        self.told.len() < TOLD && self.told.insert(known.into())
    }
}
