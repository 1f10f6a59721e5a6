//! Executions that somebody has open: each looked at up to five times a second, once for all who watch it, and sent
//! in the calls that changed since the viewer last heard. Nothing is queued for a viewer: a slow one skips.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use axum::body::Bytes;
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Status};
use toolwave_proto::v1::{self, admin_service_server::AdminService as _};

use super::{Services, json, live::event};

/// Between two looks, at least.
const PERIOD: Duration = Duration::from_millis(200);
/// And so many times as long as a look takes: of ten thousand calls it is milliseconds of a core.
const REST: u32 = 10;

/// Those that are open, by id.
#[derive(Default)]
pub(super) struct Executions(Mutex<HashMap<String, Weak<Looked>>>);

/// One of them; looked at as long as somebody holds it.
struct Looked {
    state: Arc<Mutex<State>>,
    version: watch::Receiver<u64>,
    _looking: AbortOnDropHandle<()>,
}

/// As of the last look.
#[derive(Default)]
struct State {
    version: u64,
    /// All but its calls, or the error that came instead; with the name of the event.
    head: (&'static str, String),
    /// With the version in which each changed last.
    calls: Vec<(u64, String)>,
}

/// A viewer's.
pub(super) struct Watch {
    looked: Arc<Looked>,
    version: watch::Receiver<u64>,
    seen: u64,
}

// === impl Executions ===

impl Executions {
    pub(super) fn watch(&self, services: &Services, id: String) -> Watch {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, looked| looked.strong_count() > 0);
        let looked = open.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let state = Arc::new(Mutex::new(State::default()));
            let (sender, version) = watch::channel(0);
            let looking = tokio::spawn(look(services.clone(), id.clone(), state.clone(), sender));
            let looked = Arc::new(Looked {
                state,
                version,
                _looking: AbortOnDropHandle::new(looking),
            });
            open.insert(id, Arc::downgrade(&looked));
            looked
        });
        let mut version = looked.version.clone();
        version.mark_changed();
        Watch {
            looked,
            version,
            seen: 0,
        }
    }
}

// === impl Watch ===

impl Watch {
    /// The next event; never comes when nothing changes any more. Safe to cancel.
    pub(super) async fn next(&mut self) -> Bytes {
        if self.version.changed().await.is_err() {
            // It has ended; what was said last is still to be heard by who came late.
            if self.looked.lock().version == self.seen {
                return std::future::pending().await;
            }
        }
        self.version.borrow_and_update();
        let state = self.looked.lock();
        if state.version == 0 {
            return Bytes::new();
        }
        let (name, head) = &state.head;
        let since = std::mem::replace(&mut self.seen, state.version);
        let changed: Vec<&str> = state
            .calls
            .iter()
            .filter(|(version, _)| *version > since)
            .map(|(_, call)| call.as_str())
            .collect();
        let text = format!(
            r#"{{"head":{head},"whole":{whole},"calls":[{calls}]}}"#,
            whole = since == 0,
            calls = changed.join(",")
        );
        event(name, &text)
    }
}

impl Looked {
    /// No panic can happen under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look(services: Services, id: String, state: Arc<Mutex<State>>, sender: watch::Sender<u64>) {
    let mut before = Vec::new();
    loop {
        let began = Instant::now();
        let request = v1::GetExecutionRequest {
            execution_id: id.clone(),
        };
        let answer = services.admin.get_execution(Request::new(request)).await;
        let shown = state.clone();
        // Never aborted: it ends by itself.
        let noted = tokio::task::spawn_blocking(move || {
            let on = note(&shown, answer.map(tonic::Response::into_inner), &mut before);
            (on, before)
        });
        let Ok((on, noted)) = noted.await else { return };
        before = noted;
        let version = state.lock().unwrap_or_else(PoisonError::into_inner).version;
        if sender.send(version).is_err() || !on {
            return;
        }
        tokio::time::sleep(PERIOD.max(began.elapsed() * REST)).await;
    }
}

/// Whether it is worth another look.
fn note(
    state: &Mutex<State>,
    answer: Result<v1::GetExecutionResponse, Status>,
    before: &mut Vec<v1::CallTimeline>,
) -> bool {
    let said = answer.and_then(|mut answer| {
        let calls = std::mem::take(&mut answer.calls);
        let mut changed = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            if before.get(at) != Some(call) {
                changed.push((at, json::text(call)?));
            }
        }
        let runs = answer
            .status
            .as_ref()
            .is_some_and(|status| status.ended_at.is_none());
        Ok((json::text(&answer)?, runs, calls, changed))
    });
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.version += 1;
    let version = state.version;
    match said {
        Ok((head, runs, calls, changed)) => {
            state.head = ("execution", head);
            state.calls.resize(calls.len(), (version, String::from("{}")));
            for (at, text) in changed {
                state.calls[at] = (version, text);
            }
            *before = calls;
            runs
        }
        Err(status) => {
            state.head = ("execution-failure", json::error(&status).to_string());
            state.calls.clear();
            false
        }
    }
}
