//! Keeps the connections of one server: opens as many as are wanted, replaces what is lost or retired, and asks for the
//! tools again when they may have changed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    model::{ServerNotification, SubscriptionFilter},
    service::Subscription,
};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use toolwave_keeper::Keeper;

use super::{
    catalogue::{Catalogue, Entry},
    client::Client,
    connection::{Connection, Listing},
    http,
    life::Life,
    pool::{Member, Pool},
    process,
    server::{Cancellation, Server},
    text,
};

/// Bytes of a line where no result is bounded.
const MAX_RESULT: u64 = 16 << 20;
/// What a message has beside its result.
const ENVELOPE: u64 = 64 << 10;
/// Between two starts that fail.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// A process that lived so long did not fail at its start.
const SETTLED: Duration = Duration::from_secs(10);
/// Changes that come together are looked at once.
const GATHER: Duration = Duration::from_millis(50);
/// A server that says its list is stale sooner is not asked more often.
const MIN_FRESH: Duration = Duration::from_secs(10);
/// Between two tries to hear of changes.
const RESUBSCRIBE: Duration = Duration::from_secs(30);

/// One server and all that is known of it.
pub(super) struct Serving {
    pub(super) name: Arc<str>,
    pub(super) server: Server,
    pub(super) pool: Pool,
    keeper: Keeper,
    catalogue: Mutex<Catalogue>,
    /// Counts changes of what the catalogue holds.
    changes: watch::Sender<u64>,
    /// True once the first start has come to its end, well or not.
    tried: watch::Sender<bool>,
    closing: CancellationToken,
    /// Connections at once, with those that are being replaced.
    room: Arc<Semaphore>,
    /// Bounded by `room`: two for each connection.
    tasks: TaskTracker,
}

impl Serving {
    pub(super) fn new(name: Arc<str>, server: Server, keeper: Keeper, catalogue: Catalogue) -> Arc<Self> {
        Arc::new(Self {
            pool: Pool::new(server.concurrency),
            room: Arc::new(Semaphore::new(2 * server.pool.max(1) as usize)),
            name,
            server,
            keeper,
            catalogue: Mutex::new(catalogue),
            changes: watch::Sender::new(0),
            tried: watch::Sender::new(false),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Opens the connections, all at once.
    pub(super) fn begin(self: &Arc<Self>) {
        for _ in 0..self.server.pool.max(1) {
            self.tasks.spawn(Arc::clone(self).keep());
        }
    }

    /// Waits until a connection works or a start has failed.
    pub(super) async fn tried(&self) {
        // the start itself is bounded; a sender that is gone cannot be
        let _ = self.tried.subscribe().wait_for(|tried| *tried).await;
    }

    /// Ends all connections, side by side.
    pub(super) async fn end(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends them without waiting.
    pub(super) fn abandon(&self) {
        self.closing.cancel();
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn find(&self, tool: &str) -> Option<Arc<Entry>> {
        self.catalogue().find(tool)
    }

    pub(super) fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the catalogue holds has changed.
    pub(super) fn tell_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// A process that goes on with what it was told to stop is replaced.
    pub(super) fn gives_up(&self) -> bool {
        self.server.command.is_some() && self.server.cancellation == Cancellation::Replace
    }

    /// Keeps one connection in the pool.
    async fn keep(self: Arc<Self>) {
        let mut backoff = BACKOFF.0;
        let mut told = None;
        loop {
            let room = Arc::clone(&self.room);
            let opened = async {
                let permit = room.acquire_owned().await;
                (self.open().await, permit)
            };
            let (opened, permit) = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                opened = opened => opened,
            };
            let since = Instant::now();
            match opened {
                Ok((connection, life, listing)) => {
                    told = None;
                    self.take(&listing);
                    let member = self.pool.add(connection);
                    self.tried.send_replace(true);
                    tracing::info!(server = &*self.name, "an MCP server is ready");
                    self.tasks
                        .spawn(Arc::clone(&self).refresh(Arc::clone(&member), listing.fresh_for));
                    let attending = Arc::clone(&self).attend(Arc::clone(&member), life);
                    self.tasks.spawn(async move {
                        attending.await;
                        drop(permit);
                    });
                    tokio::select! {
                        () = self.closing.cancelled() => return,
                        () = member.retired.cancelled() => continue,
                        () = member.connection.ended.cancelled() => {}
                    }
                }
                Err(why) => {
                    drop(permit);
                    // What is as it was is no news, however often it is tried.
                    if told.as_ref() == Some(&why) {
                        tracing::debug!(
                            server = &*self.name,
                            error = why,
                            "an MCP server still does not start"
                        );
                    } else {
                        tracing::warn!(
                            server = &*self.name,
                            error = why,
                            "an MCP server does not start; it is tried again"
                        );
                        told = Some(why.clone());
                    }
                    self.pool.failed(why);
                    self.tried.send_replace(true);
                }
            }
            if since.elapsed() >= SETTLED {
                backoff = BACKOFF.0;
            }
            // spread, so that a pool does not start all its processes in step
            let wait = backoff.mul_f64(0.5 + fastrand::f64() / 2.0);
            backoff = (backoff * 2).min(BACKOFF.1);
            if timeout(wait, self.closing.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    async fn open(&self) -> Result<(Connection, Life, Listing), String> {
        let max_line = self
            .server
            .max_result
            .unwrap_or(MAX_RESULT)
            .saturating_add(ENVELOPE);
        let max_line = usize::try_from(max_line).unwrap_or(usize::MAX);
        let (connection, mut life) = if self.server.command.is_some() {
            process::open(&self.name, &self.server, &self.keeper, max_line).await?
        } else {
            self.connect(max_line).await?
        };
        let listed = tokio::select! {
            listed = connection.list(self.server.start_timeout) => listed,
            how = life.ended() => Err(how),
        };
        match listed {
            Ok(listing) => Ok((connection, life, listing)),
            Err(why) => {
                life.kill().await;
                Err(text::shown(&why, 512))
            }
        }
    }

    async fn connect(&self, max_event: usize) -> Result<(Connection, Life), String> {
        let transport = http::transport(&self.server, max_event)?;
        let client = Client::default();
        let heard = client.heard();
        let within = self.server.start_timeout;
        let service = match timeout(
            within,
            process::shake_hands(client, transport, self.server.protocol),
        )
        .await
        {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => return Err(text::shown(&process::initialize_error(&error), 512)),
            Err(_) => return Err(format!("it did not answer within {within:?}")),
        };
        let peer = service.peer().clone();
        let connection = Connection {
            peer,
            heard,
            wire: None,
            ended: CancellationToken::new(),
        };
        Ok((connection, Life::http(service)))
    }

    /// Stands by a connection until it is at its end, and ends it.
    async fn attend(self: Arc<Self>, member: Arc<Member>, mut life: Life) {
        let grace = self.server.grace;
        tokio::select! {
            biased;
            () = self.closing.cancelled() => {
                life.close(grace).await;
                self.pool.remove(&member);
            }
            how = life.ended() => {
                self.pool.remove(&member);
                let calls = member.running();
                tracing::warn!(server = &*self.name, how, calls, "an MCP server has ended; it is replaced");
            }
            () = member.useless.cancelled() => {
                tracing::warn!(server = &*self.name, "an MCP server went on with calls that it was told to stop; it is replaced");
                life.kill().await;
                self.pool.remove(&member);
            }
        }
    }

    /// Asks for the tools again when they may have changed.
    async fn refresh(self: Arc<Self>, member: Arc<Member>, mut fresh_for: Option<Duration>) {
        let connection = &member.connection;
        let mut subscription = Changes::new(connection);
        loop {
            let stale = async {
                match fresh_for.filter(|fresh| !fresh.is_zero()) {
                    Some(fresh) => sleep(fresh.max(MIN_FRESH)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.closing.cancelled() => return,
                () = connection.ended.cancelled() => return,
                () = connection.heard.list_changed.notified() => {}
                () = subscription.next() => {}
                () = stale => {}
            }
            sleep(GATHER).await;
            let listed = tokio::select! {
                () = self.closing.cancelled() => return,
                () = connection.ended.cancelled() => return,
                listed = connection.list(self.server.start_timeout) => listed,
            };
            match listed {
                Ok(listing) => {
                    fresh_for = listing.fresh_for;
                    self.take(&listing);
                }
                Err(error) => {
                    let error = text::shown(&error, 512);
                    tracing::warn!(
                        server = &*self.name,
                        error,
                        "an MCP server's tools may have changed and are not told"
                    );
                }
            }
        }
    }

    fn take(&self, listing: &Listing) {
        let changed = self.catalogue().take(&self.server, &listing.tools);
        if changed {
            self.tell_change();
        }
    }
}

/// News of a changed list, of servers that tell them to who subscribes.
struct Changes<'a> {
    connection: &'a Connection,
    subscription: Option<Subscription>,
    subscribes: bool,
}

impl<'a> Changes<'a> {
    fn new(connection: &'a Connection) -> Self {
        let told = connection.peer.peer_info();
        let subscribes = told.is_some_and(|told| {
            let tools = told.capabilities.tools.as_ref();
            !told.protocol_version.has_initialize()
                && tools.is_some_and(|tools| tools.list_changed == Some(true))
        });
        Self {
            connection,
            subscription: None,
            subscribes,
        }
    }

    /// Waits for the next one; for ever with a server that has none.
    async fn next(&mut self) {
        if !self.subscribes {
            std::future::pending::<()>().await;
        }
        loop {
            if let Some(subscription) = &mut self.subscription {
                match subscription.next().await {
                    Ok(Some(ServerNotification::ToolListChangedNotification(_))) => return,
                    Ok(Some(_)) => continue,
                    Ok(None) | Err(_) => self.subscription = None,
                }
                sleep(RESUBSCRIBE).await;
            }
            let filter = SubscriptionFilter::builder().tools_list_changed().build();
            match self.connection.peer.listen(filter).await {
                // what changed before is not told
                Ok(subscription) => {
                    self.subscription = Some(subscription);
                    return;
                }
                Err(_) => sleep(RESUBSCRIBE).await,
            }
        }
    }
}
