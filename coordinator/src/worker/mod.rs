//! Workers, as they are seen from the wire: the handshake, one task per session that reads its stream, and
//! the stream that writes to it. Nothing here decides; what a worker says goes to the driver as plain data.

mod convert;
pub(crate) mod declarations;
pub(crate) mod fault;
pub(crate) mod frame;
mod handshake;
pub(crate) mod outbox;
mod pace;
mod permitted;
mod pieces;
mod service;
mod session;

pub(crate) use convert::duration;
pub(crate) use service::{Service, SessionTerms, Workers};
