//! Two tenants and every RPC: what belongs to the one is, for the other, as what never was. Their requests come to
//! the service as the check of credentials leaves them; all else is a real coordinator with a worker.

#[allow(clippy::expect_used, clippy::panic, reason = "it is a test's")]
#[path = "../../tests/common/mod.rs"]
mod common;

use std::{sync::Arc, time::Duration};

use tokio_stream::StreamExt;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use toolwave_proto::v1::{
    self, admin_service_server::AdminService, execution_service_server::ExecutionService,
};

use crate::{
    Coordinator,
    admin::Admin,
    config::Config,
    execution::service::Service,
    identity::{Client, NamePatterns},
    tenants::{Bound, Bytes, Rate, TenantName, TenantSection},
};
use common::{FakeWorker, call, json, register, request, soon, tool};

fn patterns(tools: &[&str]) -> NamePatterns {
    let tools: Vec<String> = tools.iter().map(ToString::to_string).collect();
    NamePatterns::try_from(tools).expect("patterns")
}

fn client(tenant: &str, tools: &[&str]) -> Arc<Client> {
    Arc::new(Client {
        tenant: tenant.into(),
        subject: "somebody".into(),
        tools: patterns(tools),
        operator: false,
    })
}

fn from<T>(client: &Arc<Client>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(client.clone());
    request
}

/// All that a client sees of a refusal.
fn face(status: &Status) -> (Code, String, Vec<u8>) {
    (
        status.code(),
        status.message().to_owned(),
        status.details().to_vec(),
    )
}

fn with_tenant(name: &str, section: TenantSection) -> Config {
    let mut config = common::config();
    let name = TenantName::try_from(name.to_owned()).expect("a name");
    config.tenants.insert(name, section);
    config
}

struct Scene {
    coordinator: Coordinator,
    service: Arc<Service>,
    worker: FakeWorker,
}

impl Scene {
    async fn new(config: Config) -> Self {
        let coordinator = common::start(config).await;
        let strict = v1::Tool {
            input_schema_json: r#"{"type":"object","required":["x"]}"#.into(),
            ..tool("echo.secret")
        };
        let tools = vec![tool("echo"), strict, tool("files.read")];
        let worker = FakeWorker::join(&coordinator, register("w", tools)).await;
        // The keys of idempotency are the service's: all requests go to this one.
        let service = Arc::new(Service::new(coordinator.handle().clone()));
        Self {
            coordinator,
            service,
            worker,
        }
    }

    /// Begins an execution that runs until its worker answers.
    fn begin(
        &self,
        client: &Arc<Client>,
        key: &str,
        parameters: &str,
    ) -> tokio::task::JoinHandle<Result<v1::ExecuteParallelResponse, Status>> {
        let (service, client) = (self.service.clone(), client.clone());
        let mut message = request(vec![call("echo", parameters)]);
        message.idempotency_key = key.into();
        tokio::spawn(async move {
            let response = service.execute_parallel(from(&client, message)).await?;
            Ok(response.into_inner())
        })
    }

    async fn cancel(
        &self,
        client: &Arc<Client>,
        target: v1::cancel_execution_request::Target,
    ) -> Result<v1::CancelExecutionResponse, Status> {
        let target = Some(target);
        let message = v1::CancelExecutionRequest { target };
        let response = self.service.cancel_execution(from(client, message)).await?;
        Ok(response.into_inner())
    }

    async fn tools(&self, client: &Arc<Client>) -> Vec<v1::ListedTool> {
        let listed = self.service.list_tools(from(client, v1::ListToolsRequest {}));
        listed.await.expect("it answers").into_inner().tools
    }
}

fn id(text: &str) -> v1::cancel_execution_request::Target {
    v1::cancel_execution_request::Target::ExecutionId(text.to_owned())
}

fn key(text: &str) -> v1::cancel_execution_request::Target {
    v1::cancel_execution_request::Target::IdempotencyKey(text.to_owned())
}

#[tokio::test]
async fn an_execution_of_another_tenant_is_as_one_that_never_was() {
    let mut scene = Scene::new(common::config()).await;
    let (a, b) = (client("a", &["*"]), client("b", &["*"]));
    let running = scene.begin(&a, "mine", "{}");
    let dispatch = scene.worker.dispatch().await;
    let unknown = [
        id(&uuid::Uuid::new_v4().to_string()),
        id("no uuid"),
        key("never used"),
    ];
    let mut faces = Vec::new();
    for target in unknown {
        faces.push(face(&scene.cancel(&b, target).await.expect_err("unknown")));
    }
    assert!(faces.iter().all(|other| *other == faces[0]), "{faces:?}");
    let foreign_id = dispatch.execution_id.clone();
    for target in [id(&foreign_id), key("mine")] {
        let refused = scene.cancel(&b, target).await.expect_err("foreign and running");
        assert_eq!(face(&refused), faces[0]);
    }
    scene.worker.succeed(&dispatch, "1").await;
    let answer = soon("its end", running)
        .await
        .expect("no panic")
        .expect("an answer");
    assert_eq!(json(&answer.results[0]), "1", "the other cancelled nothing");
    for target in [id(&foreign_id), key("mine")] {
        let refused = scene
            .cancel(&b, target.clone())
            .await
            .expect_err("foreign and ended");
        assert_eq!(face(&refused), faces[0]);
        let own = scene.cancel(&a, target).await.expect("its own");
        assert!(own.already_ended);
    }
}

#[tokio::test]
async fn one_idempotency_key_of_two_tenants_is_two_keys() {
    let mut scene = Scene::new(common::config()).await;
    let (a, b) = (client("a", &["*"]), client("b", &["*"]));
    let first = scene.begin(&a, "key", r#"{"of":"a"}"#);
    let of_a = scene.worker.dispatch().await;
    // With the same body, which would join, and with another, which would be refused.
    let second = scene.begin(&b, "key", r#"{"of":"a"}"#);
    let of_b = scene.worker.dispatch().await;
    let reused = scene.begin(&a, "key", r#"{"of":"b"}"#);
    let reused = soon("a refusal", reused)
        .await
        .expect("no panic")
        .expect_err("its own key");
    assert_eq!(reused.code(), Code::AlreadyExists);
    scene.worker.succeed(&of_a, "\"a\"").await;
    scene.worker.succeed(&of_b, "\"b\"").await;
    for (execution, expected) in [(first, "\"a\""), (second, "\"b\"")] {
        let answer = soon("its end", execution)
            .await
            .expect("no panic")
            .expect("an answer");
        assert_eq!(json(&answer.results[0]), expected);
    }
    let again = scene.begin(&b, "key", r#"{"of":"a"}"#);
    let again = soon("the kept answer", again)
        .await
        .expect("no panic")
        .expect("an answer");
    assert_eq!(json(&again.results[0]), "\"b\"");
}

#[tokio::test]
async fn a_client_learns_by_a_key_nothing_of_a_tool_that_it_may_not_name() {
    let mut scene = Scene::new(common::config()).await;
    let (may, may_not) = (client("a", &["*"]), client("a", &["files.*"]));
    let execution = scene.begin(&may, "key", "{}");
    let dispatch = scene.worker.dispatch().await;
    scene.worker.succeed(&dispatch, "\"secret\"").await;
    soon("its end", execution)
        .await
        .expect("no panic")
        .expect("an answer");
    let other = scene.begin(&may_not, "key", "{}");
    let refused = soon("a refusal", other).await.expect("no panic");
    assert_eq!(refused.expect_err("another body").code(), Code::AlreadyExists);
}

/// What a call of a tool comes to, in every RPC that takes one; the tool's name replaced.
async fn answers(scene: &Scene, client: &Arc<Client>, name: &str) -> Vec<String> {
    // The second call would conflict with what the schema wants, the third is wrong whatever its tool.
    let calls = || {
        vec![
            call(name, "{}"),
            call(name, r#"{"x":1}"#),
            call(name, "{"),
            call("echo_", "{}"),
        ]
    };
    let executed = scene
        .service
        .execute_parallel(from(client, request(calls())))
        .await;
    let executed = executed.expect("an answer").into_inner().results;
    let planned = scene.service.plan_execution(from(
        client,
        v1::PlanExecutionRequest {
            execution: Some(request(calls())),
        },
    ));
    let planned = planned.await.expect("an answer").into_inner();
    let streamed = scene.service.execute_parallel_stream(from(
        client,
        v1::ExecuteParallelStreamRequest {
            execution: Some(request(calls())),
        },
    ));
    let mut streamed = streamed.await.expect("a stream").into_inner();
    let mut ends = Vec::new();
    while let Some(message) = streamed.next().await {
        for event in message.expect("no fault").events {
            if let Some(v1::execution_event::Kind::Result(ended)) = event.kind {
                ends.push(ended.result);
            }
        }
    }
    let words = |result: &v1::CallResult| {
        let error = result.error.clone().expect("none of them runs");
        format!("{:?} {error:?}", result.outcome()).replace(name, "NAME")
    };
    let mut all: Vec<String> = executed.iter().map(words).collect();
    all.extend(ends.into_iter().flatten().map(|result| words(&result)));
    all.extend(planned.rejected.iter().flat_map(|end| &end.result).map(words));
    assert_eq!(all.len(), 12, "{all:#?}");
    all
}

#[tokio::test]
async fn a_tool_that_a_client_may_not_name_is_as_one_that_nobody_declared() {
    // Told once for all, and while workers may still come.
    for grace in [Duration::ZERO, Duration::from_millis(600)] {
        let section = TenantSection {
            tools: Some(patterns(&["echo", "files.*"])),
            ..TenantSection::default()
        };
        let mut config = with_tenant("b", section);
        config.startup_grace = grace;
        let scene = Scene::new(config).await;
        // By its credentials, and by its tenant.
        for client in [client("a", &["echo", "files.*"]), client("b", &["*"])] {
            let hidden = answers(&scene, &client, "echo.secret").await;
            let unknown = answers(&scene, &client, "echo.zecret").await;
            assert_eq!(hidden, unknown);
            assert!(hidden[0].contains("UNKNOWN_TOOL") && hidden[0].contains("did you mean echo?"));
            assert!(!hidden[3].contains("secret"), "nor is it offered: {}", hidden[3]);
            let listed = scene.tools(&client).await;
            let names: Vec<&str> = listed
                .iter()
                .filter_map(|listed| Some(listed.tool.as_ref()?.name.as_str()))
                .collect();
            assert_eq!(names, ["echo", "files.read"]);
        }
    }
}

#[tokio::test]
async fn how_busy_a_tool_is_only_operators_see() {
    let mut scene = Scene::new(common::config()).await;
    let running = scene.begin(&client("a", &["*"]), "", "{}");
    let dispatch = scene.worker.dispatch().await;
    let in_flight = |tools: Vec<v1::ListedTool>| tools.iter().map(|tool| tool.in_flight).sum::<u32>();
    assert_eq!(in_flight(scene.tools(&client("b", &["*"])).await), 0);
    let operator = Arc::new(Client {
        operator: true,
        ..Client::clone(&client("b", &["*"]))
    });
    assert_eq!(in_flight(scene.tools(&operator).await), 1);
    scene.worker.succeed(&dispatch, "1").await;
    soon("its end", running)
        .await
        .expect("no panic")
        .expect("an answer");
    drop(scene.coordinator);
}

#[tokio::test]
async fn an_operator_sees_and_ends_what_tenants_run_and_they_see_nothing_of_each_other() {
    let mut scene = Scene::new(common::config()).await;
    let (a, b) = (client("a", &["*"]), client("b", &["*"]));
    let of_a = scene.begin(&a, "", "{}");
    let first = scene.worker.dispatch().await;
    let of_b = scene.begin(&b, "", "{}");
    let second = scene.worker.dispatch().await;
    // What may come here is the gate's affair: `identity::gate`.
    let operator = Arc::new(Client {
        operator: true,
        ..Client::clone(&client("c", &[]))
    });
    let admin = Admin(scene.coordinator.handle().clone());
    let listed = admin.list_executions(from(&operator, v1::ListExecutionsRequest::default()));
    let listed = listed.await.expect("it answers").into_inner().executions;
    let tenants: Vec<&str> = listed.iter().map(|status| status.tenant.as_str()).collect();
    assert_eq!(tenants, ["b", "a"]);
    for dispatch in [&first, &second] {
        let request = v1::AdminServiceCancelExecutionRequest {
            execution_id: dispatch.execution_id.clone(),
        };
        let cancelled = admin.cancel_execution(from(&operator, request)).await;
        assert!(!cancelled.expect("it runs").into_inner().already_ended);
    }
    for execution in [of_a, of_b] {
        let answer = soon("its end", execution)
            .await
            .expect("no panic")
            .expect("an answer");
        assert_eq!(answer.results[0].outcome(), v1::Outcome::Cancelled);
    }
}

/// Reason, the limit that is named, and when to try again.
fn quota(status: &Status) -> (String, String, Option<Duration>) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    let violation = details
        .quota_failure()
        .and_then(|failure| failure.violations.first());
    (
        details
            .error_info()
            .map(|info| info.reason.clone())
            .unwrap_or_default(),
        violation
            .map(|violation| violation.subject.clone())
            .unwrap_or_default(),
        details.retry_info().and_then(|info| info.retry_delay),
    )
}

#[tokio::test]
async fn a_quota_refuses_its_tenant_alone_and_says_which_and_until_when() {
    let section = |change: &dyn Fn(&mut TenantSection)| {
        let mut section = TenantSection::default();
        change(&mut section);
        section
    };
    let cases = [
        (
            section(&|section| section.max_in_flight = Some(Bound::At(0))),
            "max_in_flight",
            None,
        ),
        (
            section(&|section| section.max_queued_calls = Some(Bound::At(0))),
            "max_queued_calls",
            None,
        ),
        (
            section(&|section| section.max_payload_bytes = Some(Bound::At(Bytes(1)))),
            "max_payload_bytes",
            None,
        ),
        (
            section(&|section| section.calls_per_second = Some(Bound::At(Rate(0.0)))),
            "calls_per_second",
            None,
        ),
    ];
    for (section, limit, retry) in cases {
        let scene = Scene::new(with_tenant("a", section)).await;
        let refused = scene.begin(&client("a", &["*"]), "", "{}");
        let refused = soon("a refusal", refused)
            .await
            .expect("no panic")
            .expect_err("refused");
        assert_eq!(quota(&refused), ("TENANT_QUOTA".into(), limit.into(), retry));
        let mut scene = scene;
        let other = scene.begin(&client("b", &["*"]), "", "{}");
        let dispatch = scene.worker.dispatch().await;
        scene.worker.succeed(&dispatch, "1").await;
        soon("its end", other)
            .await
            .expect("no panic")
            .expect("an answer");
    }
}

#[tokio::test]
async fn bytes_that_a_tenant_holds_count_until_its_answers_are_read() {
    let section = TenantSection {
        max_payload_bytes: Some(Bound::At(Bytes(40))),
        ..TenantSection::default()
    };
    let mut scene = Scene::new(with_tenant("a", section)).await;
    let a = client("a", &["*"]);
    let thirty = r#"{"text":"0123456789012345678"}"#;
    assert_eq!(thirty.len(), 30);
    let first = scene.begin(&a, "", thirty);
    let dispatch = scene.worker.dispatch().await;
    let second = scene.begin(&a, "", thirty);
    let refused = soon("a refusal", second)
        .await
        .expect("no panic")
        .expect_err("refused");
    let (reason, limit, retry) = quota(&refused);
    assert_eq!(
        (reason.as_str(), limit.as_str()),
        ("TENANT_QUOTA", "max_payload_bytes")
    );
    assert!(retry.is_some(), "it fits later");
    scene.worker.succeed(&dispatch, "1").await;
    soon("its end", first)
        .await
        .expect("no panic")
        .expect("an answer");
    let third = scene.begin(&a, "", thirty);
    let dispatch = scene.worker.dispatch().await;
    scene.worker.succeed(&dispatch, "1").await;
    soon("its end", third)
        .await
        .expect("no panic")
        .expect("an answer");
}

#[tokio::test]
async fn a_refusal_for_the_rate_says_when_it_fits() {
    let section = TenantSection {
        calls_per_second: Some(Bound::At(Rate(0.1))),
        ..TenantSection::default()
    };
    let mut scene = Scene::new(with_tenant("a", section)).await;
    let a = client("a", &["*"]);
    let first = scene.begin(&a, "", "{}");
    let dispatch = scene.worker.dispatch().await;
    scene.worker.succeed(&dispatch, "1").await;
    soon("its end", first)
        .await
        .expect("no panic")
        .expect("an answer");
    let second = scene.begin(&a, "", "{}");
    let refused = soon("a refusal", second)
        .await
        .expect("no panic")
        .expect_err("refused");
    let (_, limit, retry) = quota(&refused);
    assert_eq!(limit, "calls_per_second");
    let retry = retry.expect("it fits later");
    assert!(retry <= Duration::from_secs(10) && retry > Duration::from_secs(10) - common::PATIENCE / 4);
}
