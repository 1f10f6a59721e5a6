//! Byte streams of the simulated network, in the shapes that tonic and the coordinator take.

use std::{io, net::SocketAddr};

use futures_util::{Stream, StreamExt as _, future::BoxFuture, stream};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::{self, Channel, Endpoint, Uri};
use turmoil::net::{TcpListener, TcpStream};

/// The coordinator's name in the simulated network.
pub(crate) const COORDINATOR: &str = "coordinator";
const PORT: u16 = 7420;
/// As [`PORT`], behind something that accepts connections before it reaches the coordinator.
const MIDDLEBOX: u16 = 7421;
/// Turmoil tells who dials that it is connected although nothing came back. This comes back: a link that is dead in
/// one direction connects nobody, as with real TCP.
const SYN_ACK: u8 = 0x12;

/// What is accepted at the coordinator.
pub(crate) async fn incoming()
-> io::Result<impl Stream<Item = io::Result<(TcpStream, SocketAddr)>> + Send + 'static> {
    let direct = accepted(TcpListener::bind(("0.0.0.0", PORT)).await?, true);
    let behind = accepted(TcpListener::bind(("0.0.0.0", MIDDLEBOX)).await?, false);
    Ok(stream::select(direct.boxed(), behind.boxed()))
}

fn accepted(
    listener: TcpListener,
    acknowledges: bool,
) -> impl Stream<Item = io::Result<(TcpStream, SocketAddr)>> + Send + 'static {
    stream::unfold(listener, move |listener| async move {
        let accepted = async {
            let (mut stream, address) = listener.accept().await?;
            if acknowledges {
                stream.write_u8(SYN_ACK).await?;
            }
            Ok((stream, address))
        };
        Some((accepted.await, listener))
    })
}

/// Connects to it.
pub(crate) fn connect(endpoint: Endpoint) -> BoxFuture<'static, Result<Channel, transport::Error>> {
    let dial = |_: Uri| async {
        let mut stream = TcpStream::connect((COORDINATOR, PORT)).await?;
        stream.read_u8().await?;
        Ok::<_, io::Error>(TokioIo::new(stream))
    };
    Box::pin(async move { endpoint.connect_with_connector(tower::service_fn(dial)).await })
}

/// Connects through what says that it is connected whatever is behind it.
pub(crate) fn connect_behind(endpoint: Endpoint) -> BoxFuture<'static, Result<Channel, transport::Error>> {
    let dial = |_: Uri| async {
        let stream = TcpStream::connect((COORDINATOR, MIDDLEBOX)).await?;
        Ok::<_, io::Error>(TokioIo::new(stream))
    };
    Box::pin(async move { endpoint.connect_with_connector(tower::service_fn(dial)).await })
}

/// Its address as programs write it.
pub(crate) fn url() -> String {
    format!("http://{COORDINATOR}:{PORT}")
}
