//! The TLS that a listener's files give now. Files that cannot be used change nothing but the log; connections that
//! are open stay as they are.

use std::{os::unix::fs::MetadataExt as _, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use super::files::{Flaw, load};
use crate::config::Tls;

/// Follows the files until it is dropped.
pub(in crate::server) struct Reloaded {
    current: Arc<ArcSwap<ServerConfig>>,
    _watch: AbortOnDropHandle<()>,
}

/// What differs when a file does: when it and its permissions changed, its length, which file it is. `None`: there
/// is none.
type Print = Option<[i64; 6]>;

// === impl Reloaded ===

impl Reloaded {
    /// Reads the files, and goes on to look at them.
    pub(in crate::server) fn start(tls: Tls, listener: &'static str) -> Result<Self, Vec<Flaw>> {
        // First: what changes while the files are read is seen later.
        let seen = prints(&tls);
        let current = Arc::new(ArcSwap::new(load(&tls)?));
        let watch = tokio::spawn(watch(tls, listener, seen, current.clone()));
        Ok(Self {
            current,
            _watch: AbortOnDropHandle::new(watch),
        })
    }

    /// For the next handshake.
    pub(in crate::server) fn now(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

async fn watch(tls: Tls, listener: &'static str, mut seen: [Print; 3], current: Arc<ArcSwap<ServerConfig>>) {
    let mut looks = interval(tls.reload_interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (files, before) = (tls.clone(), seen);
        let look = tokio::task::spawn_blocking(move || {
            let found = prints(&files);
            (found != before).then(|| (found, load(&files)))
        });
        match look.await {
            Ok(None) => {}
            Ok(Some((found, Ok(loaded)))) => {
                seen = found;
                current.store(loaded);
                tracing::info!(listener, "certificates reloaded");
            }
            Ok(Some((found, Err(flaws)))) => {
                seen = found;
                for flaw in flaws {
                    tracing::error!(listener, %flaw, "changed certificates cannot be used, those before stay");
                }
            }
            Err(error) => tracing::error!(listener, %error, "certificates were not looked at"),
        }
    }
}

fn prints(tls: &Tls) -> [Print; 3] {
    let print = |path: &Path| {
        let file = std::fs::metadata(path).ok()?;
        Some([
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec(),
            file.size().cast_signed(),
            file.ino().cast_signed(),
        ])
    };
    [
        print(&tls.certificate),
        print(&tls.key),
        tls.client_ca.as_deref().and_then(print),
    ]
}
