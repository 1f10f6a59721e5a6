//! Twice the load that there is capacity for, for some seconds: executions of ten calls arrive at twice the rate
//! that clients reach in a closed loop just before. What does not fit into the queue is refused at once.
//!
//! Slots are what bounds the capacity, by intent: the client shares the machine's processors with the servers, and
//! where those were the bound it could not offer twice of anything.
//!
//! Goodput is what succeeds within its client's deadline, counted from when it was due; the peak is counted in
//! the same way. The floor has nothing to set against it: it would queue until its memory ends.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::ensure;
use futures_util::future::try_join_all;
use toolwave_client::{Client, ClientError, proto_duration, v1};

use crate::{
    arrivals::{Arrivals, at_each},
    bench::{Bench, Series},
    cluster::{Cluster, Shape},
    connections::connections,
    measure::{Latencies, float},
    workloads::{self, Job},
};

const SLEEP_MICROSECONDS: u32 = 10_000;
/// For each client of the closed loop: with an execution each, they want two and a half times the slots there are.
const SLOTS_PER_CLIENT: u32 = 4;
/// Calls that may wait in the coordinator: what the slots do in a tenth of a second.
const QUEUED_PER_SLOT: u32 = 10;
const CALLS: u64 = 10;
const OVERLOAD: f64 = 2.0;
/// Of an execution; the coordinator is told, and does not run what nobody waits for.
const DEADLINE: Duration = Duration::from_millis(500);

/// A cluster that can be overloaded, and those who do it.
pub(crate) struct Crowd {
    pub(crate) cluster: Cluster,
    clients: Vec<Client>,
    request: v1::ExecuteParallelRequest,
}

/// While successes count: not before load and queue are as they stay.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    from: Instant,
    to: Instant,
}

/// What came of an execution that was offered.
enum Offered {
    /// With the time since it was due.
    Answered(Duration, v1::ExecuteParallelResponse),
    Refused,
}

/// What came of the executions that were offered.
pub(crate) struct Tally {
    /// Calls that succeeded in time.
    good: u64,
    /// Executions that were accepted and not answered in time.
    late: u64,
    refused: u64,
    offered: u64,
    latencies: Latencies,
}

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let slots: &[u32] = bench.size(&[64, 256], &[16]);
    for &slots in slots {
        with_slots(bench, slots).await?;
    }
    Ok(())
}

async fn with_slots(bench: &mut Bench, slots: u32) -> anyhow::Result<()> {
    let length = bench.size(Duration::from_secs(5), Duration::from_millis(400));
    let window = || Window::after(length / 4, length);
    let mut crowd = Crowd::new(bench, slots).await?;
    let mut series =
        Series::new("overload", "toolwave", 0).variant(&format!("sleeps of 10 ms, {slots} slots"));
    crowd.saturate(window()).await?;
    for _ in 0..bench.runs() {
        let peak = crowd.saturate(window()).await?;
        let tally = crowd.overload(peak, window()).await?;
        tally.add_to(&mut series, peak, length);
    }
    bench.record(series);
    bench.end_cluster(crowd.cluster)
}

impl Crowd {
    /// A cluster of one worker with so many slots, and as many clients as keep them busy.
    pub(crate) async fn new(bench: &mut Bench, slots: u32) -> anyhow::Result<Self> {
        let queue = slots * QUEUED_PER_SLOT;
        let shape = Shape {
            slots,
            coordinator_flags: vec!["--max-queued-calls".to_owned(), queue.to_string()],
            ..Shape::default()
        };
        let cluster = bench.cluster(shape).await?;
        let clients = connections(&cluster, (slots / SLOTS_PER_CLIENT) as usize).await?;
        let mut request = workloads::execution(&vec![Job::sleep(SLEEP_MICROSECONDS); CALLS as usize], 0);
        request.timeout = Some(proto_duration(DEADLINE));
        Ok(Self {
            cluster,
            clients,
            request,
        })
    }

    /// Calls a second at the peak.
    pub(crate) async fn saturate(&mut self, window: Window) -> anyhow::Result<f64> {
        saturated(&self.cluster, &self.clients, &self.request, window).await
    }

    /// Twice the peak.
    pub(crate) async fn overload(&mut self, peak: f64, window: Window) -> anyhow::Result<Tally> {
        overloaded(
            &self.cluster,
            &self.clients,
            &self.request,
            peak * OVERLOAD,
            window,
        )
        .await
    }
}

impl Tally {
    pub(crate) fn add_to(&self, series: &mut Series, peak: f64, length: Duration) {
        let goodput = float(self.good) / length.as_secs_f64();
        series.add("peak", "calls/s", peak);
        series.add("goodput", "calls/s", goodput);
        series.add("goodput/peak", "ratio", goodput / peak);
        series.add("refused", "ratio", float(self.refused) / float(self.offered));
        series.add("late", "ratio", float(self.late) / float(self.offered));
        series.add("p50", "µs", self.latencies.at(0.5));
        series.add("p99", "µs", self.latencies.at(0.99));
    }
}

/// Calls a second, of clients that each have one execution at a time, all the time.
async fn saturated(
    cluster: &Cluster,
    clients: &[Client],
    request: &v1::ExecuteParallelRequest,
    window: Window,
) -> anyhow::Result<f64> {
    let good = Cell::new(0);
    try_join_all(clients.iter().map(async |client| {
        while Instant::now() < window.to {
            let start = Instant::now();
            match offer(cluster, client, request.clone(), start).await? {
                Offered::Answered(latency, answer) => {
                    let succeeded = account(cluster, &answer);
                    if window.counts(latency) {
                        good.set(good.get() + succeeded);
                    }
                }
                // the queue and the slots hold what these clients have in flight
                Offered::Refused => anyhow::bail!("refused below the peak"),
            }
        }
        Ok(())
    }))
    .await?;
    ensure!(good.get() > 0, "no call succeeded within {DEADLINE:?}");
    Ok(float(good.get()) / window.length().as_secs_f64())
}

/// `rate` is of calls, in a second.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of executions, far below 2^53"
)]
async fn overloaded(
    cluster: &Cluster,
    clients: &[Client],
    request: &v1::ExecuteParallelRequest,
    rate: f64,
    window: Window,
) -> anyhow::Result<Tally> {
    let rate = rate / float(CALLS);
    let offered = (rate * window.to.saturating_duration_since(Instant::now()).as_secs_f64()).ceil() as u64;
    let mut tally = Tally {
        good: 0,
        late: 0,
        refused: 0,
        offered,
        latencies: Latencies::new()?,
    };
    let mut clients = clients.iter().cycle();
    let run = |due| {
        let client = clients.next();
        async move {
            match client {
                Some(client) => offer(cluster, client, request.clone(), due).await,
                None => anyhow::bail!("no clients"),
            }
        }
    };
    at_each(Arrivals::new(usize::try_from(offered)?, rate), run, |offered| {
        match offered {
            Offered::Answered(latency, answer) => {
                let succeeded = account(cluster, &answer);
                tally.latencies.add(latency);
                tally.late += u64::from(latency > DEADLINE || succeeded < CALLS);
                if window.counts(latency) {
                    tally.good += succeeded;
                }
            }
            Offered::Refused => tally.refused += 1,
        }
        Ok(())
    })
    .await?;
    ensure!(
        tally.refused > 0,
        "nothing was refused at {OVERLOAD} times the peak: there was no overload"
    );
    Ok(tally)
}

impl Window {
    pub(crate) fn after(lead: Duration, length: Duration) -> Self {
        let from = Instant::now() + lead;
        Self {
            from,
            to: from + length,
        }
    }

    fn length(self) -> Duration {
        self.to - self.from
    }

    /// Whether what has just been answered is good.
    fn counts(self, latency: Duration) -> bool {
        (self.from..self.to).contains(&Instant::now()) && latency <= DEADLINE
    }
}

async fn offer(
    cluster: &Cluster,
    client: &Client,
    request: v1::ExecuteParallelRequest,
    due: Instant,
) -> anyhow::Result<Offered> {
    let calls = request.calls.len() as u64;
    cluster.ledger.submitted(calls);
    match client.execute_parallel(request).await {
        Ok(answer) => Ok(Offered::Answered(due.elapsed(), answer)),
        Err(ClientError::Overloaded { message, retry_after }) => {
            ensure!(
                retry_after.is_some(),
                "a refusal did not say when to try again: {message}"
            );
            cluster.ledger.refused(calls);
            Ok(Offered::Refused)
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes an answer into the account, and counts what succeeded.
fn account(cluster: &Cluster, answer: &v1::ExecuteParallelResponse) -> u64 {
    let count = |which: fn(&v1::CallResult) -> bool| {
        answer.results.iter().filter(|result| which(result)).count() as u64
    };
    cluster.ledger.received(answer.results.len() as u64);
    cluster
        .ledger
        .never_run(count(|result| result.attempts.is_empty()));
    count(|result| result.success)
}
