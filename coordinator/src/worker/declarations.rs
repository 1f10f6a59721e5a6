//! The tools that workers declare: the current catalogue, and the way to a next one. One declaration is compiled
//! after the other, large ones beside the threads that serve; readers never wait for that.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use prost::Message as _;
use toolwave_proto::v1;

use super::convert;
use crate::catalogue::Catalogue;

/// Declarations of so many bytes are compiled beside the threads that serve: schemas can ask for much.
const LARGE: usize = 8 * 1024;

/// The current catalogue.
#[derive(Default)]
pub(crate) struct Declarations {
    current: Mutex<Arc<Catalogue>>,
    /// Held from reading the current catalogue to replacing it.
    writing: Arc<tokio::sync::Mutex<()>>,
}

// === impl Declarations ===

impl Declarations {
    /// Does not change under its holder.
    pub(crate) fn current(&self) -> Arc<Catalogue> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Declares what a worker hosts; returns the names that it may be given calls of. A tool that cannot be
    /// declared is left out, and its operator reads why.
    pub(crate) async fn declare(self: &Arc<Self>, worker: &str, tools: Vec<v1::Tool>) -> Vec<Arc<str>> {
        let turn = self.writing.clone().lock_owned().await;
        if tools.iter().map(v1::Tool::encoded_len).sum::<usize>() < LARGE {
            return self.replace(worker, tools);
        }
        let (declarations, worker) = (self.clone(), worker.to_owned());
        let compiling = tokio::task::spawn_blocking(move || {
            // To the end, even where nobody waits for it any more.
            let _turn = turn;
            declarations.replace(&worker, tools)
        });
        compiling.await.unwrap_or_else(|error| {
            tracing::error!(%error, "tools left out: their declarations were not compiled");
            Vec::new()
        })
    }

    fn replace(&self, worker: &str, tools: Vec<v1::Tool>) -> Vec<Arc<str>> {
        let mut catalogue = Catalogue::clone(&self.current());
        let mut changes = false;
        let mut names: Vec<Arc<str>> = Vec::with_capacity(tools.len());
        let mut seen = HashSet::with_capacity(tools.len());
        for tool in tools {
            let name: Arc<str> = tool.name.as_str().into();
            if seen.contains(&name) {
                tracing::warn!(worker, tool = %name, "worker declares a tool twice; the first counts");
                continue;
            }
            match catalogue.add(tool) {
                Ok((_, changed)) => {
                    changes |= changed;
                    seen.insert(name.clone());
                    names.push(name);
                }
                Err(error) => {
                    let tool = convert::clean(name.to_string(), 160);
                    tracing::warn!(worker, tool, %error, "tool left out: its declaration is wrong");
                }
            }
        }
        if changes {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            // the driver withdraws without waiting for its turn
            catalogue.keep_withdrawn(&current, &names);
            *current = Arc::new(catalogue);
        }
        names
    }

    /// A worker is given calls of these tools: whatever was withdrawn of them is offered again.
    pub(crate) fn offered(&self, names: &[Arc<str>]) -> Arc<Catalogue> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if names.iter().any(|name| !current.offers(name)) {
            let before = current.clone();
            Arc::make_mut(&mut current).keep_withdrawn(&before, names);
        }
        current.clone()
    }

    /// These tools are offered to nobody from here on, until they are declared again.
    pub(crate) fn withdraw(&self, names: Vec<Arc<str>>) {
        if !names.is_empty() {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut current).withdraw(names);
        }
    }
}
