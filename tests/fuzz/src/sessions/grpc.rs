//! gRPC without a connection: requests whose bodies are fed from here, and the messages of a response's body.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Status,
    body::Body,
    codegen::http::{HeaderMap, Request, Response},
};

/// Of a body that is fed and not read; one that is fuller loses what comes.
const ROOM: usize = 256;
/// Flag and length before each message.
const HEADER: usize = 5;

/// Feeds the body of a request; dropped, it ends it.
pub(crate) type Feed = mpsc::Sender<Result<Frame<Bytes>, Status>>;

/// A message with what stands before it.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(HEADER + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
}

/// A request to a method, and the way to feed it.
pub(crate) fn request(path: &str) -> (Feed, Request<Body>) {
    let (feed, fed) = mpsc::channel(ROOM);
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .body(Body::new(StreamBody::new(ReceiverStream::new(fed))))
        .expect("a method's path");
    (feed, request)
}

/// The messages of a response.
pub(crate) struct Messages {
    body: Body,
    waiting: BytesMut,
    code: Option<Code>,
}

// === impl Messages ===

impl Messages {
    pub(crate) fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            body,
            waiting: BytesMut::new(),
            code: code(&head.headers),
        }
    }

    /// The next one; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.waiting.len() >= HEADER {
                let length = (&self.waiting[1..HEADER]).get_u32() as usize;
                if self.waiting.len() >= HEADER + length {
                    self.waiting.advance(HEADER);
                    return Some(self.waiting.split_to(length).freeze());
                }
            }
            match self.body.frame().await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => self.waiting.put(data),
                    Err(frame) => self.code = self.code.or(frame.trailers_ref().and_then(code)),
                },
                Err(status) => self.code = Some(status.code()),
            }
        }
    }

    /// How it ended, after the last message.
    pub(crate) fn code(&self) -> Option<Code> {
        self.code
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    Some(Code::from_bytes(headers.get("grpc-status")?.as_bytes()))
}
