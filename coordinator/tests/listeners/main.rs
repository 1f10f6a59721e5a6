//! What a coordinator's listeners let in, and what they answer to whom: over real sockets, and over streams of
//! bytes in memory, where time can be paused.

#[path = "../common/mod.rs"]
mod common;

mod configuration;
mod descriptors;
mod doors;
mod ending;
mod first_bytes;
mod memory;
mod pki;
mod reload;
mod services;
mod tls;
mod told;

use common::{config, request, soon};
use memory::Memory;
use toolwave_proto::v1::{
    ListWorkersRequest, admin_service_client::AdminServiceClient,
    execution_service_client::ExecutionServiceClient,
};

#[tokio::test(start_paused = true)]
async fn what_is_accepted_elsewhere_is_served_as_what_comes_over_tcp() {
    let (memory, coordinator) = Memory::start(config()).await;
    let channel = memory.channel().await;
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
