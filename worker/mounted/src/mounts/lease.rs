//! A server's tool that keeps its server: as long as a call of it runs, or somebody may still make one, the server
//! is not closed.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::task::task_tracker::{TaskTracker, TaskTrackerToken};
use toolwave_tool::{CallContext, Declaration, Output, Parameters, SharedTool, Stopping, Tool, ToolError};

struct Leased {
    tool: SharedTool,
    /// Given back when the last of those that share the tool lets go of it, a running call among them.
    _lease: TaskTrackerToken,
}

/// The same tool; `leases` counts it until nobody holds it any more.
pub(super) fn leased(tool: SharedTool, leases: &TaskTracker) -> SharedTool {
    Arc::new(Leased {
        tool,
        _lease: leases.token(),
    })
}

impl Tool for Leased {
    fn declaration(&self) -> Declaration {
        self.tool.declaration()
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        self.tool.call(parameters, context)
    }

    fn stopping(&self) -> Stopping {
        self.tool.stopping()
    }

    fn quick(&self) -> bool {
        self.tool.quick()
    }
}
