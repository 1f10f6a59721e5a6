//! Rows that are more than one request: bytes on a socket, and conversations in frames.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use toolwave_tests::PATIENCE;

use super::{
    http2::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FIRST_ENTRY, Frame, GOAWAY, HEADERS, PING,
        RST_STREAM, frame, literal, opening, read, remembered, request_headers,
    },
    request::{EXECUTE, good_frame},
    rows::Answer,
};

/// Sends bytes, and reads until the other end closes the connection.
pub(crate) async fn bytes(address: &str, bytes: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    // It may be closed before all is sent.
    let _ = socket.write_all(bytes).await;
    ending(&mut socket).await
}

/// Reads until the other end closes the connection.
async fn ending(socket: &mut TcpStream) -> Answer {
    let mut answer = Answer::default();
    while let Some(frame) = read(socket).await {
        if frame.kind == GOAWAY {
            answer.goaway = frame.reason();
        }
        answer.reset = answer.reset.or(if frame.kind == RST_STREAM {
            frame.reason()
        } else {
            None
        });
    }
    answer.closed = closed(socket).await;
    answer
}

/// Nothing more is read.
async fn closed(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut rest)).await.is_ok()
}

/// Runs a script; also says how many good requests it sent.
pub(crate) async fn run(name: &str, address: &str) -> (Answer, u64) {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    socket.write_all(&opening()).await.expect("sent");
    match name {
        "header_bomb" => (header_bomb(&mut socket).await, 0),
        "continuations_without_end" => (continuations_without_end(&mut socket).await, 0),
        "streams_over_the_limit" => streams_over_the_limit(&mut socket).await,
        unknown => panic!("{unknown} is no script"),
    }
}

/// A header of 4 KB, sent once and referred to a thousand times: four megabytes out of five kilobytes.
async fn header_bomb(socket: &mut TcpStream) -> Answer {
    let mut block = request_headers(EXECUTE);
    block.extend(remembered("x-bomb", &"b".repeat(4000)));
    block.extend([FIRST_ENTRY; 1000]);
    let headers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    socket.write_all(&headers).await.expect("sent");
    ending(socket).await
}

/// A header block that never ends.
async fn continuations_without_end(socket: &mut TcpStream) -> Answer {
    let (mut reading, mut writing) = socket.split();
    let flood = async {
        let mut sent = writing
            .write_all(&frame(HEADERS, 0, 1, &request_headers(EXECUTE)))
            .await;
        let more = frame(CONTINUATION, 0, 1, &literal("x-more", &"m".repeat(1000)));
        while sent.is_ok() {
            sent = writing.write_all(&more).await;
        }
    };
    let answers = async {
        let mut received = Vec::new();
        let _ = reading.read_to_end(&mut received).await;
        received
    };
    let ((), received) = timeout(PATIENCE, async { tokio::join!(flood, answers) })
        .await
        .expect("it is stopped");
    Answer {
        goaway: frames(&received)
            .find(|frame| frame.kind == GOAWAY)
            .and_then(|frame| frame.reason()),
        closed: true,
        ..Answer::default()
    }
}

/// With a limit of four streams: a fifth is refused, the others and the connection go on.
async fn streams_over_the_limit(socket: &mut TcpStream) -> (Answer, u64) {
    let open = |stream| frame(HEADERS, END_HEADERS, stream, &request_headers(EXECUTE));
    for stream in [1, 3, 5, 7, 9] {
        socket.write_all(&open(stream)).await.expect("sent");
    }
    let answer = loop {
        let frame = read(socket).await.expect("the connection goes on");
        assert_ne!(frame.kind, GOAWAY, "{frame:?}");
        if frame.kind == RST_STREAM {
            assert_eq!(frame.stream, 9, "{frame:?}");
            break Answer {
                reset: frame.reason(),
                ..Answer::default()
            };
        }
    };
    for stream in [1, 3, 5, 7] {
        let body = frame(DATA, END_STREAM, stream, &good_frame());
        socket.write_all(&body).await.expect("sent");
    }
    let mut answered = 0;
    while answered < 4 {
        let frame = read(socket).await.expect("the connection goes on");
        assert!(![GOAWAY, RST_STREAM].contains(&frame.kind), "{frame:?}");
        answered += u32::from(frame.kind == HEADERS && frame.flags & END_STREAM != 0);
    }
    good(socket, 11).await;
    (answer, 5)
}

/// A good request on a connection in frames.
async fn good(socket: &mut TcpStream, stream: u32) {
    let request = [
        frame(PING, 0, 0, &[7; 8]),
        frame(HEADERS, END_HEADERS, stream, &request_headers(EXECUTE)),
        frame(DATA, END_STREAM, stream, &good_frame()),
    ];
    socket.write_all(&request.concat()).await.expect("sent");
    let (mut pong, mut message, mut ended) = (false, false, false);
    while !(pong && ended) {
        let frame = read(socket).await.expect("the connection goes on");
        pong |= frame.kind == PING && frame.flags & ACK != 0;
        message |= frame.kind == DATA && frame.stream == stream;
        ended |= frame.stream == stream && frame.flags & END_STREAM != 0;
        assert!(![GOAWAY, RST_STREAM].contains(&frame.kind), "{frame:?}");
    }
    assert!(message, "a good request is answered with a message");
}

/// Whole frames out of bytes.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = Frame> + '_ {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload: payload.to_vec(),
        })
    })
}
