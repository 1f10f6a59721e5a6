//! The TLS that a listener's files give now. Files that cannot be used change nothing but the log; connections that
//! are open stay as they are.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use super::files::{Flaw, Loaded, load};
use crate::{config::Tls, files::Looks};

/// Between two lines that a certificate has expired.
const REMIND: Duration = Duration::from_secs(60 * 60);

/// Follows the files until it is dropped.
pub(in crate::server) struct Reloaded {
    current: Arc<ArcSwap<Loaded>>,
    _watch: AbortOnDropHandle<()>,
}

// === impl Reloaded ===

impl Reloaded {
    /// Reads the files, and goes on to look at them.
    pub(in crate::server) fn start(tls: Tls, listener: &'static str) -> Result<Self, Vec<Flaw>> {
        // First: what changes while the files are read is seen later.
        let seen = looks(&tls);
        let current = Arc::new(ArcSwap::from_pointee(load(&tls)?));
        let watch = tokio::spawn(watch(tls, listener, seen, current.clone()));
        Ok(Self {
            current,
            _watch: AbortOnDropHandle::new(watch),
        })
    }

    /// Says when the first of the certificates in use expires, in seconds since 1970.
    pub(in crate::server) fn expiry(&self) -> impl Fn() -> Option<u64> + Send + Sync + 'static {
        let current = self.current.clone();
        move || current.load().not_after()
    }

    /// For the next handshake.
    pub(in crate::server) fn now(&self) -> Arc<ServerConfig> {
        self.current.load().config.clone()
    }
}

async fn watch(tls: Tls, listener: &'static str, mut seen: Looks, current: Arc<ArcSwap<Loaded>>) {
    let mut interval = interval(tls.reload_interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reminded: Option<Instant> = None;
    let mut flaws = Vec::new();
    loop {
        interval.tick().await;
        if reminded.is_none_or(|at| at.elapsed() >= REMIND)
            && let Err(why) = current.load().check()
        {
            reminded = Some(Instant::now());
            tracing::error!(listener, why, "clients refuse this listener's certificates");
        }
        let (files, before) = (tls.clone(), seen.clone());
        let look = tokio::task::spawn_blocking(move || {
            let found = looks(&files);
            (found != before).then(|| (found, load(&files)))
        });
        match look.await {
            Ok(None) => {}
            Ok(Some((found, Ok(loaded)))) => {
                seen = found;
                reminded = None;
                flaws.clear();
                current.store(Arc::new(loaded));
                tracing::info!(listener, "certificates reloaded");
            }
            // Not seen yet: what is wrong may pass without a change of the files, such as a want of descriptors.
            Ok(Some((_, Err(found)))) => {
                for flaw in found.iter().filter(|flaw| !flaws.contains(*flaw)) {
                    tracing::error!(listener, %flaw, "changed certificates cannot be used, those before stay");
                }
                flaws = found;
            }
            Err(error) => tracing::error!(listener, %error, "certificates were not looked at"),
        }
    }
}

fn looks(tls: &Tls) -> Looks {
    let mut paths = vec![tls.certificate.clone(), tls.key.clone()];
    paths.extend(tls.client_ca.clone());
    Looks::of(&paths)
}
