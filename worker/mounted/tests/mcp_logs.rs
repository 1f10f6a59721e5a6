//! What a mounted server writes to the log: never what it was called with, and never what it answered.

#[allow(dead_code)]
#[path = "mcp/support.rs"]
mod support;

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use support::{begin, call, start, tool};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("a lock")).into_owned()
    }
}

#[tokio::test]
async fn parameters_results_and_standard_error_are_not_logged_unless_the_operator_wants_standard_error() {
    let written = Written::default();
    // as the programs filter: what rmcp says is what it was sent
    let filter = EnvFilter::new("trace,rmcp=off");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(written.clone())
        .init();
    const CANARY: &str = "canary-3f9c";
    for (stderr, logged) in [("discard", false), ("log", true)] {
        let mounted = start(json!({"stderr": stderr, "environment": {"SECRET": CANARY}})).await;
        for name in ["echo", "complain", "fail", "refuse", "mismatch", "flood"] {
            let _ = call(&tool(&mounted, name), json!({"text": CANARY, "lines": 3})).await;
        }
        let mut progress = begin(
            &tool(&mounted, "sleep"),
            json!({"ms": 10, "steps": 2, "x": CANARY}),
            support::LONG,
        );
        progress.progress.recv().await.expect("progress");
        progress.end.await.expect("no panic").expect("slept");
        if !logged {
            let _ = call(&tool(&mounted, "die"), json!({"text": CANARY})).await;
        }
        if logged {
            support::until("the line is in the log", || written.text().contains(CANARY)).await;
            let text = written.text();
            assert!(
                text.lines()
                    .filter(|line| line.contains(CANARY))
                    .all(|line| line.contains("mcp::stderr"))
            );
        }
        mounted.close().await;
        let text = written.text();
        assert!(text.contains("an MCP server is ready"), "{text}");
        assert_eq!(text.contains(CANARY), logged, "{text}");
    }
}

#[tokio::test]
async fn a_server_that_fails_again_as_before_is_logged_once_above_debug() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("debug,rmcp=off"))
        .with_writer(written.clone())
        .finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let mounted = start(json!({"command": ["/nowhere/server"]})).await;
    let again = "an MCP server still does not start";
    support::until("it was tried again", || written.text().contains(again)).await;
    mounted.close().await;
    let text = written.text();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
}
