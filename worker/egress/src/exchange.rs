//! One exchange: the request, the redirects if they are followed, and the body as far as it is wanted.
//!
//! It says what failed and how far the request had come; whether to try again is the caller's to say.

use std::error::Error;

use bytes::Bytes;
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, LOCATION,
        USER_AGENT,
    },
};

use crate::policy::{Denied, Policy};

/// Headers that mean nothing to anybody in particular: they follow a redirect to another origin.
const INNOCENT_HEADERS: [reqwest::header::HeaderName; 4] =
    [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT, CONTENT_TYPE];

/// A client, and the policy that it was made with.
#[derive(Clone, Debug)]
pub struct Exchange {
    client: Client,
    policy: Policy,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to; after [`Exchange::send`], where the answer came from.
    pub url: Url,
    /// How.
    pub method: Method,
    /// Only `accept`, `accept-language`, `user-agent` and `content-type` follow a redirect to another origin.
    pub headers: HeaderMap,
    /// None: no body.
    pub body: Option<Bytes>,
    /// The body is for the first origin alone: a redirect that would take it to another is refused.
    pub body_stays: bool,
    /// So many redirects are followed; with 0, a redirect is the answer.
    pub redirects: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The policy refuses where it would go.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// There was no connection, so nothing was sent there.
    #[error("no connection to {to}: {reason}")]
    NotConnected {
        /// Host and port, and nothing else of the URL.
        to: String,
        /// Without the URL, which may hold secrets.
        reason: String,
        /// An earlier server had the request, and answered with a redirect.
        redirected: bool,
    },
    /// The request may have been received.
    #[error("no complete answer: {0}")]
    Incomplete(String),
    /// More than [`Request::redirects`].
    #[error("more than {0} redirects, the limit")]
    TooManyRedirects(usize),
    /// It leads nowhere.
    #[error("the server redirects to what is no URL")]
    BadRedirect,
}

/// As much of a body as was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What was read.
    pub bytes: Vec<u8>,
    /// It goes on.
    pub truncated: bool,
}

// === impl Exchange ===

impl Exchange {
    /// Sends through a client that was made by [`client`](crate::client) with the same policy.
    #[must_use]
    pub fn new(client: Client, policy: Policy) -> Self {
        Self { client, policy }
    }

    /// The head of the answer, after redirects.
    ///
    /// # Errors
    /// Says how far the request had come.
    pub async fn send(&self, request: &mut Request) -> Result<Response, Failure> {
        for hop in 0..=request.redirects {
            self.policy.check(&request.url)?;
            let response = self.send_once(request).await.map_err(|error| {
                let mut failure = failure(&error, &request.url);
                if let Failure::NotConnected { redirected, .. } = &mut failure {
                    *redirected = hop > 0;
                }
                failure
            })?;
            match redirect_of(request, &response) {
                Some(next) => request.redirect(next?, response.status())?,
                None => return Ok(response),
            }
        }
        Err(Failure::TooManyRedirects(request.redirects))
    }

    async fn send_once(&self, request: &Request) -> reqwest::Result<Response> {
        let mut sent = self
            .client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone());
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        sent.send().await
    }
}

/// Reads the body until it ends or is as long as wanted, and no further. Compressed bodies count as they are read, not
/// as they travel.
///
/// # Errors
/// [`Failure::Incomplete`].
pub async fn read_body(response: &mut Response, most: u64) -> Result<Body, Failure> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failure(&error, response.url()))?
    {
        let room = most - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(Body {
                bytes,
                truncated: true,
            });
        }
    }
    Ok(Body {
        bytes,
        truncated: false,
    })
}

/// Where the answer says to go, if it is to be followed.
fn redirect_of(request: &Request, response: &Response) -> Option<Result<Url, Failure>> {
    let follows = request.redirects > 0 && matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| follows)?;
    let next = location
        .to_str()
        .ok()
        .and_then(|location| request.url.join(location).ok());
    Some(next.ok_or(Failure::BadRedirect))
}

/// Why no answer came.
fn failure(error: &reqwest::Error, url: &Url) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(denied) = inner.downcast_ref::<Denied>() {
            return Failure::Denied(denied.clone());
        }
        cause = inner.source();
    }
    if error.is_connect() {
        return Failure::NotConnected {
            to: authority(url),
            reason: chain(error),
            redirected: false,
        };
    }
    Failure::Incomplete(chain(error))
}

/// Host and port. User, path and query may hold secrets.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The error's causes. The error itself names the URL, which may hold secrets.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    if causes.is_empty() {
        "the client gives no reason".to_owned()
    } else {
        causes.join(": ")
    }
}

// === impl Request ===

impl Request {
    /// Turns to the next URL. What was meant for the origin is not told to another.
    fn redirect(&mut self, next: Url, status: StatusCode) -> Result<(), Denied> {
        if self.url.scheme() == "https" && next.scheme() == "http" {
            let message = "the server redirects from https to http, which is not followed";
            return Err(Denied(message.to_owned()));
        }
        let to_get = match status.as_u16() {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if to_get {
            self.method = Method::GET;
            self.body = None;
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                self.headers.remove(name);
            }
        }
        if next.origin() != self.url.origin() {
            if self.body_stays && self.body.is_some() {
                let message = "the server redirects the body to another origin, which is not followed";
                return Err(Denied(message.to_owned()));
            }
            let kept: HeaderMap = INNOCENT_HEADERS
                .iter()
                .filter_map(|name| Some((name.clone(), self.headers.get(name)?.clone())))
                .collect();
            self.headers = kept;
        }
        self.url = next;
        Ok(())
    }
}
