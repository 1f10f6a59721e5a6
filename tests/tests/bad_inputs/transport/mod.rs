//! What no gRPC client sends, over connections of its own: the exact answer comes back or the connection ends, no
//! tool runs, and a good request is answered afterwards, on the same connection where it goes on.

mod http2;
mod request;
mod rows;
mod scripts;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use toolwave_proto::v1::{self, admin_service_client::AdminServiceClient};
use toolwave_tests::{Cluster, PATIENCE};
use toolwave_worker::{CallContext, FunctionTool};

use self::{request::Connection, rows::Send};

pub(crate) use self::rows::{Row, from_hex, rows};

/// How often the tool of the good requests has run.
type Runs = Arc<AtomicU64>;

async fn cluster(config: Option<&str>) -> (Cluster, Runs) {
    let config = crate::configuration::coordinator(config);
    let mut cluster = Cluster::with_config(config).await.expect("starts");
    let runs = Runs::default();
    let counted = runs.clone();
    let tool = FunctionTool::new("tally", "Counts", move |_: serde_json::Value, _: CallContext| {
        let counted = counted.clone();
        async move { Ok(counted.fetch_add(1, Ordering::SeqCst)) }
    });
    let tools: [toolwave_worker::SharedTool; 1] = [Arc::new(tool)];
    cluster.add_worker("worker", 8, tools).await.expect("registers");
    (cluster, runs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_client_sends_is_answered_as_documented_and_breaks_nothing() {
    let (shared, shared_runs) = cluster(None).await;
    let mut wrong = Vec::new();
    for row in rows() {
        let Some(sent) = &row.send else { continue };
        let own = match &row.config {
            Some(config) => Some(cluster(Some(config)).await),
            None => None,
        };
        let (cluster, runs) = own.as_ref().map_or((&shared, &shared_runs), |(c, r)| (c, r));
        let checked = tokio::time::timeout(2 * PATIENCE, check(cluster, runs, &row, sent)).await;
        if let Err(what) = checked.unwrap_or_else(|_| Err("no end".to_owned())) {
            wrong.push(format!("{} ({}): {what}", row.id, row.describes));
        }
        if let Some((cluster, _)) = own {
            cluster.stop().await.expect("stops");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    shared.stop().await.expect("stops");
}

async fn check(cluster: &Cluster, runs: &Runs, row: &Row, sent: &Send) -> Result<(), String> {
    let address = cluster.url().trim_start_matches("http://").to_owned();
    let before = runs.load(Ordering::SeqCst);
    let expect = row.expect.as_ref().ok_or("expects nothing")?;
    let mut good = 1;
    match sent {
        Send::Request(request) => {
            let mut connection = Connection::open(&address).await;
            let answer = connection.exchange(request).await;
            expect.check(&answer)?;
            if expect.connection_lives() {
                connection.good().await.map_err(|what| format!("then {what}"))?;
                good += 1;
            } else {
                connection.ended().await?;
            }
        }
        Send::Bytes(bytes) => expect.check(&scripts::bytes(&address, &bytes.bytes()).await)?,
        Send::Script(name) => {
            let (answer, requests) = scripts::run(name, &address).await;
            expect.check(&answer)?;
            good += requests;
        }
    }
    let mut other = Connection::open(&address).await;
    other
        .good()
        .await
        .map_err(|what| format!("another connection: {what}"))?;
    let ran = runs.load(Ordering::SeqCst) - before;
    if ran != good + expect.runs {
        return Err(format!("tools ran {ran} times, not {good} + {}", expect.runs));
    }
    holds_nothing(&cluster.url()).await
}

async fn holds_nothing(url: &str) -> Result<(), String> {
    let mut admin = AdminServiceClient::connect(url.to_owned())
        .await
        .map_err(|error| error.to_string())?;
    loop {
        let listed = admin
            .list_workers(v1::ListWorkersRequest {})
            .await
            .map_err(|error| error.to_string())?;
        if listed
            .into_inner()
            .workers
            .iter()
            .all(|worker| worker.in_flight == 0)
        {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_row_sends_something_or_says_why_not() {
    for row in rows() {
        let sends = row.send.is_some() && row.expect.is_some();
        assert!(sends != row.not_applicable.is_some(), "{}", row.id);
    }
}
