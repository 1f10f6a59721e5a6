//! The bearer token of a client: where it comes from, and the header that carries it. Never shown, never sent where
//! others could read it.

use std::{
    fmt, fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use tonic::{
    body::Body,
    codegen::{Service, http},
    transport::{Channel, channel::ResponseFuture},
};

use crate::{
    ClientError,
    trace::{TRACEPARENT, Trace},
};

/// Half of what a coordinator takes for all headers together.
const MAX_BYTES: u64 = 8 * 1024;
/// A changed file is noticed this late at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Where a token comes from.
pub(crate) enum Source {
    Value(String),
    File(PathBuf),
}

/// A token that is right, and stays up to date where it comes from a file. Clones share it.
#[derive(Clone)]
pub(crate) struct Token(Arc<Inner>);

struct Inner {
    file: Option<PathBuf>,
    current: Mutex<Current>,
}

struct Current {
    header: http::HeaderValue,
    checked_at: Instant,
    /// What the file looked like when it was last read, right or wrong.
    stamp: Option<Stamp>,
}

/// What changes with a file's content: time, length, and which file it is, for one that is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<SystemTime>, u64, u64);

// === impl Token ===

impl Token {
    pub(crate) fn try_new(source: Source) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Credentials {
            problems: vec![format!("token: {reason}")],
        };
        let (text, file, stamp) = match source {
            Source::Value(text) => (text, None, None),
            Source::File(path) => {
                let stamp = Stamp::of(&path);
                (read(&path).map_err(wrong)?, Some(path), stamp)
            }
        };
        let current = Current {
            header: header(&text).map_err(wrong)?,
            checked_at: Instant::now(),
            stamp,
        };
        Ok(Self(Arc::new(Inner {
            file,
            current: Mutex::new(current),
        })))
    }

    /// The header for a request that is sent now.
    fn header(&self) -> http::HeaderValue {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.0.file
            && current.checked_at.elapsed() >= CHECK_INTERVAL
        {
            current.refresh(file);
        }
        current.header.clone()
    }
}

impl Current {
    /// A look at the file's times, once a second at most; a few kilobytes are read when they changed. A file that is
    /// wrong, or being replaced, leaves what was right.
    fn refresh(&mut self, file: &Path) {
        self.checked_at = Instant::now();
        let stamp = Stamp::of(file);
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        match read(file).and_then(|text| header(&text)) {
            Ok(header) => self.header = header,
            Err(error) => tracing::warn!(%error, "the token's file is wrong; the token that it held is used"),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("file", &self.0.file)
            .finish_non_exhaustive()
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let file = 0;
        Some(Self(metadata.modified().ok(), metadata.len(), file))
    }
}

/// Without what the file holds: it is a secret.
fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unreadable =
        |error: io::Error| format!("{shown} cannot be read: {error}; expected a file with a token");
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!(
            "{shown} is larger than 8 KiB; expected a file with a token"
        ));
    }
    String::from_utf8(text).map_err(|_| format!("{shown} is not UTF-8; expected a file with a token"))
}

/// `authorization`, as RFC 6750 writes it; marked so that it is neither shown nor kept for compression.
fn header(text: &str) -> Result<http::HeaderValue, String> {
    const EXPECTED: &str = "expected letters, digits and -._~+/=, as RFC 6750 has it";
    let token = text.trim();
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if token.is_empty() {
        return Err(format!("is empty; {EXPECTED}"));
    }
    if token.len() as u64 > MAX_BYTES {
        return Err("is longer than 8 KiB; expected less".to_owned());
    }
    if let Some(at) = token.find(|c| !fine(c)) {
        return Err(format!("holds another character at offset {at}; {EXPECTED}"));
    }
    let mut header = http::HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| format!("cannot be a header; {EXPECTED}"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// A channel whose every request carries the token, if there is one, and the trace of its caller, unless it has one.
#[derive(Clone, Debug)]
pub(crate) struct Authorized {
    channel: Channel,
    token: Option<Token>,
}

impl Authorized {
    pub(crate) fn new(channel: Channel, token: Option<Token>) -> Self {
        Self { channel, token }
    }
}

impl Service<http::Request<Body>> for Authorized {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Some(token) = &self.token {
            request
                .headers_mut()
                .insert(http::header::AUTHORIZATION, token.header());
        }
        if !request.headers().contains_key(TRACEPARENT)
            && let Some(trace) = Trace::current()
        {
            trace.put(request.headers_mut());
        }
        self.channel.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_or_missing_file_leaves_the_token_that_was_right() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        fs::write(&file, "first").unwrap();
        let token = Token::try_new(Source::File(file.clone())).unwrap();
        let mut current = token.0.current.lock().unwrap();
        let mut now = |text: Option<&str>| {
            match text {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            current.refresh(&file);
            current.header.to_str().unwrap().to_owned()
        };
        assert_eq!(now(Some("not a token")), "Bearer first");
        assert_eq!(now(None), "Bearer first");
        assert_eq!(now(Some("the-second")), "Bearer the-second");
        assert_eq!(now(Some("")), "Bearer the-second");
    }
}
