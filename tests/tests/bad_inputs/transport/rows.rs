//! The rows of `data/bad_transport.json`: what is sent, and what must come back.

use serde::Deserialize;
use tonic::Status;

use super::request::RequestRow;
use crate::{folder::Setting, page::Line, status::ExpectedStatus};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) describes: String,
    /// TOML over the defaults of a coordinator of its own.
    pub(crate) config: Option<String>,
    /// How that asks who comes in; good requests then carry an operator's token.
    pub(crate) setting: Option<Setting>,
    pub(crate) send: Option<Send>,
    pub(crate) expect: Option<Expected>,
    /// Where the answer needs a reason.
    why: Option<String>,
    pub(crate) not_applicable: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Send {
    /// Through an HTTP/2 library.
    Request(Box<RequestRow>),
    /// As they are, on a new connection.
    Bytes(Bytes),
    /// See `scripts.rs`.
    Script(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Bytes {
    /// The preface and empty settings come first.
    opening: bool,
    text: String,
    hex: String,
    /// So many bytes that no protocol begins with.
    noise: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    status: Option<ExpectedStatus>,
    /// The request is answered as a good one.
    #[serde(default)]
    ok: bool,
    /// The HTTP status, where no gRPC status comes.
    http: Option<u16>,
    /// The stream is reset with this code.
    reset: Option<String>,
    /// The connection is ended with this code.
    goaway: Option<String>,
    /// The connection ends.
    #[serde(default)]
    closes: bool,
    /// How often tools run for it.
    #[serde(default)]
    pub(crate) runs: u64,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) http: Option<u16>,
    pub(crate) status: Option<Status>,
    pub(crate) reset: Option<String>,
    pub(crate) goaway: Option<String>,
    pub(crate) closed: bool,
}

pub(crate) fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../../data/bad_transport.json"))
        .expect("the catalogue is good JSON")
}

impl Bytes {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = if self.opening {
            super::http2::opening()
        } else {
            Vec::new()
        };
        bytes.extend(self.text.as_bytes());
        bytes.extend(from_hex(&self.hex));
        bytes.extend((0..self.noise).map(|at| (at * 151 + 77) as u8));
        bytes
    }
}

/// Blanks between the digits are for the reader.
pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hex")
    };
    digits.chunks(2).map(byte).collect()
}

impl Expected {
    pub(crate) fn connection_lives(&self) -> bool {
        !self.closes
    }

    pub(crate) fn check(&self, answer: &Answer) -> Result<(), String> {
        if let Some(status) = &self.status {
            let found = answer.status.as_ref().ok_or_else(|| format!("{answer:?}"))?;
            return status.check(found);
        }
        let ok = answer
            .status
            .as_ref()
            .is_some_and(|status| status.code() == tonic::Code::Ok);
        let right = self.ok == ok
            && (self.http.is_none() || answer.http == self.http)
            && (self.reset.is_none() || answer.reset == self.reset)
            && (self.goaway.is_none() || answer.goaway == self.goaway)
            && (!self.closes || answer.closed);
        if right { Ok(()) } else { Err(format!("{answer:?}")) }
    }

    fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.ok {
            parts.push("OK".to_owned());
        }
        parts.extend(self.status.iter().map(ExpectedStatus::text));
        parts.extend(self.http.iter().map(|status| format!("HTTP {status}")));
        parts.extend(
            self.reset
                .iter()
                .map(|reason| format!("the stream is reset: `{reason}`")),
        );
        parts.extend(self.goaway.iter().map(|reason| format!("GOAWAY `{reason}`")));
        if self.closes {
            parts.push("the connection ends".to_owned());
        }
        parts.join("; ")
    }
}

impl Row {
    /// For the page; none where there is nothing to be seen.
    pub(crate) fn line(&self) -> Option<Line> {
        let answer = self.expect.as_ref()?.text();
        Some(Line::new(&self.id, &self.describes, answer, self.why.as_deref()))
    }
}
