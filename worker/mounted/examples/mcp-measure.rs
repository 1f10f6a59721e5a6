//! Measures what mounting an MCP server costs and gains: `cargo run --release -p toolwave-mounted --example mcp-measure`.
//!
//! Prints one call at a time through the mount and through rmcp alone, in turns, to servers of the same program; then 200
//! calls at once to pools of 1 and of 4 processes of a server that does one thing at a time.

#[allow(unreachable_pub, missing_docs, dead_code)]
#[path = "../tests/mutable/mod.rs"]
mod mutable;

use std::{
    error::Error,
    process::Stdio,
    time::{Duration, Instant},
};

use rmcp::{
    ServiceExt as _,
    model::{CallToolRequestParams, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt as _},
};
use serde_json::{Value, json};
use tokio::{process::Command, task::JoinSet};
use tokio_util::sync::CancellationToken;
use toolwave_keeper::Keeper;
use toolwave_mounted::mcp::{Approved, Mounted, Server};
use toolwave_tool::{CallContext, CallIdentity, Parameters, SharedTool};

const SERVE: &str = "serve";
const CALLS: usize = 5_000;
const WARM_UP: usize = 500;
const PARALLEL: usize = 200;
const ROUNDS: usize = 5;
const LONG: Duration = Duration::from_secs(600);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    toolwave_keeper::keep_if_asked();
    if std::env::args().nth(1).as_deref() == Some(SERVE) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        return runtime.block_on(async {
            let server = mutable::Mutable::new(None, false);
            server
                .serve((tokio::io::stdin(), tokio::io::stdout()))
                .await?
                .waiting()
                .await?;
            Ok(())
        });
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    one_at_a_time().await?;
    for (tool, ms) in [("serial", 10), ("spin", 5)] {
        at_once(tool, ms).await?;
    }
    Ok(())
}

async fn mount(more: Value) -> Result<Mounted, Failure> {
    let mut table = json!({"command": [std::env::current_exe()?, SERVE]});
    for (key, value) in more.as_object().into_iter().flatten() {
        table[key] = value.clone();
    }
    let server: Server = serde_json::from_value(table)?;
    let mounted = server
        .start("m", &Keeper::this_program()?, Approved::default())
        .await;
    match mounted.failure() {
        None => Ok(mounted),
        Some(why) => Err(why.into()),
    }
}

fn tool(mounted: &Mounted, name: &str) -> Result<SharedTool, Failure> {
    let name = format!("m.{name}");
    let found = mounted
        .tools()
        .into_iter()
        .find(|tool| tool.declaration().name == name);
    found.ok_or_else(|| format!("no tool {name}").into())
}

async fn call(tool: &SharedTool, parameters: &str) -> Result<(), Failure> {
    let deadline = tokio::time::Instant::now() + LONG;
    let context = CallContext::new(CallIdentity::default(), deadline, CancellationToken::new(), None);
    tool.call(Parameters::from_json(parameters.to_owned().into()), context)
        .await?;
    Ok(())
}

async fn one_at_a_time() -> Result<(), Failure> {
    let mounted = mount(json!({})).await?;
    let echo = tool(&mounted, "echo")?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg(SERVE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let streams = child.stdout.take().zip(child.stdin.take()).ok_or("no streams")?;
    let mode = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let direct = ().serve_with_lifecycle(streams, mode).await?;
    let (mut through_mount, mut through_rmcp) = (Vec::new(), Vec::new());
    for turn in 0..WARM_UP + CALLS {
        let begin = Instant::now();
        call(&echo, r#"{"text":"0123456789abcdef"}"#).await?;
        let mount = begin.elapsed();
        let begin = Instant::now();
        let Value::Object(arguments) = json!({"text": "0123456789abcdef"}) else {
            continue;
        };
        let params = CallToolRequestParams::new("echo").with_arguments(arguments);
        let answer = direct.call_tool(params).await?;
        let _text = serde_json::to_vec(&serde_json::to_value(&answer)?)?;
        let rmcp = begin.elapsed();
        if turn >= WARM_UP {
            through_mount.push(mount);
            through_rmcp.push(rmcp);
        }
    }
    let (mount, rmcp) = (Quantiles::of(through_mount), Quantiles::of(through_rmcp));
    println!("one call at a time, {CALLS} in turns, microseconds:");
    println!("  rmcp alone     p50 {:7.1}  p99 {:7.1}", rmcp.p50, rmcp.p99);
    println!("  mounted        p50 {:7.1}  p99 {:7.1}", mount.p50, mount.p99);
    println!(
        "  the mount adds p50 {:7.1}  p99 {:7.1}",
        mount.p50 - rmcp.p50,
        mount.p99 - rmcp.p99
    );
    direct.cancel().await?;
    mounted.close().await;
    Ok(())
}

async fn at_once(name: &str, ms: u64) -> Result<(), Failure> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (index, pool) in [1, 4].into_iter().enumerate() {
            let mounted = mount(json!({"pool": pool, "concurrency": 1})).await?;
            let tool = tool(&mounted, name)?;
            // all processes have started when as many calls as there are processes ran side by side
            for _ in 0..20 {
                let mut all = JoinSet::new();
                for _ in 0..2 * pool {
                    let tool = SharedTool::clone(&tool);
                    all.spawn(async move { call(&tool, r#"{"ms":20}"#).await });
                }
                while let Some(end) = all.join_next().await {
                    end??;
                }
            }
            let parameters = json!({"ms": ms}).to_string();
            let begin = Instant::now();
            let mut all = JoinSet::new();
            for _ in 0..PARALLEL {
                let (tool, parameters) = (SharedTool::clone(&tool), parameters.clone());
                all.spawn(async move { call(&tool, &parameters).await });
            }
            while let Some(end) = all.join_next().await {
                end??;
            }
            times[index].push(begin.elapsed());
            mounted.close().await;
        }
    }
    let [one, four] = times.map(Quantiles::of);
    println!("{PARALLEL} calls of {ms} ms at once to `{name}`, median of {ROUNDS}, in turns:");
    println!(
        "  pool of 1 {:8.1} ms   pool of 4 {:8.1} ms   {:.2} times as fast",
        one.p50 / 1e3,
        four.p50 / 1e3,
        one.p50 / four.p50
    );
    Ok(())
}

/// In microseconds.
struct Quantiles {
    p50: f64,
    p99: f64,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let index = ((times.len() - 1) as f64 * share) as usize;
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}
