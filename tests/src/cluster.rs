//! A coordinator and workers inside this process, which talk over loopback as real ones do.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use toolwave_client::Client;
use toolwave_coordinator::{Coordinator, DrainReport, config::Config};
use toolwave_worker::{RunError, SharedTool, Worker, WorkerBuilder, WorkerHandle};

use crate::PATIENCE;

/// A running cluster. Stop it with [`Cluster::stop`]; dropped, it ends without ceremony.
pub struct Cluster {
    coordinator: Coordinator,
    /// Clients and workers come in over TLS.
    tls: bool,
    workers: BTreeMap<String, Hosted>,
}

/// A worker in a task of its own.
struct Hosted {
    handle: WorkerHandle,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Cluster {
    /// A coordinator that refuses an unknown tool at once, and no worker yet.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with_config(Config::embedded()).await
    }

    /// A coordinator as `config` says; it should listen on a loopback port 0.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn with_config(config: Config) -> anyhow::Result<Self> {
        let tls = config.tls.is_some();
        let coordinator = Coordinator::start(config)
            .await
            .context("the coordinator does not start")?;
        Ok(Self {
            coordinator,
            tls,
            workers: BTreeMap::new(),
        })
    }

    /// Where clients and workers connect.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.coordinator.address())
    }

    /// A connected client.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(timeout(PATIENCE, Client::connect(self.url()))
            .await
            .context("no connection")??)
    }

    /// Starts a worker and returns once it is registered.
    ///
    /// # Errors
    /// When it cannot be built, or does not register.
    pub async fn add_worker(
        &mut self,
        name: &str,
        slots: u32,
        tools: impl IntoIterator<Item = SharedTool>,
    ) -> anyhow::Result<()> {
        self.add(name, Worker::builder().slots(slots).tools(tools)).await
    }

    /// Starts the worker that `builder` describes, under `name` and on this cluster; returns once it is registered.
    ///
    /// # Errors
    /// When it cannot be built, or does not register.
    pub async fn add(&mut self, name: &str, builder: WorkerBuilder) -> anyhow::Result<()> {
        let worker = builder.coordinator(self.url()).name(name).build()?;
        let (handle, stop) = (worker.handle(), CancellationToken::new());
        let task = tokio::spawn(worker.run_until(stop.clone()));
        let hosted = Hosted {
            handle: handle.clone(),
            stop,
            task,
        };
        self.workers.insert(name.to_owned(), hosted);
        timeout(PATIENCE, handle.registered())
            .await
            .with_context(|| format!("{name} does not register"))?;
        Ok(())
    }

    /// The handle of a worker that was added.
    #[must_use]
    pub fn worker(&self, name: &str) -> Option<&WorkerHandle> {
        self.workers.get(name).map(|hosted| &hosted.handle)
    }

    /// Drains a worker and waits until it has left.
    ///
    /// # Errors
    /// When there is none of that name, or it ends with an error.
    pub async fn remove_worker(&mut self, name: &str) -> anyhow::Result<()> {
        let hosted = self
            .workers
            .remove(name)
            .ok_or_else(|| anyhow!("no worker is named {name}"))?;
        hosted.leave(name).await
    }

    /// Drains the workers, then the coordinator.
    ///
    /// # Errors
    /// When one of them does not end well.
    pub async fn stop(mut self) -> anyhow::Result<DrainReport> {
        while let Some((name, hosted)) = self.workers.pop_first() {
            hosted.leave(&name).await?;
        }
        timeout(PATIENCE, self.coordinator.shutdown())
            .await
            .context("the coordinator does not stop")
    }
}

impl Hosted {
    async fn leave(mut self, name: &str) -> anyhow::Result<()> {
        self.stop.cancel();
        let end = timeout(PATIENCE, &mut self.task)
            .await
            .with_context(|| format!("{name} does not stop"))?;
        end.with_context(|| format!("{name} panicked"))?
            .with_context(|| format!("{name} failed"))
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.task.abort();
    }
}
