//! The floor: a client, a relay and an echo server, three processes of this program that speak gRPC and decide
//! nothing. What they reach is what the wire allows on this machine at this moment.
//!
//! Single-threaded runtimes, since they are the fastest here; no queues, limits, retries, deadlines or checks.

mod client;
mod echo_server;
mod relay;

#[allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all, unreachable_pub)]
pub(crate) mod wire {
    include!("generated/toolwave.bench.rs");
}

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
};

use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};

pub(crate) use client::{Floor, FloorClient};
pub(crate) use echo_server::serve as serve_echo;
pub(crate) use relay::serve as serve_relay;
use wire::{
    floor_service_client::FloorServiceClient,
    floor_service_server::{FloorService, FloorServiceServer},
};

/// More than any message of a scenario.
const MAX_MESSAGE: usize = 256 << 20;
/// What is printed before the address, once it listens.
const LISTENING: &str = "listening on ";
/// The windows that the cluster's own connections have.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

async fn connect(address: SocketAddr) -> anyhow::Result<FloorServiceClient<Channel>> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect()
        .await?;
    Ok(FloorServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}

/// Serves on a free port, which it prints, until it is killed.
async fn listen(service: impl FloorService) -> anyhow::Result<()> {
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into())?.with_nodelay(Some(true));
    let mut output = std::io::stdout();
    writeln!(output, "{LISTENING}{}", incoming.local_addr()?)?;
    output.flush()?;
    let service = FloorServiceServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(service)
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}
