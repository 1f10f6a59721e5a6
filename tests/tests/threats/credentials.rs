//! What a client shows to the coordinator goes no further: no tool of any kind finds it in its arguments, environment,
//! input, headers or messages. What the operator gives a tool arrives.

use std::fs;

use serde_json::json;
use tonic::{Request, metadata::MetadataValue, transport::Endpoint};
use toolwave_client::{CallExt as _, call, v1};
use toolwave_proto::v1::execution_service_client::ExecutionServiceClient;

use crate::{
    echoing::Service,
    rig::{Cluster, folder},
    schemas::{SERVER, command, http, schema, servers},
};

/// Writes down all that it was given.
const COMMAND: &str = "{ env; printf '%s\\n' \"$@\"; cat; tr '\\0' '\\n' < /proc/$$/environ; } > given\n";
/// Where clients put what proves who they are.
const PLACES: [&str; 6] = [
    "authorization",
    "cookie",
    "x-api-key",
    "proxy-authorization",
    "x-forwarded-user",
    "mcp-session-id",
];

#[tokio::test]
async fn no_kind_of_tool_is_given_what_a_client_shows_to_the_coordinator() {
    let service = Service::start();
    let tools = [
        command(
            "run",
            "argv = [\"/bin/sh\", \"run.sh\", \"{text}\"]\nstdin = \"json\"\ninherit = [\"*\"]\nenvironment = { KEY = \"own-of-command\" }",
        ),
        http(
            "ask",
            &service,
            "ask",
            "method = \"POST\"\nbody = \"parameters\"\nheaders = { x-key = \"own-of-service\" }",
        ),
        servers(&service),
    ];
    let files = [
        ("run.sh", COMMAND),
        ("server.sh", SERVER),
        ("schema.json", &schema().to_string()),
        ("tools.toml", &tools.concat()),
    ];
    let cluster = Cluster::start(folder(&files), &[]).await;
    cluster.offers("s.say", true).await;
    cluster.offers("h.say", true).await;

    let canary = format!("canary-{}", uuid::Uuid::new_v4().simple());
    let endpoint = Endpoint::from_shared(cluster.processes.url()).unwrap();
    let mut client = ExecutionServiceClient::new(endpoint.connect().await.unwrap());
    let calls = ["run", "ask", "s.say", "h.say", "echo"];
    let mut request = Request::new(v1::ExecuteParallelRequest {
        calls: calls
            .map(|tool| call(tool, json!({"text": "said"})).id(tool))
            .into(),
        max_concurrency_auto: true,
        ..Default::default()
    });
    for place in PLACES {
        let value = MetadataValue::try_from(format!("Bearer {canary}")).unwrap();
        request.metadata_mut().insert(place, value);
    }
    request
        .metadata_mut()
        .insert_bin("token-bin", MetadataValue::from_bytes(canary.as_bytes()));
    let results = client
        .execute_parallel(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert!(results.iter().all(|result| result.success), "{results:#?}");
    assert!(!format!("{results:?}").contains(&canary), "{results:?}");

    let requests = service.received();
    let read = |name: &str| fs::read_to_string(cluster.path(name)).unwrap();
    let seen = |path: &str| {
        let requests = requests
            .iter()
            .filter(|request| request.line()[1].starts_with(path));
        requests
            .map(|request| format!("{:?} {}", request.head, request.body))
            .collect::<String>()
    };
    for (what, own, given) in [
        ("a command", "own-of-command", read("given")),
        ("a server", "own-of-server", read("server.env") + &read("lines")),
        ("a service", "own-of-service", seen("/ask")),
        ("an address", "own-of-address", seen("/mcp")),
    ] {
        // the texts that belong there show that it is looked at
        assert!(given.contains(own) && given.contains("said"), "{what}: {given}");
        assert!(!given.contains(&canary), "{what}: {given}");
        assert_eq!(
            given.matches("own-of-").count(),
            given.matches(own).count(),
            "{what} has another's: {given}"
        );
    }
}
