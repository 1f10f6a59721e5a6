//! A coordinator process and recording workers, with every answer kept for the comparison at the end.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use toolwave_client::{Client, ClientError, v1};

use super::{PROGRAM, is_repeatable};
use crate::{
    Binaries, PATIENCE, Process, Processes,
    history::{self, Answered, Breach, Recorded},
};

/// Settings of a coordinator that finds out within seconds what by default takes ten: every wait is about a
/// third, and their order is the same.
pub const BRISK: &str = "heartbeat_interval = \"500ms\"\nsuspect_after = \"1500ms\"\nself_fence = \"2500ms\"\n\
                         reconnect_grace = \"1s\"\nlease = \"3500ms\"\nabort_confirmation = \"2s\"\n\
                         startup_grace = \"5s\"\nworker_wait = \"10s\"\ndrain_timeout = \"3s\"\n";
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// The cluster. Its processes end when it is dropped.
#[derive(Debug)]
pub struct RecordingCluster {
    processes: Processes,
    recorded: Recorded,
    slots: HashMap<String, usize>,
    answers: Vec<Answered>,
    folder: TempDir,
}

impl RecordingCluster {
    /// Starts a coordinator with the settings of this TOML text, and no worker.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(binaries: Binaries, settings: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("coordinator.toml");
        std::fs::write(&config, settings)?;
        let path = config
            .to_str()
            .context("a temporary folder has a name in UTF-8")?;
        Ok(Self {
            processes: Processes::start(binaries, &["--config", path])?,
            recorded: Recorded::at(folder.path().join("record.jsonl")),
            slots: HashMap::new(),
            answers: Vec::new(),
            folder,
        })
    }

    /// Coordinator and workers.
    #[must_use]
    pub fn processes(&mut self) -> &mut Processes {
        &mut self.processes
    }

    /// What the tools have written.
    #[must_use]
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// A folder that lives as long as the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connected client.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn client(&self) -> anyhow::Result<Client> {
        self.processes.client().await
    }

    /// The command line of a worker, without its program.
    #[must_use]
    pub fn arguments(&self, name: &str, slots: u32, slower: Duration) -> Vec<String> {
        let record: PathBuf = self.recorded.path().to_owned();
        vec![
            self.processes.url(),
            name.to_owned(),
            slots.to_string(),
            record.to_string_lossy().into_owned(),
            slower.as_millis().to_string(),
        ]
    }

    /// Starts a worker and waits until the coordinator lists it.
    ///
    /// # Errors
    /// When it does not start or register.
    pub async fn add(&mut self, name: &str, slots: u32) -> anyhow::Result<()> {
        self.add_slower(name, slots, Duration::ZERO).await
    }

    /// The same, of a worker whose every call takes so much longer.
    ///
    /// # Errors
    /// As [`RecordingCluster::add`].
    pub async fn add_slower(&mut self, name: &str, slots: u32, slower: Duration) -> anyhow::Result<()> {
        let arguments = self.arguments(name, slots, slower);
        self.slots.insert(name.to_owned(), slots as usize);
        self.processes.add_program(PROGRAM, name, &arguments).await
    }

    /// The process of a worker.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn worker(&mut self, name: &str) -> &mut Process {
        let workers = self.processes.workers();
        let found = workers.iter_mut().find(|worker| worker.name() == name);
        found.unwrap_or_else(|| panic!("no worker is named {name}"))
    }

    /// Kills a worker and starts it again under its name.
    ///
    /// # Errors
    /// As [`RecordingCluster::add`].
    pub async fn replace(&mut self, name: &str) -> anyhow::Result<()> {
        let slots = self.slots.get(name).copied().unwrap_or(1);
        drop(self.processes.take_worker(name));
        self.add(name, slots as u32).await
    }

    /// Keeps an answer for the comparison.
    pub fn keep(&mut self, request: &v1::ExecuteParallelRequest, response: v1::ExecuteParallelResponse) {
        self.answers.push(Answered::new(request, response, is_repeatable));
    }

    /// Runs a request, keeps its answer and returns it.
    ///
    /// # Errors
    /// The client's.
    pub async fn run(
        &mut self,
        request: v1::ExecuteParallelRequest,
    ) -> anyhow::Result<v1::ExecuteParallelResponse> {
        let response = self.client().await?.execute_parallel(request.clone()).await?;
        self.keep(&request, response.clone());
        Ok(response)
    }

    /// Begins a request; what comes of it is for [`RecordingCluster::keep`].
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn begin(
        &self,
        request: &v1::ExecuteParallelRequest,
    ) -> anyhow::Result<tokio::task::JoinHandle<Result<v1::ExecuteParallelResponse, ClientError>>> {
        let (client, request) = (self.client().await?, request.clone());
        Ok(tokio::spawn(
            async move { client.execute_parallel(request).await },
        ))
    }

    /// Waits until so many executions of tools have started in all.
    ///
    /// # Errors
    /// When they do not.
    pub async fn wait_for_starts(&self, starts: usize) -> anyhow::Result<()> {
        self.wait_until(&format!("{starts} starts"), |lines| {
            lines
                .iter()
                .filter(|line| line.kind == history::Kind::Start)
                .count()
                >= starts
        })
        .await
    }

    /// Waits until what was written is as wanted.
    ///
    /// # Errors
    /// When it never is; with what was written last.
    pub async fn wait_until(
        &self,
        what: &str,
        wanted: impl Fn(&[history::Line]) -> bool,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let lines = self.recorded.lines()?;
            if wanted(&lines) {
                return Ok(());
            }
            let last = lines.last();
            ensure!(
                start.elapsed() < PATIENCE,
                "{what}: not after {PATIENCE:?}; the last of {} lines is {last:?}",
                lines.len()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the coordinator lists exactly these workers, all ready, with no slot taken.
    ///
    /// # Errors
    /// When they never are; with what is listed.
    pub async fn settle(&self, workers: &[&str]) -> anyhow::Result<()> {
        let client = self.client().await?;
        let start = Instant::now();
        loop {
            let listed = client.list_workers().await?;
            let at_rest = listed.iter().all(|worker| {
                worker.in_flight == 0 && worker.state() == v1::WorkerState::Ready && !worker.draining
            });
            if at_rest
                && listed
                    .iter()
                    .map(|worker| worker.worker.as_str())
                    .eq(workers.iter().copied())
            {
                return Ok(());
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "the workers {workers:?} are not at rest: {listed:#?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Every breach of the promise so far.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn breaches(&self) -> anyhow::Result<Vec<Breach>> {
        Ok(history::breaches(
            &self.recorded.lines()?,
            &self.answers,
            &self.slots,
        ))
    }

    /// # Errors
    /// With every breach of the promise so far, if there is one.
    pub fn check(&self) -> anyhow::Result<()> {
        let breaches = self.breaches()?;
        let text: Vec<String> = breaches.iter().take(20).map(ToString::to_string).collect();
        ensure!(
            breaches.is_empty(),
            "{} breaches of the promise:\n{}",
            breaches.len(),
            text.join("\n")
        );
        Ok(())
    }
}
