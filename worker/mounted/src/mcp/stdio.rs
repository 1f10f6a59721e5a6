//! MCP messages on the standard streams of a process, one a line: the transport that rmcp drives.
//!
//! It bounds the length of a line and answers in the server's place what the server cannot: a request whose answer is
//! too long or no message, and the question for the newer protocol that an old server leaves open. Results of tools
//! pass as the JSON that came. It starts and ends no process.

use std::{borrow::Cow, io, sync::Arc, time::Duration};

use rmcp::{
    RoleClient,
    model::{
        ClientRequest, CustomResult, ErrorCode, ErrorData, JsonRpcMessage, NumberOrString, RequestId,
        ServerJsonRpcMessage, ServerResult,
    },
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::Mutex,
    time::Instant,
};

use super::{skim::Skim, wire::Wire};

/// The code of an answer that is written here since the server's was too long. No code of the protocol.
pub(super) const TOO_LONG: ErrorCode = ErrorCode(-31_001);
/// The same for one that was no message of the protocol.
pub(super) const NO_MESSAGE: ErrorCode = ErrorCode(-31_002);

/// Notifications that nobody here asks for; what they say may be secret.
const UNHEARD: [&str; 4] = [
    "notifications/message",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/prompts/list_changed",
];

/// The streams of a process.
pub(super) struct Stdio<R, W> {
    read: BufReader<R>,
    write: Arc<Mutex<Option<W>>>,
    wire: Arc<Wire>,
    /// A line as far as it has come; it outlives a `receive` that is dropped.
    line: Vec<u8>,
    /// A line that is too long, as far as it has passed.
    skimmed: Option<Skim>,
    max_line: usize,
    discovery: Discovery,
    discover_timeout: Duration,
    server: Arc<str>,
    /// Lines that were no messages.
    ignored: u64,
}

/// Whether the server was asked for the newer protocol.
enum Discovery {
    No,
    Asked(i64, Instant),
    /// It was answered in the server's place: should an answer come after all, it is dropped.
    GivenUp(i64),
}

enum Line {
    Complete,
    TooLong(Option<i64>),
    End,
}

/// The members of a message that say what it is.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

impl<R: AsyncRead + Unpin, W> Stdio<R, W> {
    pub(super) fn new(
        (read, write): (R, W),
        wire: Arc<Wire>,
        max_line: usize,
        discover_timeout: Duration,
        server: Arc<str>,
    ) -> Self {
        Self {
            read: BufReader::with_capacity(32 << 10, read),
            write: Arc::new(Mutex::new(Some(write))),
            wire,
            line: Vec::new(),
            skimmed: None,
            max_line,
            discovery: Discovery::No,
            discover_timeout,
            server,
            ignored: 0,
        }
    }

    /// Cancel safe: what has been read is on `self` before anything is awaited again.
    async fn line(&mut self) -> Line {
        loop {
            let Ok(available) = self.read.fill_buf().await else {
                return Line::End;
            };
            if available.is_empty() {
                return Line::End;
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            let consumed = part.len() + usize::from(end.is_some());
            if let Some(skim) = &mut self.skimmed {
                skim.pass(part);
            } else if self.line.len() + part.len() > self.max_line {
                let mut skim = Skim::default();
                skim.pass(&self.line);
                skim.pass(part);
                self.line = Vec::new();
                self.skimmed = Some(skim);
            } else {
                self.line.extend_from_slice(part);
            }
            self.read.consume(consumed);
            if end.is_some() {
                return match self.skimmed.take() {
                    Some(skim) => Line::TooLong(skim.id()),
                    None => Line::Complete,
                };
            }
        }
    }

    /// The message of a whole line, where it is one that is for us.
    fn message(&mut self) -> Option<ServerJsonRpcMessage> {
        let line = std::mem::take(&mut self.line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let message = self.read_message(&line);
        // long lines are rare, and their memory is given back
        if line.capacity() <= 64 << 10 {
            self.line = line;
            self.line.clear();
        }
        message
    }

    fn read_message(&mut self, line: &[u8]) -> Option<ServerJsonRpcMessage> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(line) else {
            self.ignore();
            return None;
        };
        let id = envelope.id.and_then(|id| number(id.get()));
        if envelope
            .method
            .as_ref()
            .is_some_and(|method| UNHEARD.contains(&method.as_ref()))
        {
            return None;
        }
        if envelope.method.is_some() {
            return match serde_json::from_slice(line) {
                Ok(message) => Some(message),
                Err(_) => {
                    self.ignore();
                    None
                }
            };
        }
        match (id, &self.discovery) {
            (Some(id), Discovery::GivenUp(given_up)) if id == *given_up => return None,
            (Some(id), Discovery::Asked(asked, _)) if id == *asked => self.discovery = Discovery::No,
            _ => {}
        }
        if let Some(id) = id
            && self.wire.answer(id)
            && let Some(result) = envelope.result
        {
            return Some(match serde_json::from_str(result.get()) {
                Ok(value) => JsonRpcMessage::response(
                    ServerResult::CustomResult(CustomResult(value)),
                    RequestId::Number(id),
                ),
                Err(_) => failure(id, NO_MESSAGE, "the server's result cannot be read"),
            });
        }
        match serde_json::from_slice(line) {
            Ok(message) => Some(message),
            Err(_) => {
                self.ignore();
                id.map(|id| {
                    failure(
                        id,
                        NO_MESSAGE,
                        "the server's answer is no message of the protocol",
                    )
                })
            }
        }
    }

    /// A line that is no message. What it says is not told: it may be anything.
    fn ignore(&mut self) {
        self.ignored += 1;
        if self.ignored == 1 {
            tracing::warn!(server = %self.server, "an MCP server wrote a line that is no message; such lines are ignored");
        }
    }
}

impl<R, W> Transport<RoleClient> for Stdio<R, W>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let mut awaited = None;
        if let JsonRpcMessage::Request(request) = &item
            && let NumberOrString::Number(id) = request.id
        {
            match &request.request {
                ClientRequest::CallToolRequest(_)
                | ClientRequest::ListToolsRequest(_)
                | ClientRequest::GetTaskRequest(_) => {
                    self.wire.queued(id);
                    awaited = Some(id);
                }
                ClientRequest::DiscoverRequest(_) => {
                    self.discovery = Discovery::Asked(id, Instant::now() + self.discover_timeout);
                }
                _ => {}
            }
        }
        let text = serde_json::to_vec(&item);
        let (write, wire) = (Arc::clone(&self.write), Arc::clone(&self.wire));
        async move {
            let mut text = text.map_err(io::Error::other)?;
            text.push(b'\n');
            let mut write = write.lock().await;
            let write = write.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            write.write_all(&text).await?;
            write.flush().await?;
            if let Some(id) = awaited {
                wire.written(id);
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let line = match self.discovery {
                Discovery::Asked(id, until) => match tokio::time::timeout_at(until, self.line()).await {
                    Ok(line) => line,
                    Err(_) => {
                        self.discovery = Discovery::GivenUp(id);
                        let silence = "no answer in time: asked in the older way";
                        return Some(failure(id, ErrorCode::METHOD_NOT_FOUND, silence));
                    }
                },
                _ => self.line().await,
            };
            match line {
                Line::End => return None,
                Line::TooLong(id) => {
                    if let Some(id) = id.filter(|id| self.wire.answer(*id)) {
                        let what = format!("the server's answer has more than {} bytes", self.max_line);
                        return Some(failure(id, TOO_LONG, what));
                    }
                    self.ignore();
                }
                Line::Complete => {
                    if let Some(message) = self.message() {
                        return Some(message);
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        // a write that the server does not read holds the lock, and ends with its task
        if let Ok(mut write) = self.write.try_lock() {
            write.take();
        }
        Ok(())
    }
}

fn failure(id: i64, code: ErrorCode, message: impl Into<Cow<'static, str>>) -> ServerJsonRpcMessage {
    JsonRpcMessage::error(ErrorData::new(code, message, None), Some(RequestId::Number(id)))
}

/// Ids of ours are numbers; some servers write them as text.
fn number(id: &str) -> Option<i64> {
    id.trim_matches('"').parse().ok()
}
