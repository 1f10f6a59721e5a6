//! Which services are where.

use prost::Message as _;
use tokio::net::TcpStream;
use toolwave_coordinator::Config;
use toolwave_proto::v1;

use crate::{
    common::{config, soon, start},
    memory::{Client, Memory, SOMEWHERE},
    pki::{Ca, Dialler, Files},
};

const UNIMPLEMENTED: u32 = 12;

/// Every service with each of its methods.
fn methods() -> Vec<(String, String)> {
    [
        v1::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ]
    .into_iter()
    .flat_map(|set| prost_types::FileDescriptorSet::decode(set).expect("a set").file)
    .flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().flat_map(move |service| {
            let name = format!("{package}.{}", service.name());
            service
                .method
                .into_iter()
                .map(move |method| (name.clone(), format!("/{name}/{}", method.name())))
        })
    })
    .collect()
}

/// The services that a listener answers for.
async fn services(client: &mut Client) -> Vec<String> {
    let mut found = Vec::new();
    for (service, path) in methods() {
        let status = soon("an answer", client.status(&path))
            .await
            .expect("it is served");
        if status != UNIMPLEMENTED && !found.contains(&service) {
            found.push(service);
        }
    }
    for unknown in [
        "/toolwave.v1.ExecutionService/Nothing",
        "/toolwave.v1.WorkerService/Nothing",
        "/grpc.health.v1.Health/Nothing",
        "/no.Service/Nothing",
        "/",
    ] {
        assert_eq!(client.status(unknown).await, Some(UNIMPLEMENTED), "{unknown}");
    }
    found.sort();
    found
}

async fn at(address: std::net::SocketAddr) -> Vec<String> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let mut client = Client::open(stream).await.expect("it is served");
    services(&mut client).await
}

const ADMIN: &str = "toolwave.v1.AdminService";
const EXECUTIONS: &str = "toolwave.v1.ExecutionService";
const WORKERS: &str = "toolwave.v1.WorkerService";
const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";

#[tokio::test]
async fn one_listener_has_every_service() {
    let coordinator = start(config()).await;
    assert_eq!(coordinator.worker_address(), coordinator.address());
    assert_eq!(
        at(coordinator.address()).await,
        [HEALTH, REFLECTION, ADMIN, EXECUTIONS, WORKERS]
    );
}

#[tokio::test]
async fn with_a_listener_for_workers_each_has_its_own_services_and_no_other() {
    let coordinator = start(Config {
        worker_listen: Some(([127, 0, 0, 1], 0).into()),
        ..config()
    })
    .await;
    let (clients, workers) = (coordinator.address(), coordinator.worker_address());
    assert_ne!(clients, workers);
    assert_eq!(at(clients).await, [HEALTH, REFLECTION, ADMIN, EXECUTIONS]);
    assert_eq!(at(workers).await, [HEALTH, WORKERS]);
    assert!(soon("its end", coordinator.shutdown()).await.finished);
}

#[tokio::test]
async fn a_listener_with_tls_does_not_describe_itself() {
    let ca = Ca::new("ca");
    let files = Files::new(&ca.server());
    let tls = Some(files.tls());
    let (memory, _coordinator) = Memory::start(Config { tls, ..config() }).await;
    let stream = memory.connect(SOMEWHERE).await;
    let stream = Dialler::new(&ca, None).dial(stream).await.expect("a handshake");
    let mut client = Client::open(stream).await.expect("it is served");
    assert_eq!(services(&mut client).await, [HEALTH, ADMIN, EXECUTIONS, WORKERS]);
}
