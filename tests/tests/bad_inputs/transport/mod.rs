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
use toolwave_worker::{CallContext, FunctionTool, Tls, Worker};

use self::{request::Connection, rows::Send};
use crate::{
    door::Door,
    folder::{Folder, NAME, Setting},
};

pub(crate) use self::rows::{Row, from_hex, rows};

/// How often the tool of the good requests has run.
type Runs = Arc<AtomicU64>;

/// A coordinator with a worker, whose tool counts how often it runs.
struct Tried {
    cluster: Cluster,
    door: Door,
    runs: Runs,
}

async fn start(config: Option<&str>, setting: Option<Setting>) -> Tried {
    let folder = setting.map(|_| Arc::new(Folder::new()));
    let mut text = config.unwrap_or_default().to_owned();
    if let (Some(setting), Some(folder)) = (setting, &folder) {
        text.push_str(&folder.fill(setting.text()));
    }
    let config = crate::configuration::coordinator(Some(&text));
    let mut cluster = Cluster::with_config(config).await.expect("starts");
    let runs = Runs::default();
    let counted = runs.clone();
    let tool = FunctionTool::new("tally", "Counts", move |_: serde_json::Value, _: CallContext| {
        let counted = counted.clone();
        async move { Ok(counted.fetch_add(1, Ordering::SeqCst)) }
    });
    let tools: [toolwave_worker::SharedTool; 1] = [Arc::new(tool)];
    let mut worker = Worker::builder().slots(8).tools(tools);
    let tls = folder.clone().filter(|_| setting == Some(Setting::Tls));
    if let Some(folder) = &tls {
        let (certificate, key) = folder.identity("worker/worker");
        let tls = Tls::new().ca_file(folder.path().join("ca.pem"));
        worker = worker.tls(tls.identity_pem(certificate, key).server_name(NAME));
    }
    cluster.add("worker", worker).await.expect("registers");
    let url = cluster.url();
    let (_, address) = url.split_once("://").expect("a URL");
    let door = Door {
        address: address.to_owned(),
        tls,
        token: folder.map(|_| "operator"),
    };
    Tried { cluster, door, runs }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_client_sends_is_answered_as_documented_and_breaks_nothing() {
    let shared = start(None, None).await;
    let mut wrong = Vec::new();
    for row in rows() {
        let Some(sent) = &row.send else { continue };
        let own = match (&row.config, row.setting) {
            (None, None) => None,
            (config, setting) => Some(start(config.as_deref(), setting).await),
        };
        let tried = own.as_ref().unwrap_or(&shared);
        let checked = tokio::time::timeout(2 * PATIENCE, check(tried, &row, sent)).await;
        if let Err(what) = checked.unwrap_or_else(|_| Err("no end".to_owned())) {
            wrong.push(format!("{} ({}): {what}", row.id, row.describes));
        }
        if let Some(tried) = own {
            tried.cluster.stop().await.expect("stops");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    shared.cluster.stop().await.expect("stops");
}

async fn check(tried: &Tried, row: &Row, sent: &Send) -> Result<(), String> {
    let Tried { door, runs, .. } = tried;
    let address = &door.address;
    let before = runs.load(Ordering::SeqCst);
    let expect = row.expect.as_ref().ok_or("expects nothing")?;
    let mut good = 1;
    match sent {
        Send::Request(request) => {
            let mut connection = Connection::open(door, request.certificate.as_deref()).await;
            let answer = connection.exchange(request).await;
            expect.check(&answer)?;
            if expect.connection_lives() {
                connection.good().await.map_err(|what| format!("then {what}"))?;
                good += 1;
            } else {
                connection.ended().await?;
            }
        }
        Send::Bytes(bytes) => expect.check(&scripts::bytes(address, &bytes.bytes()).await)?,
        Send::Script(name) => {
            let (answer, requests) = scripts::run(name, address).await;
            expect.check(&answer)?;
            good += requests;
        }
    }
    let mut other = Connection::open(door, None).await;
    other
        .good()
        .await
        .map_err(|what| format!("another connection: {what}"))?;
    let ran = runs.load(Ordering::SeqCst) - before;
    if ran != good + expect.runs {
        return Err(format!("tools ran {ran} times, not {good} + {}", expect.runs));
    }
    holds_nothing(door).await
}

async fn holds_nothing(door: &Door) -> Result<(), String> {
    let channel = door.channel(None).await.map_err(|error| error.to_string())?;
    let mut admin = AdminServiceClient::new(channel);
    loop {
        let listed = admin
            .list_workers(door.request(v1::ListWorkersRequest {}))
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
