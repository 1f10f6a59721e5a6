//! What a coordinator's listeners let in, and what they answer to whom: over real sockets, and over streams of
//! bytes that were accepted elsewhere.

mod common;

use std::{io, net::SocketAddr};

use common::{config, request, soon};
use hyper_util::rt::TokioIo;
use tokio::{io::DuplexStream, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};
use toolwave_coordinator::Coordinator;
use toolwave_proto::v1::{
    ListWorkersRequest, admin_service_client::AdminServiceClient,
    execution_service_client::ExecutionServiceClient,
};

/// A channel whose connections are in this process' memory.
async fn in_memory(accepted: mpsc::Sender<io::Result<(DuplexStream, SocketAddr)>>) -> Channel {
    let connect = tower::service_fn(move |_: Uri| {
        let accepted = accepted.clone();
        async move {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let peer = SocketAddr::from(([192, 0, 2, 7], 4000));
            let sent = accepted.send(Ok((far, peer))).await;
            sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok::<_, io::Error>(TokioIo::new(near))
        }
    });
    let endpoint = Endpoint::from_static("http://in.memory");
    soon("a connection", endpoint.connect_with_connector(connect))
        .await
        .expect("it is served")
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_elsewhere_is_served_as_what_comes_over_tcp() {
    let (accepted, incoming) = mpsc::channel(4);
    let coordinator = Coordinator::start_on(config(), ReceiverStream::new(incoming))
        .await
        .expect("nothing is bound");
    let channel = in_memory(accepted).await;
    let listed = AdminServiceClient::new(channel.clone())
        .list_workers(ListWorkersRequest {})
        .await;
    assert_eq!(listed.expect("it answers").into_inner().workers, []);
    let refused = ExecutionServiceClient::new(channel)
        .execute_parallel(request(vec![]))
        .await;
    assert!(refused.is_err(), "no calls, no execution");
    assert!(soon("its end", coordinator.shutdown()).await.finished);
}
