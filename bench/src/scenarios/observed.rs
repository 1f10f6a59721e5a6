//! What it costs to be looked at: one cluster that nobody watches, and one whose metrics are scraped each second, which
//! traces 1 % of its executions, and whose dashboard is open. Each turn has two new clusters, since one process is
//! faster than another of the same program, and the same executions; the ratio is kept beside both.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    bench::{Bench, Series},
    cluster::Shape,
    measure::Spent,
    system::abreast,
    workloads::{self, Job},
};

const CONCURRENCY: u32 = 256;
const IN_FLIGHT: usize = 4;
/// More often than anybody does.
const SCRAPED_EACH: Duration = Duration::from_secs(1);

/// Those who look. Dropped, they go.
struct Watchers {
    tasks: JoinSet<anyhow::Result<()>>,
}

/// An OTLP receiver that keeps nothing.
struct Sink;

pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let (executions, calls) = bench.size((200, 1000), (4, 100));
    let batches: Vec<_> = (0..executions)
        .map(|index| workloads::echoes(index * calls, calls))
        .collect();
    let mut series = ["nobody watches", "metrics, traces at 1 %, dashboard"]
        .map(|variant| Series::new("observed", "toolwave", executions * calls).variant(variant));
    let mut ratio = Series::new("observed", "toolwave", 0).variant("of each turn");
    for turn in 0..bench.runs() {
        let [alone, seen] = pair(bench, &batches, turn % 2 == 0).await?;
        series[0].add_throughput(&alone);
        series[1].add_throughput(&seen);
        ratio.add("throughput watched", "× alone", alone.seconds() / seen.seconds());
    }
    for series in series.into_iter().chain([ratio]) {
        bench.record(series);
    }
    Ok(())
}

/// What each of two new clusters spends: one that nobody watches, and one that is watched.
async fn pair(bench: &mut Bench, batches: &[Vec<Job>], watched_first: bool) -> anyhow::Result<[Spent; 2]> {
    let (receiver, coordinator, worker) = (free_port().await?, free_port().await?, free_port().await?);
    let flags = |admin: SocketAddr, more: &[&str]| {
        let (admin, receiver) = (admin.to_string(), format!("http://{receiver}"));
        let flags = ["--admin-listen", &admin, "--traces-endpoint", &receiver];
        flags.iter().chain(more).map(ToString::to_string).collect()
    };
    let shape = Shape {
        coordinator_flags: flags(coordinator, &["--traces-sample", "0.01"]),
        worker_flags: flags(worker, &[]),
        ..Shape::default()
    };
    let plain = bench.cluster(Shape::default()).await?;
    let watched = bench.cluster(shape).await?;
    let mut watchers = Watchers::start(receiver, coordinator, worker).await?;
    let warm_up = &batches[..batches.len().min(20)];
    abreast(&plain, warm_up, CONCURRENCY, IN_FLIGHT).await?;
    abreast(&watched, warm_up, CONCURRENCY, IN_FLIGHT).await?;
    let mut order = [&plain, &watched];
    if watched_first {
        order.reverse();
    }
    let mut spent = [
        abreast(order[0], batches, CONCURRENCY, IN_FLIGHT).await?,
        abreast(order[1], batches, CONCURRENCY, IN_FLIGHT).await?,
    ];
    if watched_first {
        spent.reverse();
    }
    watchers.still_look().await?;
    drop(watchers);
    bench.end_cluster(plain)?;
    bench.end_cluster(watched)?;
    Ok(spent)
}

impl Watchers {
    /// Starts to look; the dashboard has shown something, and each page of metrics was read once.
    async fn start(
        receiver: SocketAddr,
        coordinator: SocketAddr,
        worker: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut tasks = JoinSet::new();
        let incoming = TcpListenerStream::new(TcpListener::bind(receiver).await?);
        tasks.spawn(async move {
            let server = Server::builder().add_service(TraceServiceServer::new(Sink));
            Ok(server.serve_with_incoming(incoming).await?)
        });
        let mut dashboard = get(coordinator, "/api/live").await?;
        let mut shown = vec![0; 64 * 1024];
        let first = dashboard.read(&mut shown).await?;
        let answer = String::from_utf8_lossy(&shown[..first]);
        anyhow::ensure!(
            answer.starts_with("HTTP/1.1 200"),
            "the dashboard answers {answer}"
        );
        tasks.spawn(async move {
            while dashboard.read(&mut shown).await? > 0 {}
            anyhow::bail!("the dashboard's stream ended")
        });
        for (address, family) in [
            (coordinator, "toolwave_calls_running"),
            (worker, "toolwave_worker_calls_running"),
        ] {
            scrape(address, family).await?;
            tasks.spawn(async move {
                loop {
                    scrape(address, family).await?;
                    tokio::time::sleep(SCRAPED_EACH).await;
                }
            });
        }
        Ok(Self { tasks })
    }

    /// # Errors
    /// Why one of them has stopped.
    async fn still_look(&mut self) -> anyhow::Result<()> {
        tokio::task::yield_now().await;
        match self.tasks.try_join_next() {
            None => Ok(()),
            Some(ended) => ended?.and_then(|()| anyhow::bail!("a watcher ended")),
        }
    }
}

/// Reads a page of metrics that has this family.
async fn scrape(address: SocketAddr, family: &str) -> anyhow::Result<()> {
    let mut page = String::new();
    get(address, "/metrics").await?.read_to_string(&mut page).await?;
    anyhow::ensure!(page.contains(family), "no {family} at {address}: {page}");
    Ok(())
}

async fn get(address: SocketAddr, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await.context("the admin port")?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// Free a moment ago.
async fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        _spans: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
