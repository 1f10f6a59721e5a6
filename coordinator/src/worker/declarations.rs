//! The tools that workers declare: the current catalogue, and the way to a next one. Schemas are compiled in
//! the task of the session that declares them, one declaration after the other; readers never wait for that.

use std::sync::{Arc, Mutex, PoisonError};

use toolwave_proto::v1;

use super::convert;
use crate::catalogue::Catalogue;

/// The current catalogue.
#[derive(Default)]
pub(crate) struct Declarations {
    current: Mutex<Arc<Catalogue>>,
    /// Held from reading the current catalogue to replacing it.
    writing: tokio::sync::Mutex<()>,
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
    pub(crate) async fn declare(&self, worker: &str, tools: Vec<v1::Tool>) -> Vec<Arc<str>> {
        let _turn = self.writing.lock().await;
        let mut catalogue = self.current();
        let mut names: Vec<Arc<str>> = Vec::with_capacity(tools.len());
        for tool in tools {
            let name: Arc<str> = tool.name.as_str().into();
            if names.contains(&name) {
                tracing::warn!(worker, tool = %name, "worker declares a tool twice; the first counts");
                continue;
            }
            match catalogue.declare(tool) {
                Ok(declared) => {
                    if declared.changed {
                        catalogue = Arc::new(declared.catalogue);
                    }
                    names.push(name);
                }
                Err(error) => {
                    let tool = convert::clean(name.to_string(), 160);
                    tracing::warn!(worker, tool, %error, "tool left out: its declaration is wrong");
                }
            }
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = catalogue;
        names
    }
}
