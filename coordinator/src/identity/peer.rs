//! The other end of a connection, as the listener saw it.

use std::{net::SocketAddr, sync::Arc};

use rustls::pki_types::CertificateDer;

/// In the extensions of every request that came over the connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What it proved to hold the key of, its own certificate first. Empty: it showed none, or there is no TLS.
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
}
