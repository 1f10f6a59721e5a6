//! The configuration that is in force in a coordinator, for operators to see: with where its values came from, and
//! without its secrets.

use std::sync::Arc;

use arc_swap::ArcSwap;
use toolwave_config::{Sources, effective};

use super::{Config, ReloadStatus};

/// What is in force.
pub(crate) struct InForce {
    config: ArcSwap<Config>,
    sources: ArcSwap<Sources>,
    status: ReloadStatus,
}

// === impl InForce ===

impl InForce {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            config: ArcSwap::from_pointee(config.clone()),
            sources: ArcSwap::default(),
            status: ReloadStatus::default(),
        }
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    pub(crate) fn replace(&self, config: Config) {
        self.config.store(Arc::new(config));
    }

    pub(crate) fn say_sources(&self, sources: Sources) {
        self.sources.store(Arc::new(sources));
    }

    pub(crate) fn status(&self) -> &ReloadStatus {
        &self.status
    }

    /// As TOML, without secrets, each value with where it came from.
    pub(crate) fn shown(&self) -> String {
        effective(&**self.config.load(), &self.sources.load())
            .unwrap_or_else(|error| format!("# it cannot be written: {error}\n"))
    }
}
