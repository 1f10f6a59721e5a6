//! Where executions go: a cluster elsewhere, or a coordinator and a worker in this process, on a loopback port.
//!
//! Both are spoken to over gRPC by the same client, so what works here works there.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use toolwave_client::{Client, ClientBuilder, Tls};
use toolwave_coordinator::{Coordinator, config::Config};
use toolwave_mounted::{Mounts, ToolsFile};
use toolwave_worker::{
    SharedTool, Worker, WorkerHandle,
    tools::{Allow, Builtin, builtin_tools},
};

use crate::{again::AgainArgs, args::LinkArgs, failure::Failure, mounted, output};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A way to run calls.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    embedded: Option<Embedded>,
}

struct Embedded {
    coordinator: Coordinator,
    stop: CancellationToken,
    worker: JoinHandle<Result<(), toolwave_worker::RunError>>,
    mounts: Option<Mounted>,
}

/// The tools of a file, kept up to date while the worker runs.
struct Mounted {
    close: CancellationToken,
    following: AbortOnDropHandle<()>,
}

impl Cluster {
    /// Connects to a cluster and sees that it answers, within 10 s and what patience there is.
    pub(crate) async fn remote(url: &str, link: &LinkArgs, again: AgainArgs) -> Result<Self, Failure> {
        let connected = async {
            let client = again.connect(url, link).await?;
            // A port that takes connections need not be a coordinator's.
            client.list_tools().await?;
            Ok(Self {
                client,
                embedded: None,
            })
        };
        within_time(url, ANSWER_TIMEOUT.saturating_add(again.patience()), connected).await
    }

    /// Starts one in this process, with the built-in tools that `allowed` permits and those of a file.
    pub(crate) async fn embedded(
        allowed: &Builtin,
        slots: u32,
        file: Option<ToolsFile>,
    ) -> Result<Self, Failure> {
        let builtin = builtin_tools(allowed).map_err(|error| Failure::Usage(error.to_string()))?;
        let mounts = match file {
            Some(file) => Some(mounted::open(file).await?),
            None => None,
        };
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Failure::Other(format!("the embedded {what} does not start: {error}"))
        };
        let coordinator = Coordinator::start(Config::embedded())
            .await
            .map_err(|error| failed("coordinator", &error))?;
        let url = format!("http://{}", loopback(coordinator.address()));
        let worker = Worker::builder()
            .coordinator(url.clone())
            .name("local")
            .slots(slots)
            .tools(builtin.iter().cloned())
            .tools(mounts.iter().flat_map(Mounts::tools));
        let worker = worker.build().map_err(|error| failed("worker", &error))?;
        let handle = worker.handle();
        let mounts = mounts.map(|mounts| Mounted::follow(mounts, builtin, handle.clone()));
        let stop = CancellationToken::new();
        let mut worker = tokio::spawn(worker.run_until(stop.clone()));
        if !handle.registered().await {
            return Err(match (&mut worker).await {
                Ok(Ok(())) => failed("worker", &"it ended before it registered"),
                Ok(Err(error)) => failed("worker", &error),
                Err(error) => failed("worker", &error),
            });
        }
        let client = Client::connect(url).await?;
        Ok(Self {
            client,
            embedded: Some(Embedded {
                coordinator,
                stop,
                worker,
                mounts,
            }),
        })
    }

    /// Ends what was started; tools that still run are stopped by the end of their execution, not by this.
    pub(crate) async fn close(self) {
        let Some(Embedded {
            coordinator,
            stop,
            worker,
            mounts,
        }) = self.embedded
        else {
            return;
        };
        drop(self.client);
        stop.cancel();
        let closed = async {
            if let Ok(Err(error)) = worker.await {
                tracing::warn!(%error, "the embedded worker ended badly");
            }
            coordinator.shutdown().await;
            if let Some(mounts) = mounts {
                mounts.close().await;
            }
        };
        // Every call has its outcome by now. A tool that does not stop ends with the process.
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            tracing::warn!("the embedded cluster did not close in time");
        }
    }
}

impl Mounted {
    fn follow(mut mounts: Mounts, builtin: Vec<SharedTool>, worker: WorkerHandle) -> Self {
        let close = CancellationToken::new();
        let closing = close.clone();
        let following = tokio::spawn(async move {
            while closing.run_until_cancelled(mounts.changed()).await.is_some() {
                let all = builtin.iter().cloned().chain(mounts.tools());
                if let Err(error) = worker.replace_tools(all) {
                    tracing::error!(%error, "the changed tools cannot be hosted; those before stay");
                }
            }
            mounts.close().await;
        });
        Self {
            close,
            following: AbortOnDropHandle::new(following),
        }
    }

    async fn close(self) {
        self.close.cancel();
        if let Err(error) = self.following.await {
            tracing::warn!(%error, "the mounted tools did not close");
        }
    }
}

/// Connects to a coordinator elsewhere, as whom the flags or the environment say.
pub(crate) async fn connect(url: &str, link: &LinkArgs) -> Result<Client, Failure> {
    Ok(builder(url, link)?.connect().await?)
}

/// The same, to be told more.
pub(crate) fn builder(url: &str, link: &LinkArgs) -> Result<ClientBuilder, Failure> {
    let mut tls = Tls::new();
    if let Some(path) = &link.ca {
        tls = tls.ca_file(path);
    }
    if let Some(path) = &link.certificate {
        tls = tls.certificate_file(path);
    }
    if let Some(path) = &link.key {
        tls = tls.key_file(path);
    }
    if let Some(name) = &link.server_name {
        tls = tls.server_name(name);
    }
    let mut builder = Client::builder(url).tls(tls);
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(token) = &link.token {
        output::note(
            "warning: every user of this machine can read --token while this runs; \
             use --token-file FILE or TOOLWAVE_TOKEN",
        );
        builder = builder.token(&token.0);
    } else if let Some(path) = &link.token_file {
        builder = builder.token_file(path);
    } else if let Some(token) = set("TOOLWAVE_TOKEN") {
        let token = token
            .into_string()
            .map_err(|_| Failure::Configuration("TOOLWAVE_TOKEN is not UTF-8".to_owned()))?;
        builder = builder.token(token);
    } else if let Some(path) = set("TOOLWAVE_TOKEN_FILE") {
        builder = builder.token_file(path);
    }
    if link.insecure_plaintext_token {
        builder = builder.insecure_allow_plaintext_token();
    }
    Ok(builder)
}

/// Bounds what needs no more than an answer: a coordinator that takes longer is none to wait for.
pub(crate) async fn within<T>(
    url: &str,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    within_time(url, ANSWER_TIMEOUT, answer).await
}

async fn within_time<T>(
    url: &str,
    timeout: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let seconds = timeout.as_secs();
            Err(Failure::NoCoordinator(format!(
                "no coordinator at {url}: no answer within {seconds} s"
            )))
        }
    }
}

/// An unspecified address is one to listen on, not to dial.
fn loopback(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        false => address,
    }
}

/// What the flags allow.
pub(crate) fn allowed(flags: &[String]) -> Result<Builtin, Failure> {
    let mut builtin = Builtin::default();
    for flag in flags {
        let wrong = |error: &dyn std::fmt::Display| Failure::Usage(format!("--allow {flag}: {error}"));
        let permission: Allow = flag.parse().map_err(|error| wrong(&error))?;
        builtin.allow(permission).map_err(|error| wrong(&error))?;
    }
    Ok(builtin)
}
