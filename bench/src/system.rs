//! What the cluster and the floor have in common for a scenario, and the two ways in which they are driven: so many
//! executions abreast, or one after another with a look at the clock.
//!
//! Messages are built before the clock starts, and answers are looked at after it has stopped.

use std::time::Instant;

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use toolwave_client::v1::{self, call_result::ResultForm};

use crate::{
    bench::measured,
    cluster::Cluster,
    floor::{Floor, wire},
    measure::{Latencies, Meter, Spent, Watched},
    workloads::{self, Job, Work},
};

/// The cluster or the floor.
pub(crate) trait System {
    type Request;
    type Answer;

    fn request(jobs: &[Job], concurrency: u32) -> Self::Request;
    fn watched(&self) -> Vec<Watched>;
    async fn run(&self, request: Self::Request) -> anyhow::Result<Self::Answer>;
    /// Takes an answer into the account.
    fn check(&self, answer: &Self::Answer) -> anyhow::Result<()>;
    /// Of all results together.
    fn result_bytes(answer: &Self::Answer) -> usize;
}

/// Runs each of `batches` as one execution, `in_flight` of them at a time.
///
/// # Errors
/// When a call does not succeed, or does not answer what it was sent.
pub(crate) async fn abreast<S: System>(
    system: &S,
    batches: &[Vec<Job>],
    concurrency: u32,
    in_flight: usize,
) -> anyhow::Result<Spent> {
    let requests: Vec<_> = batches.iter().map(|jobs| S::request(jobs, concurrency)).collect();
    run_abreast(system, requests, batches, in_flight).await
}

/// As [`abreast`], with requests that say more than their jobs.
///
/// # Errors
/// As [`abreast`].
pub(crate) async fn run_abreast<S: System>(
    system: &S,
    requests: Vec<S::Request>,
    batches: &[Vec<Job>],
    in_flight: usize,
) -> anyhow::Result<Spent> {
    let work = stream::iter(requests)
        .map(|request| system.run(request))
        .buffered(in_flight)
        .try_collect::<Vec<_>>();
    let (answers, spent) = measured(&system.watched(), work).await?;
    check_all(system, batches, &answers)?;
    Ok(spent)
}

/// Runs each of `batches` as one execution, one after another, with as many calls in flight as it has.
///
/// # Errors
/// As [`abreast`].
pub(crate) async fn one_by_one<S: System>(
    system: &S,
    batches: &[Vec<Job>],
) -> anyhow::Result<(Latencies, Spent)> {
    let requests: Vec<_> = batches.iter().map(|jobs| S::request(jobs, 0)).collect();
    let mut latencies = Latencies::new()?;
    let mut answers = Vec::with_capacity(requests.len());
    let meter = Meter::start(&system.watched())?;
    for request in requests {
        let start = Instant::now();
        let answer = system.run(request).await?;
        latencies.add(start.elapsed());
        answers.push(answer);
    }
    let spent = meter.stop()?;
    check_all(system, batches, &answers)?;
    Ok((latencies, spent))
}

fn check_all<S: System>(system: &S, batches: &[Vec<Job>], answers: &[S::Answer]) -> anyhow::Result<()> {
    for (jobs, answer) in batches.iter().zip(answers) {
        system.check(answer)?;
        // sleeps answer differently here and there
        if let Some(sent) = echoed_bytes(jobs) {
            let came = S::result_bytes(answer);
            ensure!(
                came == sent,
                "{sent} bytes were sent to be echoed, and {came} came back"
            );
        }
    }
    Ok(())
}

/// `None`: not all of them are echoes.
fn echoed_bytes(jobs: &[Job]) -> Option<usize> {
    jobs.iter()
        .map(|job| match &job.work {
            Work::Echo(parameters) => Some(parameters.len()),
            Work::Sleep(_) => None,
        })
        .sum()
}

impl System for Cluster {
    type Request = v1::ExecuteParallelRequest;
    type Answer = v1::ExecuteParallelResponse;

    fn request(jobs: &[Job], concurrency: u32) -> Self::Request {
        workloads::execution(jobs, concurrency)
    }

    fn watched(&self) -> Vec<Watched> {
        self.watched().to_vec()
    }

    async fn run(&self, request: Self::Request) -> anyhow::Result<Self::Answer> {
        self.run(request).await
    }

    fn check(&self, answer: &Self::Answer) -> anyhow::Result<()> {
        self.check(answer)
    }

    fn result_bytes(answer: &Self::Answer) -> usize {
        let bytes = |result: &v1::CallResult| match &result.result_form {
            Some(ResultForm::ResultJson(text)) => text.len(),
            Some(ResultForm::Result(_)) | None => 0,
        };
        answer.results.iter().map(bytes).sum()
    }
}

impl System for Floor {
    type Request = wire::RunBatchRequest;
    type Answer = wire::RunBatchResponse;

    fn request(jobs: &[Job], concurrency: u32) -> Self::Request {
        workloads::batch(jobs, concurrency)
    }

    fn watched(&self) -> Vec<Watched> {
        self.watched()
    }

    async fn run(&self, request: Self::Request) -> anyhow::Result<Self::Answer> {
        self.run(request).await
    }

    fn check(&self, answer: &Self::Answer) -> anyhow::Result<()> {
        self.check(answer)
    }

    fn result_bytes(answer: &Self::Answer) -> usize {
        answer.results.iter().map(|result| result.result.len()).sum()
    }
}
