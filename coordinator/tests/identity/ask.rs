//! Asks a method of a coordinator with a credential and says what came of it. What is refused has to be refused
//! before its body is read, so the body of every request that is to be refused never ends.

use std::{io, net::SocketAddr};

use futures_util::{StreamExt as _, stream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint, Uri},
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::{
    common::soon,
    pki::{Ca, Dialler, Identity},
};

pub(crate) const CLIENT_METHODS: [&str; 5] = [
    "/toolwave.v1.ExecutionService/ExecuteParallel",
    "/toolwave.v1.ExecutionService/ExecuteParallelStream",
    "/toolwave.v1.ExecutionService/PlanExecution",
    "/toolwave.v1.ExecutionService/CancelExecution",
    "/toolwave.v1.ExecutionService/ListTools",
];
pub(crate) const OPERATOR_METHODS: [&str; 10] = [
    "/toolwave.v1.AdminService/ListWorkers",
    "/toolwave.v1.AdminService/DrainWorker",
    "/toolwave.v1.AdminService/ListExecutions",
    "/toolwave.v1.AdminService/GetExecution",
    "/toolwave.v1.AdminService/CancelExecution",
    "/toolwave.v1.AdminService/GetCluster",
    "/externalscaler.ExternalScaler/IsActive",
    "/externalscaler.ExternalScaler/StreamIsActive",
    "/externalscaler.ExternalScaler/GetMetricSpec",
    "/externalscaler.ExternalScaler/GetMetrics",
];
pub(crate) const WORKER_METHOD: &str = "/toolwave.v1.WorkerService/OpenSession";
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// What came of a request, as far as identities go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It reached its service, whatever that said.
    LetIn,
    /// Refused: the reason.
    NoCredentials,
    BadToken,
    NotPermitted,
}

/// A method, with what is in its `authorization` headers. What is refused is refused before its body.
pub(crate) async fn ask(channel: &Channel, method: &'static str, authorization: &[&str]) -> Answer {
    let (answer, _) = ask_in_full(channel, method, authorization).await;
    answer
}

/// And the whole text of it.
pub(crate) async fn ask_in_full(
    channel: &Channel,
    method: &'static str,
    authorization: &[&str],
) -> (Answer, String) {
    let (answer, text) = ask_once(channel, method, authorization).await;
    if answer != Answer::LetIn {
        let early = soon(
            "the same before the body",
            send(channel, method, authorization, true),
        )
        .await;
        assert_eq!(in_full(&early.expect("refused too")), text, "{method}");
    }
    (answer, text)
}

/// With a whole body, once: where the answer may change from one request to the next.
pub(crate) async fn ask_once(
    channel: &Channel,
    method: &'static str,
    authorization: &[&str],
) -> (Answer, String) {
    // An empty message that ends: whoever is let in is answered by the service.
    let Some(status) = soon("an answer", send(channel, method, authorization, false)).await else {
        return (Answer::LetIn, String::new());
    };
    let reason = status.get_details_error_info().map(|info| info.reason);
    let answer = match (status.code(), reason.as_deref()) {
        (Code::Unauthenticated, Some("NO_CREDENTIALS")) => Answer::NoCredentials,
        (Code::Unauthenticated, Some("BAD_TOKEN")) => Answer::BadToken,
        (Code::PermissionDenied, Some("NOT_PERMITTED")) => Answer::NotPermitted,
        (Code::Unauthenticated | Code::PermissionDenied, _) => panic!("{method}: {status:?}"),
        _ => Answer::LetIn,
    };
    (answer, in_full(&status))
}

/// Everything that a client is told, but for the date.
fn in_full(status: &Status) -> String {
    let mut headers: Vec<String> = status
        .metadata()
        .iter()
        .map(|header| format!("{header:?}"))
        .filter(|header| !header.contains("\"date\""))
        .collect();
    headers.sort();
    format!(
        "{:?} {:?} {:?} {headers:?}",
        status.code(),
        status.message(),
        status.details()
    )
}

/// How it ends; `None`: well, or it goes on: a service has said something, and some say things for ever.
async fn send(
    channel: &Channel,
    method: &'static str,
    authorization: &[&str],
    endless: bool,
) -> Option<Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.expect("a connection");
    let messages = stream::iter((!endless).then_some(()));
    let mut request = Request::new(if endless {
        messages.chain(stream::pending()).boxed()
    } else {
        messages.boxed()
    });
    for value in authorization {
        let value: MetadataValue<Ascii> = value.parse().expect("a header");
        request.metadata_mut().append("authorization", value);
    }
    let path = PathAndQuery::from_static(method);
    let answered = grpc.streaming(request, path, ProstCodec::<(), ()>::default());
    let mut messages = match answered.await {
        Ok(response) => response.into_inner(),
        Err(status) => return Some(status),
    };
    messages.message().await.err()
}

/// A connection with TLS, and a certificate or none.
pub(crate) async fn dial(address: SocketAddr, trusts: &Ca, identity: Option<Identity>) -> Channel {
    let dialler = std::sync::Arc::new(Dialler::new(trusts, identity));
    let connect = tower::service_fn(move |_: Uri| {
        let dialler = dialler.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            Ok::<_, io::Error>(TokioIo::new(dialler.dial(stream).await?))
        }
    });
    let endpoint = Endpoint::from_static("http://coordinator.test");
    soon("a connection", endpoint.connect_with_connector(connect))
        .await
        .expect("it is served")
}

/// A certificate that carries these URIs.
pub(crate) fn certificate(ca: &Ca, uris: &[&str]) -> Identity {
    ca.sign(
        "client.test",
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        |params| {
            for uri in uris {
                let uri = rcgen::SanType::URI((*uri).try_into().expect("a URI"));
                params.subject_alt_names.push(uri);
            }
        },
    )
}
