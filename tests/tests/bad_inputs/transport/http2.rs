//! HTTP/2 written and read by hand, for what no client library sends: frames, header blocks, the preface.
//! It keeps no state of a connection and decodes no header block.

use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};
use toolwave_tests::PATIENCE;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

/// A frame as it was read.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// Writes one.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length has 24 bits");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What every client begins with.
pub(crate) fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// A header that is not put into the table.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0x00];
    for text in [name, value] {
        number(text.len(), &mut field);
        field.extend(text.as_bytes());
    }
    field
}

/// A header that enters the table as its first entry, which one byte refers to from then on: [`FIRST_ENTRY`].
pub(crate) fn remembered(name: &str, value: &str) -> Vec<u8> {
    let mut field = literal(name, value);
    field[0] = 0x40;
    field
}

pub(crate) const FIRST_ENTRY: u8 = 0x80 | 62;

/// A length in an HPACK string: seven bits, then more of seven.
fn number(mut length: usize, out: &mut Vec<u8>) {
    if length < 127 {
        out.push(length as u8);
        return;
    }
    out.push(127);
    length -= 127;
    while length >= 128 {
        out.push((length % 128) as u8 | 128);
        length /= 128;
    }
    out.push(length as u8);
}

/// The header block of a good request.
pub(crate) fn request_headers(path: &str) -> Vec<u8> {
    [
        literal(":method", "POST"),
        literal(":scheme", "http"),
        literal(":path", path),
        literal(":authority", "x"),
        literal("content-type", "application/grpc"),
        literal("te", "trailers"),
    ]
    .concat()
}

/// The next frame; `None` at the end of the connection, however that comes.
pub(crate) async fn read(socket: &mut TcpStream) -> Option<Frame> {
    let whole = async {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        socket.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    };
    timeout(PATIENCE, whole)
        .await
        .expect("a frame, or the end of the connection")
}

impl Frame {
    /// The word of an error code, in a frame that ends a stream or a connection.
    pub(crate) fn reason(&self) -> Option<String> {
        let at = match self.kind {
            RST_STREAM => 0,
            GOAWAY => 4,
            _ => return None,
        };
        let code = self.payload.get(at..at + 4)?;
        let code = u32::from_be_bytes(code.try_into().ok()?);
        Some(reason_word(h2::Reason::from(code)))
    }
}

/// As the RFC writes it, such as `REFUSED_STREAM`.
pub(crate) fn reason_word(reason: h2::Reason) -> String {
    format!("{reason:?}")
}
