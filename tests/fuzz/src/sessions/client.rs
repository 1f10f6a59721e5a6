//! Clients: what they send, and what they must be answered however workers behave.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use tokio::task::JoinHandle;
use tonic::Code;
use toolwave_coordinator::fuzzed::Unlistened;
use toolwave_proto::v1::{self, call::ParametersForm, execution_event::Kind};

use super::{
    grpc::{self, Messages},
    peer::TOOLS,
};
use crate::draw;

const EXECUTE: &str = "/toolwave.v1.ExecutionService/ExecuteParallel";
const STREAM: &str = "/toolwave.v1.ExecutionService/ExecuteParallelStream";
const CANCEL: &str = "/toolwave.v1.ExecutionService/CancelExecution";

/// A request on its way.
pub(crate) struct Client {
    /// The ids of its calls; `None`: it sent bytes that may be no request.
    ids: Option<Vec<String>>,
    streams: bool,
    answer: JoinHandle<(Vec<Bytes>, Option<Code>)>,
}

// === impl Client ===

impl Client {
    /// Sends a request that is drawn.
    pub(crate) fn drawn(coordinator: &Arc<Unlistened>, from: &mut draw::Bytes<'_>) -> Self {
        let request = request(from);
        let ids = (0..request.calls.len()).map(|at| at.to_string()).collect();
        let streams = draw::one_in(from, 2);
        let message = if streams {
            let execution = Some(request);
            v1::ExecuteParallelStreamRequest { execution }.encode_to_vec()
        } else {
            request.encode_to_vec()
        };
        Self::send(coordinator, Some(ids), streams, &message)
    }

    /// Sends any bytes.
    pub(crate) fn raw(coordinator: &Arc<Unlistened>, message: &[u8], streams: bool) -> Self {
        Self::send(coordinator, None, streams, message)
    }

    fn send(coordinator: &Arc<Unlistened>, ids: Option<Vec<String>>, streams: bool, message: &[u8]) -> Self {
        Self {
            ids,
            streams,
            answer: tokio::spawn(exchange(
                coordinator.clone(),
                if streams { STREAM } else { EXECUTE },
                message.to_vec(),
            )),
        }
    }

    /// The client goes away.
    pub(crate) fn leave(self) {
        self.answer.abort();
    }

    /// It has its answer by now, and the answer is whole.
    pub(crate) async fn check(self) {
        assert!(self.answer.is_finished(), "a client waits for ever");
        let (messages, code) = self.answer.await.expect("reading an answer does not panic");
        match code {
            Some(Code::Ok) => {}
            // As tonic says it of bytes that are no request.
            Some(Code::Internal) if self.ids.is_none() => return,
            Some(Code::InvalidArgument | Code::ResourceExhausted | Code::Unavailable) => return,
            // A key that another request has.
            Some(Code::AlreadyExists | Code::FailedPrecondition) => return,
            other => panic!("a client is answered {other:?}"),
        }
        let results = if self.streams {
            streamed(&messages)
        } else {
            whole(&messages)
        };
        if let Some(ids) = self.ids {
            assert!(results.iter().map(|result| &result.id).eq(&ids), "{results:?}");
        }
    }
}

/// Cancels an execution by a key that it may have.
pub(crate) fn cancel(coordinator: &Arc<Unlistened>, key: &str) {
    use v1::cancel_execution_request::Target;
    let request = v1::CancelExecutionRequest {
        target: Some(Target::IdempotencyKey(key.into())),
    };
    // Its answer says nothing that the execution's own does not.
    drop(tokio::spawn(exchange(
        coordinator.clone(),
        CANCEL,
        request.encode_to_vec(),
    )));
}

async fn exchange(
    coordinator: Arc<Unlistened>,
    path: &'static str,
    message: Vec<u8>,
) -> (Vec<Bytes>, Option<Code>) {
    let (feed, request) = grpc::request(path);
    let _ = feed.try_send(Ok(http_body::Frame::data(grpc::framed(&message))));
    drop(feed);
    let mut answer = Messages::of(coordinator.call(request).await);
    let mut messages = Vec::new();
    while let Some(message) = answer.next().await {
        messages.push(message);
    }
    (messages, answer.code())
}

fn whole(messages: &[Bytes]) -> Vec<v1::CallResult> {
    let [message] = messages else {
        panic!("{} messages for one answer", messages.len());
    };
    let response = v1::ExecuteParallelResponse::decode(&message[..]).expect("an answer");
    summed(response.summary.as_ref(), &response.results);
    response.results
}

fn streamed(messages: &[Bytes]) -> Vec<v1::CallResult> {
    let mut results = Vec::new();
    let mut summary = None;
    let mut planned = 0;
    for message in messages {
        let message = v1::ExecuteParallelStreamResponse::decode(&message[..]).expect("events");
        for event in message.events {
            assert!(summary.is_none(), "an event after the summary");
            match event.kind {
                Some(Kind::Planned(_)) => planned += 1,
                Some(Kind::Result(ended)) => {
                    results.push((ended.call_index, ended.result.expect("a result")));
                }
                Some(Kind::Summary(end)) => summary = Some(end),
                Some(_) => assert!(planned == 1, "an event before the plan"),
                None => panic!("an event that is none"),
            }
        }
    }
    assert_eq!(planned, 1);
    // They come as calls end.
    results.sort_by_key(|(call, _)| *call);
    let results: Vec<v1::CallResult> = results.into_iter().map(|(_, result)| result).collect();
    summed(summary.as_ref(), &results);
    results
}

fn summed(summary: Option<&v1::ExecutionSummary>, results: &[v1::CallResult]) {
    let summary = summary.expect("an execution that ended has a summary");
    assert_eq!(summary.calls as usize, results.len());
    let counted: u32 = summary.outcomes.iter().map(|outcome| outcome.count).sum();
    assert_eq!(counted as usize, results.len(), "each call has one outcome");
    for result in results {
        let outcome = result.outcome();
        assert_ne!(outcome, v1::Outcome::Unspecified);
        assert_eq!(result.success, outcome == v1::Outcome::Succeeded);
        assert_eq!(result.success, result.error.is_none(), "{result:?}");
        assert!(
            result.attempts.is_sorted_by(|a, b| a.number < b.number),
            "{result:?}"
        );
    }
}

fn request(from: &mut draw::Bytes<'_>) -> v1::ExecuteParallelRequest {
    let count = 1 + draw::below(from, 6);
    v1::ExecuteParallelRequest {
        calls: (0..count).map(|at| call(from, at)).collect(),
        max_concurrency_auto: draw::one_in(from, 2),
        schedule: draw::below(from, 3) as i32,
        on_failure: draw::below(from, 3) as i32,
        timeout: draw::one_in(from, 4).then(|| seconds(1 + draw::below(from, 60))),
        idempotency_key: if draw::one_in(from, 8) {
            "key".into()
        } else {
            String::new()
        },
        retry: draw::one_in(from, 4).then(|| v1::RetryPolicy {
            max_attempts: draw::below(from, 6) as u32,
            initial_backoff: Some(seconds(draw::below(from, 3))),
            ..v1::RetryPolicy::default()
        }),
        ..v1::ExecuteParallelRequest::default()
    }
}

fn call(from: &mut draw::Bytes<'_>, at: usize) -> v1::Call {
    let parameters = match draw::below(from, 8) {
        0 if at > 0 => format!("{{\"p\":\"${{{}.result}}\"}}", draw::below(from, at)),
        1 if at > 0 => format!("{{\"p\":\"<${{{}.result.k}}>\"}}", draw::below(from, at)),
        // In pieces.
        2 if draw::one_in(from, 4) => format!("{{\"p\":\"{}\"}}", "x".repeat(draw::below(from, 200_000))),
        3 => "{\"n\":1}".into(),
        _ => "{}".into(),
    };
    let depends = at > 0 && draw::one_in(from, 4);
    v1::Call {
        tool_name: draw::one_of(from, &TOOLS).into(),
        parameters_form: Some(ParametersForm::ParametersJson(parameters.into())),
        depends_on: if depends {
            vec![draw::below(from, at).to_string()]
        } else {
            Vec::new()
        },
        priority: draw::below(from, 4) as i32,
        timeout: draw::one_in(from, 4).then(|| seconds(1 + draw::below(from, 10))),
        queue_timeout: draw::one_in(from, 8).then(|| seconds(1 + draw::below(from, 10))),
        idempotency_key: if draw::one_in(from, 8) {
            "call".into()
        } else {
            String::new()
        },
        ..v1::Call::default()
    }
}

fn seconds(seconds: usize) -> prost_types::Duration {
    prost_types::Duration {
        seconds: seconds as i64,
        nanos: 0,
    }
}
