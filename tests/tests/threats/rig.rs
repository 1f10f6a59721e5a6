//! What the tests of this binary share: a coordinator and a worker with a file of tools, in a folder of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use toolwave_client::{Client, call, v1};
use toolwave_tests::{Binaries, PATIENCE, Process, Processes, Profile};

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// The programs, built once for all tests of this binary.
pub(crate) fn binaries() -> Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES
        .get_or_init(|| Binaries::built(Profile::Dev).expect("the programs build"))
        .clone()
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// A coordinator, and a worker `w` with the file `tools.toml` of the folder.
pub(crate) struct Cluster {
    pub(crate) processes: Processes,
    pub(crate) client: Client,
    folder: TempDir,
}

impl Cluster {
    pub(crate) async fn start(folder: TempDir, arguments: &[&str]) -> Self {
        let mut processes = Processes::start(binaries(), &[]).unwrap();
        let tools = folder.path().join("tools.toml").display().to_string();
        let mut all = vec!["--tools", tools.as_str()];
        all.extend(arguments);
        processes.add_worker("w", 16, &all).await.unwrap();
        let client = processes.client().await.unwrap();
        Self {
            processes,
            client,
            folder,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn here(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn worker(&mut self) -> &mut Process {
        &mut self.processes.workers()[0]
    }

    /// Waits until the worker offers the tool, or until it does not.
    pub(crate) async fn offers(&self, tool: &str, wanted: bool) {
        let start = Instant::now();
        loop {
            let workers = self.client.list_workers().await.unwrap();
            let offered = workers
                .iter()
                .any(|worker| worker.tools.iter().any(|name| name == tool));
            if offered == wanted {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{tool}: {workers:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Calls them all at once; the results are in order.
    pub(crate) async fn run(&self, calls: Vec<v1::Call>) -> Vec<v1::CallResult> {
        let request = v1::ExecuteParallelRequest {
            calls,
            max_concurrency_auto: true,
            ..Default::default()
        };
        let answer = tokio::time::timeout(PATIENCE, self.client.execute_parallel(request)).await;
        answer.expect("in time").unwrap().results
    }

    /// One call, with what it ended in.
    pub(crate) async fn call(&self, tool: &str, parameters: Value) -> v1::CallResult {
        self.run(vec![call(tool, parameters)]).await.remove(0)
    }
}

/// The code of a result's error; empty for a success.
pub(crate) fn code(result: &v1::CallResult) -> &str {
    result.error.as_ref().map_or("", |error| error.code.as_str())
}
