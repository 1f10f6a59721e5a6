//! A worker as a program of yours holds it: built, run, watched and drained.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::{self, Channel, Endpoint};
use toolwave_config::ReloadStatus;
use toolwave_link::{Link, Resolver, Tls};
use toolwave_telemetry::{logs::LogControl, traces::Tracer};
use toolwave_tool::{SharedTool, Tool, is_name};

use crate::{
    admin::{self, Host},
    client,
    coordinators::{Coordinators, Told},
    error::{BuildError, RunError},
    handle::{Status, WorkerHandle},
    health,
    offer::Offer,
    service::Shared,
    slots::Slots,
};

/// Where a coordinator listens unless told otherwise.
pub const DEFAULT_COORDINATOR: &str = "http://127.0.0.1:7420";
/// Enough for tools that wait for a disk or a network, few enough that their largest results at once fit into
/// the memory of a small machine.
pub const DEFAULT_SLOTS: u32 = 16;
/// How long what runs may go on when the worker drains.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Of the parameters of a call, and of its result.
pub const DEFAULT_MAX_PAYLOAD: u64 = 8 << 20;

/// How connections come about, where not over TCP.
type Connect = Arc<dyn Fn(Endpoint) -> BoxFuture<'static, Result<Channel, transport::Error>> + Send + Sync>;

/// What a worker goes by; checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) drain_timeout: Duration,
    pub(crate) max_parameters_bytes: u64,
    pub(crate) tracer: Tracer,
}

/// Makes a [`Worker`].
#[must_use]
pub struct WorkerBuilder {
    coordinators: Vec<String>,
    resolver: Resolver,
    tls: Tls,
    connect: Option<Connect>,
    settings: Settings,
    tools: Vec<SharedTool>,
    health: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    host: Host,
    max_result_bytes: u64,
}

/// A worker that is ready to run. It dials its coordinators, and dials again for ever when a session ends.
pub struct Worker {
    settings: Settings,
    links: Vec<Link>,
    resolver: Resolver,
    offer: Arc<Offer>,
    health: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    host: Host,
    status: watch::Sender<Status>,
    drain: CancellationToken,
}

impl Worker {
    /// A worker with no tools, for a coordinator on this machine.
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder {
            coordinators: vec![DEFAULT_COORDINATOR.to_owned()],
            resolver: Resolver::system(),
            tls: Tls::new(),
            connect: None,
            settings: Settings {
                name: default_name(),
                slots: DEFAULT_SLOTS,
                labels: BTreeMap::new(),
                drain_timeout: DEFAULT_DRAIN_TIMEOUT,
                max_parameters_bytes: DEFAULT_MAX_PAYLOAD,
                tracer: Tracer::off(),
            },
            tools: Vec::new(),
            health: None,
            admin: None,
            host: Host::default(),
            max_result_bytes: DEFAULT_MAX_PAYLOAD,
        }
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// For watching and draining it while it runs.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle {
            status: self.status.subscribe(),
            offer: Arc::clone(&self.offer),
            drain: self.drain.clone(),
        }
    }

    /// Runs until it is drained through its handle. Signals are not listened for.
    ///
    /// # Errors
    /// The address for health checks cannot be bound. Trouble with the coordinator is never an error.
    pub async fn run(self) -> Result<(), RunError> {
        self.run_until(CancellationToken::new()).await
    }

    /// Runs until `stop` fires or it is drained through its handle: then no attempt is taken any more, what runs
    /// may end until the drain's timeout, and the worker says goodbye.
    ///
    /// # Errors
    /// As [`Worker::run`].
    pub async fn run_until(self, stop: CancellationToken) -> Result<(), RunError> {
        let mut tasks = tokio::task::JoinSet::new();
        if let Some(address) = self.health {
            let listener = health::bind(address).await?;
            let bound = listener.local_addr().ok();
            self.status.send_modify(|status| status.health = bound);
            tasks.spawn(health::serve(listener, self.status.subscribe()));
        }
        let numbers = self.offer.numbers().clone();
        if let Some(address) = self.admin {
            let port = admin::bind(address).await?;
            let bound = port.address();
            self.status.send_modify(|status| status.admin = Some(bound));
            tasks.spawn(admin::serve(
                port,
                self.status.subscribe(),
                numbers.clone(),
                self.host,
            ));
        }
        let drain = self.drain.clone();
        let shared = Shared {
            tools: self.offer.watch(),
            instance_id: uuid::Uuid::new_v4().to_string(),
            status: self.status,
            slots: Slots::new(self.settings.slots),
            turns: client::Turns::default(),
            told: Told::default(),
            numbers,
            settings: self.settings,
        };
        let serving = Coordinators::new(self.links, self.resolver, shared, drain.clone()).run();
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => return Ok(()),
            () = stop.cancelled() => drain.cancel(),
        }
        serving.await;
        Ok(())
    }

    /// Runs until SIGTERM or SIGINT, then drains; a second signal ends it at once.
    ///
    /// # Errors
    /// As [`Worker::run`]; signals cannot be listened for; [`RunError::Interrupted`] for a second signal.
    pub async fn run_until_signal(self) -> Result<(), RunError> {
        let mut signals = Signals::listen().map_err(RunError::Signals)?;
        let stop = CancellationToken::new();
        let running = self.run_until(stop.clone());
        tokio::pin!(running);
        loop {
            tokio::select! {
                ended = &mut running => return ended,
                signal = signals.next() => {
                    if stop.is_cancelled() {
                        return Err(RunError::Interrupted { signal });
                    }
                    tracing::info!(signal, "asked to end");
                    stop.cancel();
                }
            }
        }
    }
}

impl WorkerBuilder {
    /// Where to dial: `http://HOST:PORT` or `https://HOST:PORT`. The worker connects to every address of the host, and
    /// follows when they change.
    pub fn coordinator(self, url: impl Into<String>) -> Self {
        self.coordinators([url])
    }

    /// Where to dial, in place of what was said before. The worker connects to all of them, up to 10 addresses.
    pub fn coordinators(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.coordinators = urls.into_iter().map(Into::into).collect();
        self
    }

    /// Looks the names of coordinators up there instead of in the system's hosts file and DNS.
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Whom to trust and what to show, for a coordinator at `https`. Files are read again for each session, so that
    /// they can be replaced while the worker runs.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Connects by other means than TCP, such as a simulated network; no part of the interface.
    #[doc(hidden)]
    pub fn connect_with(
        mut self,
        connect: impl Fn(Endpoint) -> BoxFuture<'static, Result<Channel, transport::Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.connect = Some(Arc::new(connect));
        self
    }

    /// Unique in the cluster, stable over restarts. Unless given: the host's name and the process's number.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Attempts at once; 0 registers a worker that takes none.
    pub fn slots(mut self, slots: u32) -> Self {
        self.settings.slots = slots;
        self
    }

    /// Adds a tool.
    pub fn tool(self, tool: impl Tool) -> Self {
        self.tools([Arc::new(tool) as SharedTool])
    }

    /// Adds tools.
    pub fn tools(mut self, tools: impl IntoIterator<Item = SharedTool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// Adds a label, for operators and placement.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.labels.insert(key.into(), value.into());
        self
    }

    /// Serves `grpc.health.v1` there: SERVING exactly while registered and not draining.
    pub fn health(mut self, address: SocketAddr) -> Self {
        self.health = Some(address);
        self
    }

    /// Serves `/livez`, `/readyz` and `/metrics` there, over plain HTTP: ready exactly while registered and not draining.
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.admin = Some(address);
        self
    }

    /// The logs of this program: whoever reaches the admin port from this host can change what is logged.
    pub fn logs(mut self, logs: LogControl) -> Self {
        self.host.logs = Some(logs);
        self
    }

    /// What `GET /config` of the admin port answers, to whoever reaches it from this host: without secrets.
    pub fn settings_text(mut self, text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.host.settings = Some(Arc::new(text));
        self
    }

    /// On the page of metrics: what came of reading again one of the program's files, which is called `file` there.
    pub fn reload_status(mut self, file: &'static str, status: Arc<ReloadStatus>) -> Self {
        self.host.reloads.push((file, status));
        self
    }

    /// Takes the spans of tools that are called within a trace.
    pub fn tracer(mut self, tracer: Tracer) -> Self {
        self.settings.tracer = tracer;
        self
    }

    /// How long what runs may go on when the worker drains.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.settings.drain_timeout = timeout;
        self
    }

    /// Larger parameters are refused.
    pub fn max_parameters_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_parameters_bytes = bytes;
        self
    }

    /// A larger result is a failure of its call, whatever its tool declares.
    pub fn max_result_bytes(mut self, bytes: u64) -> Self {
        self.max_result_bytes = bytes;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Says what is wrong, of which tool, and what would be right.
    pub fn build(self) -> Result<Worker, BuildError> {
        let Self {
            coordinators,
            resolver,
            tls,
            connect,
            settings,
            tools,
            health,
            admin,
            host,
            max_result_bytes,
        } = self;
        if !is_name(&settings.name) {
            return Err(BuildError::Name { name: settings.name });
        }
        if coordinators.is_empty() {
            return Err(BuildError::Coordinator {
                url: String::new(),
                reason: format!("none is given; expected at least one, such as {DEFAULT_COORDINATOR}"),
            });
        }
        let links = coordinators.iter().map(|url| {
            let link = client::link(url, tls.clone())?;
            Ok(match connect.clone() {
                None => link,
                Some(connect) => link.connecting_by(move |endpoint| connect(endpoint)),
            })
        });
        let links = links.collect::<Result<_, BuildError>>()?;
        let offer = Offer::try_new(settings.clone(), max_result_bytes, tools)?;
        Ok(Worker {
            settings,
            links,
            resolver,
            offer: Arc::new(offer),
            health,
            admin,
            host,
            status: watch::Sender::default(),
            drain: CancellationToken::new(),
        })
    }
}

/// The host's name and the process's number, and a number for each further worker of the process.
fn default_name() -> String {
    static WORKERS: AtomicU32 = AtomicU32::new(0);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let host: String = host
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
        .take(96)
        .collect();
    let host = if host.is_empty() { "worker" } else { &host };
    let pid = std::process::id();
    match WORKERS.fetch_add(1, Ordering::Relaxed) {
        0 => format!("{host}-{pid}"),
        more => format!("{host}-{pid}-{more}"),
    }
}

/// SIGTERM and SIGINT, by number.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.interrupt.recv() => 2,
        }
    }
}

/// Ctrl-C, told as SIGINT.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}
