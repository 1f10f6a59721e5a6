//! The Rust client of toolwave: the generated gRPC client, with errors that say what happened and JSON in and out.
//!
//! It adds no behaviour of its own: no retries, no defaults besides what a caller can receive. What the
//! messages mean is written in the .proto files.
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
mod json;
mod token;
mod trace;

pub use builder::ClientBuilder;
pub use call::{CallExt, CallResultExt, call};
pub use client::{Client, MAX_MESSAGE_BYTES};
pub use error::{ClientError, Violation};
pub use json::{duration, from_proto_value, proto_duration};
pub use toolwave_link::{LinkFailure, Tls};
pub use toolwave_proto::v1;
