//! MCP servers: all tools of a server appear as `SERVER.TOOL`.
//!
//! A [`Server`] is the table `[servers.NAME]`; started, it is [`Mounted`], which keeps processes or a connection for as
//! long as it lives, whatever becomes of the server, and says which tools there are. Nothing here knows of the file or
//! of sessions. The protocol itself is rmcp's.

mod canonical;
mod catalogue;
mod check;
mod client;
mod connection;
mod definition;
mod http;
mod life;
mod pool;
mod process;
mod result;
mod server;
mod serving;
mod skim;
mod stdio;
mod text;
mod tool;
mod wire;

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use toolwave_keeper::Keeper;
use toolwave_tool::SharedTool;

pub use server::{Cancellation, Overrides, Protocol, Resources, Server, StandardError, Starts};

use catalogue::Catalogue;
use serving::Serving;
use tool::McpTool;

pub use crate::approval::{Approved, Definition, Standing};
use crate::value::Source;

/// A server that is hosted. Dropped, its processes end without being waited for; better [`Mounted::close`] it.
pub struct Mounted {
    serving: Arc<Serving>,
    changes: watch::Receiver<u64>,
}

impl Server {
    /// Starts it, and waits until it works or a start has failed: then it is tried again, and its tools appear later.
    /// Call it on a tokio runtime. What [`Server::check`] finds is not looked for again.
    pub async fn start(self, name: &str, keeper: &Keeper, approved: Approved) -> Mounted {
        self.start_within(None, name, keeper, approved).await
    }

    /// The same, but waits no longer than `patience`; what is not there by then appears later.
    pub async fn start_within(
        self,
        patience: Option<Duration>,
        name: &str,
        keeper: &Keeper,
        approved: Approved,
    ) -> Mounted {
        let name: Arc<str> = name.into();
        let catalogue = Catalogue::new(Arc::clone(&name), approved);
        let serving = Serving::new(name, self, keeper.clone(), catalogue);
        let changes = serving.changes();
        let mut mounted = Mounted { serving, changes };
        mounted.serving.begin();
        match patience {
            None => mounted.serving.tried().await,
            Some(patience) => {
                if timeout(patience, mounted.serving.tried()).await.is_err() {
                    tracing::warn!(
                        server = &*mounted.serving.name,
                        "an MCP server takes long to start; its tools appear when it is ready"
                    );
                }
            }
        }
        // what is there now has not been asked for yet, so it is no change
        mounted.changes.mark_unchanged();
        mounted
    }

    /// Takes paths that are not absolute as below a folder; not the program's, which must be.
    pub fn relative_to(&mut self, folder: &Path) {
        let sources = self.headers.values_mut().chain(self.environment.values_mut());
        let files = sources.filter_map(|source| match source {
            Source::File(path) => Some(path),
            Source::Text(_) | Source::Variable(_) => None,
        });
        for path in files.chain(&mut self.directory) {
            *path = folder.join(&*path);
        }
    }
}

impl Mounted {
    /// The tools that the server has now, by name. Those in quarantine are among them, and refuse calls.
    #[must_use]
    pub fn tools(&self) -> Vec<SharedTool> {
        let catalogue = self.serving.catalogue();
        let tools = catalogue.entries().filter_map(|entry| {
            Some(Arc::new(McpTool {
                declaration: entry.declaration.clone()?,
                entry: Arc::clone(entry),
                serving: Arc::clone(&self.serving),
            }) as SharedTool)
        });
        tools.collect()
    }

    /// Ends when [`Mounted::tools`] may give others than when this was last awaited. Dropped, it loses nothing.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // its sender lives as long as this
            std::future::pending::<()>().await;
        }
    }

    /// What the server says of its tools, and what is known of that, by name.
    #[must_use]
    pub fn definitions(&self) -> Vec<Definition> {
        let catalogue = self.serving.catalogue();
        let definitions = catalogue.entries().map(|entry| Definition {
            name: entry.name.clone(),
            hash: entry.hash.clone(),
            text: entry.text.clone(),
            standing: entry.standing.clone(),
        });
        definitions.collect()
    }

    /// Takes what the operator has approved since; the tools may change by it.
    pub fn approve(&self, approved: Approved) {
        let changed = self.serving.catalogue().approve(&self.serving.server, approved);
        if changed {
            self.serving.tell_change();
        }
    }

    /// Why the server does not work, where none of its connections does and it is known.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.serving.pool.failure()
    }

    /// Ends all its processes, side by side: their input is closed, after the grace they are told to end, and after
    /// another they are killed.
    pub async fn close(self) {
        self.serving.end().await;
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.serving.abandon();
    }
}

impl std::fmt::Debug for Mounted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mounted")
            .field("server", &self.serving.name)
            .finish_non_exhaustive()
    }
}
