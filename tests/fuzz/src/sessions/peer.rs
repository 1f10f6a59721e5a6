//! A worker's session from its own side: it remembers what it was sent, and checks that against the protocol.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use prost::Message as _;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;
use toolwave_coordinator::fuzzed::Unlistened;
use toolwave_proto::v1;

use super::grpc::{self, Feed, Messages};

const OPEN_SESSION: &str = "/toolwave.v1.WorkerService/OpenSession";
/// What calls name; nobody ever declares the last.
pub(crate) const TOOLS: [&str; 5] = ["once", "again", "keyed", "slow", "nobody"];
/// What a worker takes that does not say.
const DEFAULT_MESSAGE: usize = 4 << 20;

/// Names an attempt.
pub(crate) type Attempt = (u64, u32, u32);

/// A session.
pub(crate) struct Peer {
    feed: Option<Feed>,
    heard: Arc<Mutex<Heard>>,
    reading: watch::Sender<bool>,
    reader: Option<AbortOnDropHandle<()>>,
    pub(crate) slots: usize,
    largest: usize,
    registered: bool,
    /// The number of the last dispatch that was sent here.
    pub(crate) read: u64,
    /// Sent here, and their end not reported.
    pub(crate) open: BTreeSet<Attempt>,
    /// Parameters that come in pieces: size, and how much has come.
    pieces: BTreeMap<Attempt, (u64, u64)>,
    /// Results that go in pieces: attempt, size, and how much has gone.
    pub(crate) going: Vec<(Attempt, usize, usize)>,
    /// Results reported.
    pub(crate) results: u64,
    pub(crate) beats: u64,
    highest_beat: u64,
    /// It said something of its attempts that is not so: what its slots hold is anybody's guess.
    pub(crate) lied: bool,
}

/// What the reader of its stream has heard, and nobody has looked at.
#[derive(Default)]
struct Heard {
    messages: Vec<Bytes>,
    ended: Option<Code>,
}

/// What a look at it finds.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) dispatched: Vec<Attempt>,
    pub(crate) coordinator_id: Option<String>,
}

// === impl Peer ===

impl Peer {
    /// Opens a stream and sends the first frame.
    pub(crate) fn open(coordinator: &Arc<Unlistened>, register: v1::Register) -> Self {
        let (feed, request) = grpc::request(OPEN_SESSION);
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (reading, mut may_read) = watch::channel(true);
        let coordinator = coordinator.clone();
        let shared = heard.clone();
        let reader = tokio::spawn(async move {
            let mut messages = Messages::of(coordinator.call(request).await);
            while may_read.wait_for(|reading| *reading).await.is_ok() {
                let Some(message) = messages.next().await else {
                    break;
                };
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .messages
                    .push(message);
            }
            shared.lock().unwrap_or_else(PoisonError::into_inner).ended = messages.code();
        });
        let mut peer = Self {
            feed: Some(feed),
            heard,
            reading,
            reader: Some(AbortOnDropHandle::new(reader)),
            slots: register.slots as usize,
            largest: match register.max_message_bytes {
                0 => DEFAULT_MESSAGE,
                bytes => bytes as usize,
            },
            registered: false,
            read: 0,
            open: BTreeSet::new(),
            pieces: BTreeMap::new(),
            going: Vec::new(),
            results: 0,
            beats: 0,
            highest_beat: 0,
            lied: false,
        };
        peer.send(&v1::OpenSessionRequest {
            register: Some(register),
            ..v1::OpenSessionRequest::default()
        });
        peer
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: &v1::OpenSessionRequest) {
        if let Some(heartbeat) = &frame.heartbeat {
            self.highest_beat = self.highest_beat.max(heartbeat.number);
        }
        self.feed(grpc::framed(&frame.encode_to_vec()));
    }

    /// Sends any bytes, in the place of a frame or of less. What they say is not followed.
    pub(crate) fn send_raw(&mut self, bytes: &[u8], whole: bool) {
        self.lied = true;
        self.results = u64::MAX;
        self.highest_beat = u64::MAX;
        self.feed(if whole {
            grpc::framed(bytes)
        } else {
            Bytes::copy_from_slice(bytes)
        });
    }

    fn feed(&self, data: Bytes) {
        if let Some(feed) = &self.feed {
            let _ = feed.try_send(Ok(http_body::Frame::data(data)));
        }
    }

    /// Ends the stream, as if all were well or not.
    pub(crate) fn end(&mut self, well: bool) {
        if let Some(feed) = self.feed.take()
            && !well
        {
            let _ = feed.try_send(Err(tonic::Status::unknown("the connection broke")));
        }
    }

    /// Reads no more, or goes on.
    pub(crate) fn toggle_reading(&self) {
        self.reading.send_modify(|reading| *reading = !*reading);
    }

    /// The whole connection is gone.
    pub(crate) fn vanish(&mut self) {
        self.feed = None;
        self.reader = None;
    }

    /// Looks at what has come.
    pub(crate) fn look(&mut self) -> Seen {
        let (messages, ended) = {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut heard.messages), heard.ended)
        };
        let mut seen = Seen::default();
        for message in messages {
            assert!(
                message.len() <= self.largest,
                "a message of {} bytes",
                message.len()
            );
            self.frame(&message, &mut seen);
        }
        assert!(
            !matches!(ended, Some(Code::Unknown | Code::Cancelled)),
            "a session ends with {ended:?}"
        );
        seen
    }

    fn frame(&mut self, message: &[u8], seen: &mut Seen) {
        let frame = v1::OpenSessionResponse::decode(message).expect("a frame");
        assert_eq!(
            frame.registered.is_some(),
            !self.registered,
            "the first frame, and no other, registers"
        );
        if let Some(registered) = frame.registered {
            self.registered = true;
            seen.coordinator_id = Some(registered.coordinator_id);
        }
        for dispatch in frame.dispatches {
            seen.dispatched.push(self.dispatch(&dispatch));
        }
        for chunk in frame.chunks {
            let attempt = key(chunk.attempt.as_ref().expect("a piece names its attempt"));
            let (size, got) = self
                .pieces
                .get_mut(&attempt)
                .expect("a piece follows its dispatch");
            assert_eq!(chunk.offset, *got, "pieces come in order");
            *got += chunk.data.len() as u64;
            assert!(!chunk.data.is_empty() && got <= size, "{got} of {size} bytes");
        }
        assert!(
            frame.acknowledged_results <= self.results,
            "a result is acknowledged that was not sent"
        );
        assert!(
            frame.heartbeat_answer <= self.highest_beat,
            "a heartbeat is answered that was not sent"
        );
        // Of what goes in pieces, the announcement may have been the end: it may be too large.
        let going = |attempt: &&Attempt| self.going.iter().any(|(going, ..)| going == *attempt);
        let held = self.open.len() - self.open.iter().filter(going).count();
        assert!(
            self.lied || held <= self.slots,
            "{held} attempts on {} slots",
            self.slots
        );
    }

    fn dispatch(&mut self, dispatch: &v1::Dispatch) -> Attempt {
        let attempt = key(dispatch.attempt.as_ref().expect("a dispatch names its attempt"));
        assert!(TOOLS[..4].contains(&dispatch.tool_name.as_str()), "{dispatch:?}");
        assert!(attempt.2 > 0 && dispatch.timeout.is_some(), "{dispatch:?}");
        self.open.insert(attempt);
        // Numbers are left out: of attempts that ended here, since the worker takes no parameters so large.
        assert!(dispatch.sequence > self.read, "{dispatch:?} after {}", self.read);
        self.read = dispatch.sequence;
        if dispatch.parameters_size > 0 {
            self.pieces.insert(attempt, (dispatch.parameters_size, 0));
        } else {
            let parameters: serde_json::Value =
                serde_json::from_slice(&dispatch.parameters_json).expect("parameters are JSON");
            assert!(parameters.is_object(), "{parameters}");
        }
        attempt
    }
}

/// As it travels.
pub(crate) fn reference((execution, call_index, attempt): Attempt) -> v1::AttemptRef {
    v1::AttemptRef {
        execution,
        call_index,
        attempt,
    }
}

fn key(attempt: &v1::AttemptRef) -> Attempt {
    (attempt.execution, attempt.call_index, attempt.attempt)
}
