//! What model providers say of tool calls: replies are read, the messages to send back and the definitions of tools
//! are written, for OpenAI (chat completions and responses), Anthropic and Gemini.
//!
//! It reads and writes JSON and nothing else: it asks no network and runs no call. What it cannot read of one call is
//! that call's error and never the others'.
//!
//! ```
//! use toolwave_formats::{Ending, Names, Provider, Reply};
//!
//! let reply = r#"[{"type": "tool_use", "id": "toolu_1", "name": "geo__find", "input": {"q": "Oslo"}}]"#;
//! let reply = Reply::read(Provider::Anthropic, reply)?;
//! let names = Names::of(Provider::Anthropic, ["geo.find"]);
//! let call = &reply.calls()[0];
//! let (tool, parameters) = call.to_run(&names)?;
//! assert_eq!((tool, &*parameters), ("geo.find", r#"{"q": "Oslo"}"#));
//! let messages = reply.messages(&[Ending::of_json("{\"hits\": 3}")?])?;
//! assert_eq!(messages.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod content;
mod definitions;
mod detect;
mod ending;
mod find;
mod json;
mod literal;
mod messages;
mod names;
mod provider;
mod reply;
mod strict;

pub use call::ReplyCall;
pub use definitions::{Tool, definitions};
pub use ending::{CallError, Ending, Violation};
pub use literal::literal_parameters;
pub use messages::{Messages, WrongCount};
pub use names::Names;
pub use provider::{Provider, UnknownProvider};
pub use reply::{Reply, ReplyError};
pub use strict::is_strict;
