//! The network between real parts: proxies and raw connections that delay, hold, lose, cut and flood, and network
//! namespaces where the machine lets anybody make them.
#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod doors;
mod floods;
mod goaway;
mod links;
mod memory;
mod namespaces;
mod readers;
mod support;
mod transport;
