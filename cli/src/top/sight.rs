//! What `top` asks of a coordinator: once a second at most one list of executions (or the one that is open), one of
//! workers, and the cluster as a whole. Keeps nothing.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use toolwave_client::{Client, v1};

use crate::{asking, failure::Failure, limits};

/// Rows of executions that are asked for: more than a screen has.
const EXECUTIONS: u32 = 200;
/// Calls per second are those of so long a time.
const RATE_OVER: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The lists; those executions that ended too, or those only while none runs.
    Lists { ended_too: bool },
    /// One execution. One that has ended stays as it is and need not be asked for again.
    Opened { id: String, known: bool },
}

/// One look at a coordinator.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// When, since `top` started.
    pub(crate) at: Duration,
    pub(crate) cluster: v1::GetClusterResponse,
    pub(crate) executions: Option<v1::ListExecutionsResponse>,
    pub(crate) workers: Option<Vec<v1::WorkerStatus>>,
    pub(crate) opened: Option<v1::GetExecutionResponse>,
}

pub(crate) async fn look(client: &Client, wanted: &Wanted, started: Instant) -> Result<Sight, Failure> {
    let mut sight = Sight {
        cluster: limits::cluster(client).await?,
        at: started.elapsed(),
        ..Sight::default()
    };
    match wanted {
        Wanted::Lists { ended_too } => {
            let request = v1::ListExecutionsRequest {
                limit: EXECUTIONS,
                // among many that ended those that run could be on a later page
                running: !ended_too && sight.cluster.executions > 0,
                ..v1::ListExecutionsRequest::default()
            };
            let (executions, workers) = tokio::join!(client.list_executions(request), client.list_workers());
            sight.executions = Some(match executions {
                Ok(executions) => executions,
                Err(error) => return Err(asking::explained(client, "ListExecutions", error).await),
            });
            sight.workers = Some(workers?);
        }
        Wanted::Opened { known: true, .. } => {}
        Wanted::Opened { id, known: false } => sight.opened = Some(client.execution(id).await?),
    }
    Ok(sight)
}

/// Calls that ended per second, over the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    coordinator_id: String,
    seen: VecDeque<(Duration, u64)>,
}

impl Rate {
    pub(crate) fn add(&mut self, at: Duration, cluster: &v1::GetClusterResponse) {
        let ended = cluster.calls_ended;
        // another process counts from nothing
        let another = self.coordinator_id != cluster.coordinator_id;
        if another || self.seen.back().is_some_and(|(_, before)| *before > ended) {
            self.seen.clear();
            self.coordinator_id.clone_from(&cluster.coordinator_id);
        }
        self.seen.push_back((at, ended));
        while self.seen.len() > 2 && self.seen[1].0 + RATE_OVER <= at {
            self.seen.pop_front();
        }
    }

    /// None until there are two looks to compare.
    pub(crate) fn per_second(&self) -> Option<f64> {
        let ((first, before), (last, ended)) = (self.seen.front()?, self.seen.back()?);
        let seconds = last.saturating_sub(*first).as_secs_f64();
        (seconds > 0.0).then(|| (ended - before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_per_second_are_those_of_the_last_seconds_and_of_one_coordinator() {
        let mut rate = Rate::default();
        let cluster = |id: &str, calls_ended| v1::GetClusterResponse {
            coordinator_id: id.to_owned(),
            calls_ended,
            ..v1::GetClusterResponse::default()
        };
        let mut add = |second, id, ended| {
            rate.add(Duration::from_secs(second), &cluster(id, ended));
            rate.per_second()
        };
        assert_eq!(add(0, "a", 1_000), None);
        assert_eq!(add(1, "a", 1_100), Some(100.0));
        for second in 2..=30 {
            add(second, "a", 1_100);
        }
        assert_eq!(add(31, "a", 1_100), Some(0.0));
        assert_eq!(add(32, "b", 50), None);
        assert_eq!(add(33, "b", 70), Some(20.0));
        assert_eq!(add(34, "b", 3), None, "a count that falls is another's");
    }
}
