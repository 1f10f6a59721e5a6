//! What this side says of itself to a server, and what it hears unasked: progress, and that the list has changed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, ExtensionCapabilities, Implementation, ProgressNotificationParam,
        ProgressToken, TASKS_EXTENSION_ID,
    },
    service::NotificationContext,
};
use tokio::sync::Notify;
use toolwave_tool::CallContext;

/// Progress that came before it was known whose it is; the tasks of one process race by some microseconds.
const MAX_EARLY: usize = 64;

/// Answers a server's questions: there is nobody to ask, so each is declined.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    heard: Arc<Heard>,
}

/// What a server said unasked.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) list_changed: Notify,
    progress: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    calls: HashMap<ProgressToken, CallContext>,
    early: VecDeque<ProgressNotificationParam>,
}

/// A call whose progress is told; dropped, it is no more.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    heard: &'a Heard,
    token: ProgressToken,
}

impl Client {
    pub(super) fn heard(&self) -> Arc<Heard> {
        Arc::clone(&self.heard)
    }
}

impl Heard {
    /// Tells the call's progress while the watch lives.
    pub(super) fn watch(&self, token: ProgressToken, context: &CallContext) -> Watch<'_> {
        let mut watched = self.watched();
        watched.early.retain(|early| {
            let own = early.progress_token == token;
            if own {
                tell(context, early);
            }
            !own
        });
        watched.calls.insert(token.clone(), context.clone());
        Watch { heard: self, token }
    }

    fn progress(&self, progress: ProgressNotificationParam) {
        let mut watched = self.watched();
        if let Some(context) = watched.calls.get(&progress.progress_token) {
            return tell(context, &progress);
        }
        if watched.early.len() == MAX_EARLY {
            watched.early.pop_front();
        }
        watched.early.push_back(progress);
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(context: &CallContext, progress: &ProgressNotificationParam) {
    let fraction = progress
        .total
        .filter(|total| *total > 0.0)
        .map(|total| (progress.progress / total).clamp(0.0, 1.0));
    context.progress(fraction, progress.message.clone().unwrap_or_default());
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.heard.watched().calls.remove(&self.token);
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        let mut extensions = ExtensionCapabilities::new();
        extensions.insert(TASKS_EXTENSION_ID.to_owned(), serde_json::Map::new());
        capabilities.extensions = Some(extensions);
        ClientConfig::new(
            capabilities,
            Implementation::new("toolwave", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.heard.progress(progress);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.heard.list_changed.notify_one();
    }
}
