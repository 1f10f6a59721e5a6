//! Tools that a test can hold and watch.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Semaphore;
use toolwave_worker::{CallContext, FunctionTool, Tool, ToolError};

use super::within;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Text {
    #[serde(default)]
    pub(crate) text: String,
}

/// Returns its text, after a turn of the scheduler.
pub(crate) fn echo() -> impl Tool {
    FunctionTool::new(
        "echo",
        "Returns its text.",
        |parameters: Text, _: CallContext| async move {
            tokio::task::yield_now().await;
            Ok::<_, ToolError>(parameters.text)
        },
    )
}

/// Returns its text in the session's loop.
pub(crate) fn instant() -> impl Tool {
    FunctionTool::new(
        "instant",
        "Returns its text.",
        |parameters: Text, _: CallContext| async move { Ok::<_, ToolError>(parameters.text) },
    )
    .quick()
}

/// Holds calls of the tool `hold` until a test lets them go, and counts those that began and those that stopped.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) begun: Arc<Semaphore>,
    pub(crate) let_go: Arc<Semaphore>,
    pub(crate) dropped: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let semaphore = || Arc::new(Semaphore::new(0));
        Self {
            begun: semaphore(),
            let_go: semaphore(),
            dropped: semaphore(),
        }
    }

    pub(crate) fn tool(&self) -> impl Tool + use<> {
        let gate = self.clone();
        FunctionTool::new(
            "hold",
            "Waits until it is let go.",
            move |parameters: Text, context: CallContext| {
                let gate = gate.clone();
                async move {
                    context.progress(Some(0.5), "half");
                    let guard = Counted(Arc::clone(&gate.dropped));
                    gate.begun.add_permits(1);
                    gate.let_go.acquire().await.unwrap().forget();
                    std::mem::forget(guard);
                    Ok::<_, ToolError>(parameters.text)
                }
            },
        )
    }

    pub(crate) async fn wait_begun(&self) {
        within(self.begun.acquire()).await.unwrap().forget();
    }

    pub(crate) async fn wait_dropped(&self) {
        within(self.dropped.acquire()).await.unwrap().forget();
    }
}

/// Counts when it is dropped.
pub(crate) struct Counted(pub(crate) Arc<Semaphore>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}
