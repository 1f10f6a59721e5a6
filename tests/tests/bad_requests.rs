//! Every input of the catalogue `data/bad_requests.json` over a real connection: the exact code, reason, field or
//! outcome comes back, and afterwards the coordinator holds nothing. Also keeps `docs/errors.md` true.

use prost::Message;
use tokio::time::timeout;
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt;
use toolwave_proto::v1::{
    self, admin_service_client::AdminServiceClient, call_result::ResultForm,
    execution_service_client::ExecutionServiceClient,
};
use toolwave_tests::{Cluster, DeclaredTool, PATIENCE, check_page, code_word};
use toolwave_worker::tools::{Builtin, builtin_tools};

#[path = "bad_requests/page.rs"]
mod page;
#[path = "bad_requests/rows.rs"]
mod rows;
#[path = "bad_requests/scripts.rs"]
mod scripts;

use rows::{Expected, ExpectedCall, Row, generate, rows};

type Client = ExecutionServiceClient<Channel>;

async fn connect(url: &str) -> Client {
    let channel = Channel::from_shared(url.to_owned())
        .expect("a URL")
        .connect()
        .await
        .expect("a coordinator");
    Client::new(channel).max_decoding_message_size(64 << 20)
}

async fn cluster() -> Cluster {
    let mut cluster = Cluster::start().await.expect("starts");
    let mut tools = builtin_tools(&Builtin::default()).expect("built-in tools");
    let schema = serde_json::json!({
        "type": "object", "additionalProperties": false, "required": ["path"],
        "properties": {"path": {"type": "string"}, "count": {"type": "integer"}},
    });
    tools.push(std::sync::Arc::new(DeclaredTool::new(
        "typed",
        "Has a schema.",
        schema,
    )));
    cluster.add_worker("worker", 8, tools).await.expect("registers");
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_request_is_answered_as_documented_and_leaves_nothing() {
    let cluster = cluster().await;
    let client = connect(&cluster.url()).await;
    let mut wrong = Vec::new();
    for row in rows()
        .iter()
        .filter(|row| row.not_applicable.is_none() && row.script.is_none())
    {
        let outcome = timeout(PATIENCE, send(&cluster.url(), client.clone(), row))
            .await
            .expect(&row.id);
        let expected = row.expect.as_ref().expect(&row.id);
        if let Err(what) = check(expected, outcome) {
            wrong.push(format!("{} ({}): {what}", row.id, row.describes));
        }
        if let Err(what) = holds_nothing(&cluster.url(), client.clone()).await {
            wrong.push(format!("{} ({}): {what}", row.id, row.describes));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cluster.stop().await.expect("stops");
}

#[test]
fn every_row_says_what_comes_back_and_every_reason_is_documented() {
    for row in rows() {
        let ways = [
            row.expect.is_some(),
            row.script.is_some(),
            row.not_applicable.is_some(),
        ];
        assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{}", row.id);
    }
    let ids: Vec<String> = rows().into_iter().map(|row| row.id).collect();
    for number in 1..=58 {
        let id = format!("R{number:02}");
        assert!(ids.iter().any(|row| row.starts_with(&id)), "{id} is missing");
    }
}

#[test]
fn the_page_of_errors_is_up_to_date() {
    check_page("docs/errors.md", &page::page(&rows()));
}

async fn send(url: &str, mut client: Client, row: &Row) -> Result<v1::ExecuteParallelResponse, Status> {
    if let Some(cancel) = &row.cancel {
        return client
            .cancel_execution(cancel.request())
            .await
            .map(|_| v1::ExecuteParallelResponse::default());
    }
    if let Some(raw) = &row.raw {
        return send_raw(url, client, raw).await;
    }
    let body = match (&row.request, &row.generate) {
        (Some(request), _) => request.request(),
        (None, Some(name)) => generate(name),
        (None, None) => panic!("{} sends nothing", row.id),
    };
    let mut request = Request::new(v1::ExecuteParallelRequest {
        result_form: if body.result_form == 0 {
            v1::ResultForm::Json.into()
        } else {
            body.result_form
        },
        ..body
    });
    for (name, value) in &row.headers {
        let name: tonic::metadata::MetadataKey<_> = name.parse().expect("a header");
        request.metadata_mut().insert(name, value.parse().expect("ASCII"));
    }
    client
        .execute_parallel(request)
        .await
        .map(tonic::Response::into_inner)
}

/// A request with bytes where the contract has strings, and a field that it does not have.
#[derive(Clone, PartialEq, Message)]
struct RawRequest {
    #[prost(message, repeated, tag = "1")]
    calls: Vec<RawCall>,
    #[prost(string, tag = "1999")]
    unknown: String,
}

#[derive(Clone, PartialEq, Message)]
struct RawCall {
    #[prost(bytes = "vec", tag = "2")]
    tool_name: Vec<u8>,
    #[prost(uint64, tag = "1999")]
    unknown: u64,
}

async fn send_raw(url: &str, mut client: Client, name: &str) -> Result<v1::ExecuteParallelResponse, Status> {
    let raw = match name {
        "tool_name_not_utf8" => RawRequest {
            calls: vec![RawCall {
                tool_name: vec![0xff],
                unknown: 0,
            }],
            unknown: String::new(),
        },
        "unknown_field" => RawRequest {
            calls: vec![RawCall {
                tool_name: b"echo".to_vec(),
                unknown: 7,
            }],
            unknown: "x".into(),
        },
        "empty_stream" => {
            let request = v1::ExecuteParallelStreamRequest::default();
            return client
                .execute_parallel_stream(request)
                .await
                .map(|_| v1::ExecuteParallelResponse::default());
        }
        unknown => panic!("{unknown} is no raw request"),
    };
    scripts::send_message(raw, url).await
}

fn check(expected: &Expected, outcome: Result<v1::ExecuteParallelResponse, Status>) -> Result<(), String> {
    match (outcome, &expected.code) {
        (Err(status), Some(code)) => check_status(expected, code, &status),
        (Ok(response), None) => {
            let results = response.results;
            if results.len() != expected.calls.len() {
                return Err(format!("{} results", results.len()));
            }
            expected
                .calls
                .iter()
                .zip(&results)
                .try_for_each(|(expected, result)| check_call(expected, result))
        }
        (Ok(response), Some(_)) => Err(format!("accepted: {response:?}")),
        (Err(status), None) => Err(format!("refused: {status:?}")),
    }
}

fn check_status(expected: &Expected, code: &str, status: &Status) -> Result<(), String> {
    let found = code_word(status.code());
    ensure(found == *code, || format!("{found}: {}", status.message()))?;
    ensure(status.message().len() <= 512, || {
        "a message over 512 bytes".into()
    })?;
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    ensure(reason == expected.reason, || {
        format!("reason {reason:?}: {}", status.message())
    })?;
    let violations = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
    if let Some(field) = &expected.field {
        let reason = expected.reason.clone().unwrap_or_default();
        let listed =
            |v: &tonic_types::FieldViolation| v.field == *field && v.description.starts_with(&reason);
        ensure(violations.iter().any(listed), || {
            format!("no {reason} at {field}: {violations:?}")
        })?;
    }
    let count = expected
        .violations
        .unwrap_or(usize::from(expected.field.is_some()));
    ensure(violations.len() == count, || {
        format!("{} violations: {violations:?}", violations.len())
    })?;
    let message = expected.message.as_deref().unwrap_or_default();
    ensure(status.message().contains(message), || {
        format!("no {message:?} in {:?}", status.message())
    })
}

fn check_call(expected: &ExpectedCall, result: &v1::CallResult) -> Result<(), String> {
    let outcome = result.outcome().as_str_name().trim_start_matches("OUTCOME_");
    let context = || format!("{result:?}");
    ensure(outcome == expected.outcome, context)?;
    ensure(result.success == (outcome == "SUCCEEDED"), context)?;
    let error = result.error.clone().unwrap_or_default();
    ensure(error.code == expected.code.clone().unwrap_or_default(), context)?;
    if let Some(text) = &expected.result {
        let found = match &result.result_form {
            Some(ResultForm::ResultJson(json)) => String::from_utf8_lossy(json).into_owned(),
            other => format!("{other:?}"),
        };
        ensure(found == *text, || format!("the result {found}, not {text}"))?;
    }
    if let Some(message) = &expected.message {
        ensure(error.message.contains(message.as_str()), context)?;
    }
    if let Some(paths) = &expected.violations {
        let mut found: Vec<&String> = error.violations.iter().map(|violation| &violation.path).collect();
        found.sort_unstable();
        ensure(found.iter().copied().eq(paths), context)?;
    }
    if let Some(secret) = &expected.not_in_error {
        ensure(!format!("{error:?}").contains(secret.as_str()), context)?;
    }
    Ok(())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// No call waits or runs any more. Aborts are confirmed a moment after the answer, so it is asked until it holds.
async fn holds_nothing(url: &str, mut client: Client) -> Result<(), String> {
    let mut admin = AdminServiceClient::connect(url.to_owned())
        .await
        .map_err(|error| error.to_string())?;
    let empty = async {
        loop {
            let tools = client
                .list_tools(v1::ListToolsRequest {})
                .await?
                .into_inner()
                .tools;
            let workers = admin
                .list_workers(v1::ListWorkersRequest {})
                .await?
                .into_inner()
                .workers;
            if tools.iter().all(|tool| tool.queued + tool.in_flight == 0)
                && workers.iter().all(|worker| worker.in_flight == 0)
            {
                return Ok::<(), Status>(());
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, empty)
        .await
        .map_err(|_| "calls are still held".to_owned())?
        .map_err(|error| error.to_string())
}
