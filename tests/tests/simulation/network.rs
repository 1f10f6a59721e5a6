//! Byte streams of the simulated network, in the shapes that tonic and the coordinator take.

use std::{io, net::SocketAddr};

use futures_util::{Stream, future::BoxFuture, stream};
use hyper_util::rt::TokioIo;
use tonic::transport::{self, Channel, Endpoint, Uri};
use turmoil::net::{TcpListener, TcpStream};

/// The coordinator's name and port in the simulated network.
pub(crate) const COORDINATOR: &str = "coordinator";
pub(crate) const PORT: u16 = 7420;

/// What is accepted there.
pub(crate) async fn incoming()
-> io::Result<impl Stream<Item = io::Result<(TcpStream, SocketAddr)>> + Send + 'static> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    Ok(stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await;
        Some((accepted, listener))
    }))
}

/// Connects to it.
pub(crate) fn connect(endpoint: Endpoint) -> BoxFuture<'static, Result<Channel, transport::Error>> {
    let dial =
        |_: Uri| async { Ok::<_, io::Error>(TokioIo::new(TcpStream::connect((COORDINATOR, PORT)).await?)) };
    Box::pin(async move { endpoint.connect_with_connector(tower::service_fn(dial)).await })
}

/// Its address as programs write it.
pub(crate) fn url() -> String {
    format!("http://{COORDINATOR}:{PORT}")
}
