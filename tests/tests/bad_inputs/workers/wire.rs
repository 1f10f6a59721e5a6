//! A session of the worker protocol whose messages are bytes, so that they need not be messages.

use bytes::{Buf as _, BufMut as _, Bytes};
use prost::Message as _;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};
use toolwave_proto::v1;
use toolwave_tests::PATIENCE;

use crate::door::Door;

/// Messages that wait for the connection: it takes them as fast as the coordinator reads.
const WAITING: usize = 64;

/// One session.
pub(crate) struct Wire {
    /// `None`: hung up.
    says: Option<mpsc::Sender<Bytes>>,
    hears: Streaming<v1::OpenSessionResponse>,
}

#[derive(Default)]
struct BytesCodec;

impl Wire {
    /// Of a worker that proves to be this one, or does not need to.
    pub(crate) async fn open(door: &Door, identity: Option<&str>) -> Self {
        let name = identity.map(|identity| format!("worker/{identity}"));
        let channel = door.channel(name.as_deref()).await.expect("it listens");
        let mut grpc = Grpc::new(channel).max_decoding_message_size(64 << 20);
        grpc.ready().await.expect("it is connected");
        let (says, said) = mpsc::channel(WAITING);
        let path = PathAndQuery::from_static("/toolwave.v1.WorkerService/OpenSession");
        let opened = grpc.streaming(Request::new(ReceiverStream::new(said)), path, BytesCodec);
        let opened = timeout(PATIENCE, opened)
            .await
            .expect("an answer")
            .expect("a stream");
        Self {
            says: Some(says),
            hears: opened.into_inner(),
        }
    }

    /// False when the session is over.
    pub(crate) async fn say(&self, frame: &v1::OpenSessionRequest) -> bool {
        self.say_bytes(frame.encode_to_vec().into()).await
    }

    /// The same, with anything for a message.
    pub(crate) async fn say_bytes(&self, message: Bytes) -> bool {
        let Some(says) = &self.says else { return false };
        timeout(PATIENCE, says.send(message))
            .await
            .expect("the coordinator reads")
            .is_ok()
    }

    pub(crate) fn hang_up(&mut self) {
        self.says = None;
    }

    /// The next frame; `None` or a status at the end.
    pub(crate) async fn hear(&mut self) -> Result<Option<v1::OpenSessionResponse>, Status> {
        timeout(PATIENCE, self.hears.message())
            .await
            .expect("a frame, or the end of the session")
    }
}

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = v1::OpenSessionResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = v1::OpenSessionResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        Self::Item::decode(message)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
