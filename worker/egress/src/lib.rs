//! Where an outgoing HTTP request may go, and how it goes there.
//!
//! A [`Policy`] says which hosts and addresses may be reached; [`client`] makes a client that reaches nothing else by
//! name, and [`Exchange`] sends requests and checks each hop. What a request means, and what an answer is worth, is
//! known only to the tools that send it.

mod address;
mod client;
mod exchange;
mod headers;
mod policy;
mod range;
mod spelling;

pub use client::{Lookup, client, system_lookup};
pub use exchange::{Body, Exchange, Failure, Request, read_body};
pub use headers::{is_json, is_reserved, retry_after, trace};
pub use policy::{Denied, EntryError, Policy, Redirects, Service};
pub use range::Range;
pub use spelling::{Misspelled, url};
