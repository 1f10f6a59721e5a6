//! The cluster that is measured: the shipped coordinator and workers as processes, and the client's side of them.
//!
//! What the workers executed is what they say when they are drained, so a cluster is checked at its end.

use anyhow::{Context as _, ensure};
use toolwave_client::{Client, v1};
use toolwave_tests::{Binaries, Processes};

use crate::measure::{Ledger, Watched, resident_bytes};

/// How a cluster is built.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) workers: usize,
    /// Of each worker.
    pub(crate) slots: u32,
    pub(crate) coordinator_flags: Vec<String>,
    pub(crate) worker_flags: Vec<String>,
}

impl Default for Shape {
    /// One worker, with more slots than any of W1 to W6 has in flight: it is never what limits.
    fn default() -> Self {
        Self {
            workers: 1,
            slots: 1024,
            coordinator_flags: Vec::new(),
            worker_flags: Vec::new(),
        }
    }
}

/// A coordinator and workers that run. Dropped, it kills them.
pub(crate) struct Cluster {
    processes: Processes,
    client: Client,
    watched: Vec<Watched>,
    /// For a scenario that talks to [`Cluster::client`] itself; `run` and `check` write it too.
    pub(crate) ledger: Ledger,
}

impl Cluster {
    /// Starts the processes, and waits until all are registered.
    ///
    /// # Errors
    /// When one does not start.
    pub(crate) async fn start(binaries: &Binaries, shape: Shape) -> anyhow::Result<Self> {
        let flags: Vec<&str> = shape.coordinator_flags.iter().map(String::as_str).collect();
        let mut processes = Processes::start(binaries.clone(), &flags)?;
        let flags: Vec<&str> = shape.worker_flags.iter().map(String::as_str).collect();
        for index in 0..shape.workers {
            processes
                .add_worker(&format!("worker-{index}"), shape.slots, &flags)
                .await?;
        }
        let client = processes.client().await?;
        let coordinator = Watched {
            role: "coordinator",
            id: processes.coordinator().id(),
        };
        let workers = processes.workers().iter().map(|worker| Watched {
            role: "worker",
            id: worker.id(),
        });
        let watched = std::iter::once(coordinator).chain(workers).collect();
        Ok(Self {
            processes,
            client,
            watched,
            ledger: Ledger::default(),
        })
    }

    /// Whose processor time and memory are looked at.
    pub(crate) fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// For what `run` does not do; the ledger is then the scenario's to keep.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A client with a connection of its own.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub(crate) async fn another_client(&self) -> anyhow::Result<Client> {
        self.processes.client().await
    }

    /// Runs an execution. What comes back is to be given to [`Cluster::check`] when no clock runs.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn run(
        &self,
        request: v1::ExecuteParallelRequest,
    ) -> anyhow::Result<v1::ExecuteParallelResponse> {
        self.ledger.submitted(request.calls.len() as u64);
        Ok(self.client.execute_parallel(request).await?)
    }

    /// Takes an answer into the account: every call succeeded, in one attempt.
    ///
    /// # Errors
    /// When one did not.
    pub(crate) fn check(&self, answer: &v1::ExecuteParallelResponse) -> anyhow::Result<()> {
        self.ledger.received(answer.results.len() as u64);
        for result in &answer.results {
            ensure!(
                result.success && result.attempts.len() == 1,
                "call {} ended {:?} after {} attempts: {:?}",
                result.id,
                result.outcome(),
                result.attempts.len(),
                result.error
            );
        }
        Ok(())
    }

    /// Resident memory of the coordinator, in bytes.
    ///
    /// # Errors
    /// Where /proc is missing.
    pub(crate) fn coordinator_bytes(&mut self) -> anyhow::Result<u64> {
        Ok(resident_bytes(self.processes.coordinator().id())?)
    }

    /// Drains the workers, asks them what they executed, and makes the conservation check.
    ///
    /// # Errors
    /// When the run is void, or a worker does not end.
    pub(crate) fn conserved(&mut self) -> anyhow::Result<()> {
        let workers = self.processes.workers();
        for worker in workers.iter() {
            worker.signal("TERM")?;
        }
        let mut executed = 0;
        for worker in workers {
            worker.wait()?;
            let log = worker.output();
            executed +=
                told(&log).with_context(|| format!("a worker did not say what it executed:\n{log}"))?;
        }
        self.ledger.check("the cluster", executed)
    }
}

/// The number of `executed=N` in a worker's last words.
fn told(log: &str) -> Option<u64> {
    let words = log.lines().rev().find(|line| line.contains(" drained "))?;
    let number = words.split("executed=").nth(1)?;
    number.split(' ').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_line_that_says_drained() {
        let log = "2026 INFO toolwave_worker: registered executed=1\n2026  INFO toolwave_worker::service: drained \
                   lost=0 executed=20000\n";
        assert_eq!(told(log), Some(20_000));
        assert_eq!(told("INFO draining in_flight=0\n"), None);
    }
}
