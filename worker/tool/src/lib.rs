//! What a tool is to a worker: a declaration, and a future that turns parameters into a result.
//!
//! Nothing here knows of sessions, of the wire or of any kind of tool: workers, built-in tools and mounted tools all
//! build on this.

mod context;
mod declaration;
mod function;
mod tool;

pub use context::{CallContext, CallIdentity, Progress};
pub use declaration::{Declaration, Effect, Rate, RetryPolicy, Safety, is_name};
pub use function::{BlockingTool, FunctionTool};
pub use tool::{Output, Parameters, SharedTool, Stopping, Tool, ToolError};
