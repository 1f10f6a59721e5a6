//! What a tool like grpcurl finds on a coordinator's port.

mod common;

use common::{channel, config, start};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

#[tokio::test]
async fn on_loopback_every_service_describes_itself() {
    let coordinator = start(config()).await;
    let mut client = ServerReflectionClient::new(channel(&coordinator).await);
    let asked = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("toolwave.v1.ExecutionService.ExecuteParallel".to_owned()),
        // What an error carries: without it grpcurl shows bytes.
        MessageRequest::FileContainingSymbol("google.rpc.BadRequest".to_owned()),
    ];
    let requests = asked.map(|message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    });
    let answers = client.server_reflection_info(tokio_stream::iter(requests)).await;
    let mut answers = answers.expect("reflection is served").into_inner();

    let services = answers
        .message()
        .await
        .expect("an answer")
        .and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(listed)) = services else {
        panic!("not a list of services: {services:?}");
    };
    let mut names: Vec<String> = listed.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "externalscaler.ExternalScaler",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "toolwave.v1.AdminService",
            "toolwave.v1.ExecutionService",
            "toolwave.v1.WorkerService",
        ]
    );
    for symbol in ["ExecuteParallel", "BadRequest"] {
        let files = answers
            .message()
            .await
            .expect("an answer")
            .and_then(|answer| answer.message_response);
        assert!(
            matches!(files, Some(MessageResponse::FileDescriptorResponse(files)) if !files.file_descriptor_proto.is_empty()),
            "{symbol}"
        );
    }
}
