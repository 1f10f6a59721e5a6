//! The admin port: plain HTTP, for probes, scrapers and operators. What it serves is given to it.

use std::{io, net::SocketAddr};

use axum::Router;
use tokio::net::TcpListener;

/// A port that is bound and not yet served.
pub struct AdminPort {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminPort {
    /// Takes the address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is not to be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped. Handlers can ask for the peer's address (`ConnectInfo<SocketAddr>`).
    pub async fn serve(self, routes: Router) -> io::Result<()> {
        axum::serve(
            self.listener,
            routes.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .await
    }
}
