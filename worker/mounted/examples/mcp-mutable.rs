//! An MCP server on standard input and output that misbehaves as it is told, for the tests of mounted servers; and the
//! program that keeps it.

#[allow(unreachable_pub, missing_docs, dead_code)]
#[path = "../tests/mutable/mod.rs"]
mod mutable;

use std::{env, io, path::PathBuf, time::Duration};

use rmcp::ServiceExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};

fn main() -> io::Result<()> {
    toolwave_keeper::keep_if_asked();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve())
}

async fn serve() -> io::Result<()> {
    let mode = env::var("MUTABLE_MODE").unwrap_or_default();
    let mut stdin = BufReader::new(tokio::io::stdin());
    match mode.as_str() {
        "dead" => {
            eprintln!("cannot open \u{1b}[31m/no/such/thing");
            std::process::exit(7);
        }
        "hang" => {
            eprintln!("waiting for nothing");
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        // an old server that does not answer what it does not know
        "silent" => {
            stdin.read_line(&mut String::new()).await?;
        }
        _ => {}
    }
    let tools = env::var_os("MUTABLE_TOOLS").map(PathBuf::from);
    let server = mutable::Mutable::new(tools, mode == "old" || mode == "silent");
    let service = server
        .serve((stdin, tokio::io::stdout()))
        .await
        .map_err(io::Error::other)?;
    service.waiting().await.map_err(io::Error::other)?;
    Ok(())
}
