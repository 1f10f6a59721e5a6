//! A connection of an HTTP/2 library, and requests on it that are well-formed HTTP and need not be gRPC.

use std::collections::BTreeMap;

use bytes::Bytes;
use h2::{SendStream, client::SendRequest};
use prost::Message as _;
use serde::Deserialize;
use tokio::{task::JoinHandle, time::timeout};
use tonic::{Status, codegen::http};
use toolwave_proto::v1;
use toolwave_tests::PATIENCE;

use super::{
    http2::reason_word,
    rows::{Answer, from_hex},
};
use crate::{door::Door, folder::Jwt};

pub(crate) const EXECUTE: &str = "/toolwave.v1.ExecutionService/ExecuteParallel";

/// A request; what is left out is as a good client has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RequestRow {
    method: Option<String>,
    path: Option<String>,
    /// `null` takes one away.
    headers: BTreeMap<String, Option<String>>,
    /// The name in the certificate of its connection, as `tenant/a`.
    pub(crate) certificate: Option<String>,
    /// Such a token in `authorization`.
    jwt: Option<Jwt>,
    /// A header of so many bytes.
    large_header: usize,
    /// So many headers.
    many_headers: usize,
    body: Option<Vec<Piece>>,
    /// The client does not end its half of the stream.
    open: bool,
}

/// A part of a body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Piece {
    /// The message of a good request, whole.
    Good,
    /// Of a good `ExecuteParallelStream`.
    GoodStream,
    /// The first bytes of a good one.
    Cut(usize),
    /// A message of these bytes, with the right prefix.
    Message(String),
    /// A prefix by itself.
    Prefix { flag: u8, length: u32 },
    /// Bytes without a prefix.
    Hex(String),
    /// A message whose parameters are lists in so many lists.
    Lists(usize),
    /// A message of so many nested groups of an unknown field.
    Groups(usize),
}

/// One connection.
pub(crate) struct Connection {
    /// Of good requests.
    authorization: Option<String>,
    requests: SendRequest<Bytes>,
    task: JoinHandle<Result<(), h2::Error>>,
    /// Streams that the client keeps open.
    open: Vec<SendStream<Bytes>>,
}

fn good_request() -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls: vec![v1::Call {
            tool_name: "tally".into(),
            ..v1::Call::default()
        }],
        ..v1::ExecuteParallelRequest::default()
    }
}

/// With its prefix.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// A good request, with its prefix.
pub(crate) fn good_frame() -> Vec<u8> {
    framed(&good_request().encode_to_vec())
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Good => good_frame(),
            Self::GoodStream => {
                let execution = Some(good_request());
                framed(&v1::ExecuteParallelStreamRequest { execution }.encode_to_vec())
            }
            Self::Cut(length) => good_frame()[..*length].to_vec(),
            Self::Message(hex) => framed(&from_hex(hex)),
            Self::Prefix { flag, length } => [&[*flag], &length.to_be_bytes()[..]].concat(),
            Self::Hex(hex) => from_hex(hex),
            Self::Lists(depth) => framed(&lists(*depth)),
            // field 1999 begins (wire type 3) and ends (4)
            Self::Groups(depth) => {
                framed(&[[0xfb, 0x7c].repeat(*depth), [0xfc, 0x7c].repeat(*depth)].concat())
            }
        }
    }
}

/// Written from the inside out: a message that deep cannot be dropped on every stack.
fn lists(depth: usize) -> Vec<u8> {
    let wrap = |field: u8, inner: Vec<u8>| {
        let mut outer = vec![field << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    };
    let mut value = Vec::new();
    for _ in 0..depth {
        // Value.list_value, ListValue.values
        value = wrap(6, wrap(1, value));
    }
    let key = wrap(1, b"a".to_vec());
    let entry = [key, wrap(2, value)].concat();
    let tool = wrap(2, b"tally".to_vec());
    let parameters = wrap(3, wrap(1, entry));
    wrap(1, [tool, parameters].concat())
}

impl RequestRow {
    fn head(&self) -> http::Request<()> {
        let path = self.path.as_deref().unwrap_or(EXECUTE);
        let mut headers: BTreeMap<String, Option<String>> =
            [("content-type", "application/grpc"), ("te", "trailers")]
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
                .into();
        headers.extend(self.headers.clone());
        if let Some(jwt) = &self.jwt {
            let token = format!("Bearer {}", jwt.token());
            headers.insert("authorization".into(), Some(token));
        }
        if self.large_header > 0 {
            headers.insert("x-large".into(), Some("v".repeat(self.large_header)));
        }
        headers.extend((0..self.many_headers).map(|at| (format!("x-{at}"), Some("v".to_owned()))));
        let mut request = http::Request::builder()
            .method(self.method.as_deref().unwrap_or("POST"))
            .uri(format!("http://x{path}"));
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request.body(()).expect("a request")
    }

    fn body(&self) -> Vec<u8> {
        self.body.as_ref().map_or_else(good_frame, |pieces| {
            pieces.iter().flat_map(Piece::bytes).collect()
        })
    }
}

impl Connection {
    /// Of one who has this name, or none.
    pub(crate) async fn open(door: &Door, name: Option<&str>) -> Self {
        let socket = door.socket(name).await.expect("it listens");
        let (requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        Self {
            authorization: door.authorization(),
            requests,
            task: tokio::spawn(connection),
            open: Vec::new(),
        }
    }

    /// Sends a request and collects what comes back, as much of it as comes.
    pub(crate) async fn exchange(&mut self, row: &RequestRow) -> Answer {
        let mut answer = Answer::default();
        if let Err(error) = timeout(PATIENCE, self.try_exchange(row, &mut answer))
            .await
            .expect("an answer")
        {
            let reason = error.reason().map(reason_word);
            if error.is_reset() {
                answer.reset = reason;
            } else {
                answer.goaway = reason;
                answer.closed = true;
            }
        }
        answer
    }

    async fn try_exchange(&mut self, row: &RequestRow, answer: &mut Answer) -> Result<(), h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let body = row.body();
        let (response, mut sending) = requests.send_request(row.head(), body.is_empty() && !row.open)?;
        if !body.is_empty() {
            // The answer says what became of it.
            let _ = sending.send_data(body.into(), !row.open);
        }
        self.open.push(sending);
        let response = response.await?;
        answer.http = Some(response.status().as_u16());
        answer.status = Status::from_header_map(response.headers());
        let mut body = response.into_body();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
        }
        if let Some(trailers) = body.trailers().await? {
            answer.status = Status::from_header_map(&trailers);
        }
        Ok(())
    }

    /// A good request is answered.
    pub(crate) async fn good(&mut self) -> Result<(), String> {
        let mut row = RequestRow::default();
        if let Some(value) = &self.authorization {
            row.headers.insert("authorization".into(), Some(value.clone()));
        }
        let answer = self.exchange(&row).await;
        match &answer.status {
            Some(status) if status.code() == tonic::Code::Ok => Ok(()),
            _ => Err(format!("a good request is answered {answer:?}")),
        }
    }

    /// The other end closes the connection.
    pub(crate) async fn ended(self) -> Result<(), String> {
        // Nothing of this end keeps it open, or closes it.
        let Self { task, .. } = self;
        timeout(PATIENCE, task)
            .await
            .map(|_| ())
            .map_err(|_| "the connection does not end".to_owned())
    }
}
