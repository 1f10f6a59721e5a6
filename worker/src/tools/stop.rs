//! Whether blocking work is still wanted; it asks between steps.

use toolwave_tool::{CallContext, ToolError};

/// Set when the attempt is cancelled or past its deadline.
#[derive(Clone, Debug)]
pub(super) struct Stop(CallContext);

/// The attempt is no longer wanted.
pub(super) fn cancelled() -> ToolError {
    ToolError::new(
        "CANCELLED",
        "stopped because the call is no longer wanted or its time is over",
    )
}

// === impl Stop ===

impl Stop {
    /// For the attempt of `context`.
    pub(super) fn new(context: CallContext) -> Self {
        Self(context)
    }

    /// True once nobody waits for the work.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_cancelled() || self.0.remaining().is_zero()
    }

    /// Ends work that nobody waits for.
    ///
    /// # Errors
    /// `CANCELLED`.
    pub(super) fn check(&self) -> Result<(), ToolError> {
        if self.is_set() { Err(cancelled()) } else { Ok(()) }
    }

    /// The attempt this is about.
    pub(super) fn context(&self) -> &CallContext {
        &self.0
    }
}
