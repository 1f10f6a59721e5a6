//! The Rust client of toolwave: the generated gRPC client, with errors that say what happened and JSON in and out.
//!
//! Of several coordinators it asks one, and another when that one takes no work ([`ClientBuilder::coordinators`]); what
//! may have run it submits again only where it is told that it may ([`Resubmit`]). What the messages mean is written
//! in the .proto files.
//!
//! ```no_run
//! use serde_json::json;
//! use toolwave_client::{CallExt, CallResultExt, Client, call, v1};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("http://127.0.0.1:7420").await?;
//! let request = v1::ExecuteParallelRequest {
//!     calls: vec![
//!         call("calculator", json!({"expression": "6 * 7"})).id("product"),
//!         call("hash", json!({"text": "${product.result}"})),
//!     ],
//!     ..Default::default()
//! };
//! for result in client.execute_parallel(request).await?.results {
//!     println!("{}: {:?}", result.id, result.json()?);
//! }
//! # Ok(())
//! # }
//! ```

mod builder;
mod call;
mod client;
mod error;
mod failover;
mod json;
mod pool;
mod token;
mod trace;

pub use builder::ClientBuilder;
pub use call::{CallExt, CallResultExt, call};
pub use client::{Client, MAX_MESSAGE_BYTES};
pub use error::{ClientError, Violation};
pub use failover::{Executed, Resubmission, Resubmit};
pub use json::{duration, from_proto_value, proto_duration};
pub use toolwave_link::{LinkFailure, Resolver, Tls};
pub use toolwave_proto::v1;
