//! What changes, as server-sent events: one picture of the cluster a second, made once for all who watch and not at
//! all when nobody does; and the one execution that a viewer has open, in the calls that changed.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::MissedTickBehavior,
};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Status};
use toolwave_proto::v1::{self, admin_service_server::AdminService as _};

use super::{
    Services, Shared,
    guard::Guard,
    json::{self, Failure},
    watched::{Executions, Watch},
};

/// Streams at once: each is a connection and a copy of the last picture. A quarter of what one address may open, as all
/// come from one through a forwarded port: the page asks for more than its stream, and others ask too.
const MAX_VIEWERS: usize = 32;
/// Between two pictures of the cluster.
const PERIOD: Duration = Duration::from_secs(1);
/// Executions in a picture, the newest.
const NEWEST: u32 = 50;

/// Those who watch.
pub(super) struct Live {
    services: Services,
    viewers: Arc<Semaphore>,
    pictures: Mutex<Weak<Pictures>>,
    executions: Executions,
}

/// Makes pictures as long as somebody holds it.
struct Pictures {
    latest: watch::Receiver<Bytes>,
    _making: AbortOnDropHandle<()>,
}

/// What a viewer may ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// The one that is open.
    execution: Option<String>,
}

/// One stream.
struct Viewer {
    latest: watch::Receiver<Bytes>,
    _pictures: Arc<Pictures>,
    open: Option<Watch>,
    guard: Arc<Guard>,
    peer: SocketAddr,
    headers: HeaderMap,
    _permit: OwnedSemaphorePermit,
}

/// `GET /api/live`.
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let live = &shared.live;
    let Ok(permit) = live.viewers.clone().try_acquire_owned() else {
        return Failure {
            status: StatusCode::SERVICE_UNAVAILABLE,
            word: "TOO_MANY_VIEWERS",
            message: format!("{MAX_VIEWERS} pages watch already: close one, or wait for one to be closed"),
        }
        .into_response();
    };
    let pictures = live.pictures();
    let mut latest = pictures.latest.clone();
    latest.mark_changed();
    let viewer = Viewer {
        latest,
        _pictures: pictures,
        open: wanted
            .execution
            .map(|id| live.executions.watch(&live.services, id)),
        guard: shared.guard.clone(),
        peer,
        headers,
        _permit: permit,
    };
    let events = stream::unfold(viewer, |mut viewer| async move {
        let event = viewer.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), viewer))
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(events),
    )
        .into_response()
}

/// One event; the text has no line ends, as JSON has none.
pub(super) fn event(name: &str, text: &str) -> Bytes {
    format!("event: {name}\ndata: {text}\n\n").into()
}

// === impl Live ===

impl Live {
    pub(super) fn new(services: Services) -> Self {
        Self {
            services,
            viewers: Arc::new(Semaphore::new(MAX_VIEWERS)),
            pictures: Mutex::default(),
            executions: Executions::default(),
        }
    }

    /// Those that are made, or will be from now on.
    fn pictures(&self) -> Arc<Pictures> {
        let mut made = self.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pictures) = made.upgrade() {
            return pictures;
        }
        let (sender, latest) = watch::channel(Bytes::new());
        let making = tokio::spawn(make(self.services.clone(), sender));
        let pictures = Arc::new(Pictures {
            latest,
            _making: AbortOnDropHandle::new(making),
        });
        *made = Arc::downgrade(&pictures);
        pictures
    }
}

async fn make(services: Services, sender: watch::Sender<Bytes>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let made = match picture(&services).await {
            Ok(text) => event("picture", &text),
            Err(status) => event("failure", &json::error(&status).to_string()),
        };
        if sender.send(made).is_err() {
            return;
        }
    }
}

async fn picture(services: &Services) -> Result<String, Status> {
    let admin = &services.admin;
    let cluster = admin.get_cluster(Request::new(v1::GetClusterRequest {})).await?;
    let workers = admin
        .list_workers(Request::new(v1::ListWorkersRequest {}))
        .await?;
    let newest = v1::ListExecutionsRequest {
        limit: NEWEST,
        ..Default::default()
    };
    let executions = admin.list_executions(Request::new(newest)).await?;
    let (cluster, workers, executions) = (
        json::text(cluster.get_ref())?,
        json::text(workers.get_ref())?,
        json::text(executions.get_ref())?,
    );
    Ok(format!(
        r#"{{"cluster":{cluster},"workers":{workers},"executions":{executions}}}"#
    ))
}

// === impl Viewer ===

impl Viewer {
    /// `None`: the coordinator ends, or whoever watches may not any more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let event = tokio::select! {
                changed = self.latest.changed() => {
                    changed.ok()?;
                    // A token may have been withdrawn since.
                    self.guard.operator(self.peer, "/api/live", &self.headers).ok()?;
                    self.latest.borrow_and_update().clone()
                }
                event = next_of(&mut self.open) => event,
            };
            if !event.is_empty() {
                return Some(event);
            }
        }
    }
}

async fn next_of(open: &mut Option<Watch>) -> Bytes {
    match open {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}
