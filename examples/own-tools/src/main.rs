//! A worker with tools of its own, in about fifteen lines: a function with typed parameters is a tool.
//!
//! `cargo run -p toolwave-example-own-tools -- http://127.0.0.1:7420`

use schemars::JsonSchema;
use serde::Deserialize;
use toolwave_worker::{FunctionTool, Safety, Worker};

#[derive(Deserialize, JsonSchema)]
struct Greeting {
    /// Whom to greet.
    name: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let greet = FunctionTool::new(
        "greet",
        "Greets someone by name.",
        |parameters: Greeting, _context| async move { Ok(format!("Hello, {}!", parameters.name)) },
    );
    let coordinator = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "http://127.0.0.1:7420".into());
    let worker = Worker::builder()
        .coordinator(coordinator)
        .name("own-tools")
        .slots(8)
        .tool(greet.safety(Safety::ReadOnly))
        .tools(toolwave_example_own_tools::tools())
        .build()?;
    worker.run_until_signal().await?;
    Ok(())
}
