//! What a coordinator that ends does to answers that are on their way.

use std::{io, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy, duplex, split},
    time::sleep,
};
use tonic::transport::{Channel, Endpoint, Uri};
use toolwave_proto::v1::{
    ListExecutionsRequest, admin_service_client::AdminServiceClient,
    execution_service_client::ExecutionServiceClient,
};

use crate::{
    common::{call, config, request},
    memory::{Memory, SOMEWHERE},
};

/// Passes on what comes, as a thin line does.
fn slowed(stream: DuplexStream) -> DuplexStream {
    const PIECE: usize = 16 * 1024;
    let (near, far) = duplex(PIECE);
    let (mut from_server, mut to_server) = split(stream);
    let (mut from_client, mut to_client) = split(far);
    tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    tokio::spawn(async move {
        let mut piece = vec![0; PIECE];
        loop {
            let bytes = from_server.read(&mut piece).await?;
            if bytes == 0 {
                return to_client.shutdown().await;
            }
            sleep(Duration::from_millis(100)).await;
            to_client.write_all(&piece[..bytes]).await?;
        }
    });
    near
}

async fn slow_channel(memory: &Memory) -> Channel {
    let memory = memory.clone();
    let connect = tower::service_fn(move |_: Uri| {
        let memory = memory.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(slowed(memory.connect(SOMEWHERE).await))) }
    });
    let endpoint = Endpoint::from_static("http://in.memory");
    endpoint
        .connect_with_connector(connect)
        .await
        .expect("it is served")
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_its_client_reads_slowly_is_read_to_its_end_before_the_coordinator_is() {
    let (memory, coordinator) = Memory::start(config()).await;
    let mut client =
        ExecutionServiceClient::new(slow_channel(&memory).await).max_decoding_message_size(64 << 20);
    // Nobody hosts it: each is answered at once, in more bytes than pass within seconds.
    let calls = (0..10_000).map(|_| call("nobody.hosts.it", "{}")).collect();
    let asked = tokio::spawn(async move { client.execute_parallel(request(calls)).await });
    let mut admin = AdminServiceClient::new(memory.channel().await);
    while admin
        .list_executions(ListExecutionsRequest::default())
        .await
        .expect("an answer")
        .into_inner()
        .executions
        .is_empty()
    {
        sleep(Duration::from_millis(10)).await;
    }
    let report = coordinator.shutdown().await;
    assert!(report.finished);
    let answer = asked.await.expect("no panic").expect("the whole answer");
    assert_eq!(answer.into_inner().results.len(), 10_000);
}
