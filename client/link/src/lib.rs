//! How clients and workers reach a coordinator: its address, TLS, and one connection at a time.
//!
//! It reads certificates and keys again for each connection, so that they can be replaced while a program runs, and
//! says of a connection that fails which side is wrong and what would be right. It knows nothing of RPCs, tokens or
//! retries.

mod address;
mod failure;
mod link;
mod pem;
mod resolver;
mod stream;
mod tls;

pub use address::{Address, AddressError};
pub use failure::LinkFailure;
pub use link::Link;
pub use resolver::Resolver;
pub use tls::{Tls, TlsPart, TlsProblem, TlsProblems};
