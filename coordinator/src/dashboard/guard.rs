//! Who may see the dashboard, and which requests come from it rather than from some other page in the same browser.
//!
//! It is for this host, unless `admin.remote_dashboard`; for operators, where `[auth]` is set. It reads headers alone.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::json::{self, Failure};
use crate::{
    config::Config,
    identity::{Client, Identities, Peer, Refusal},
};

/// Nothing but what this port serves itself, no script in the page's text, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Who may.
pub(super) struct Guard {
    identities: Arc<Identities>,
    /// Other hosts too.
    remote: bool,
    /// Whoever asks has to show a token.
    authenticates: bool,
    /// Of `admin.listen`.
    listens_on: Option<IpAddr>,
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Operator {
    /// `None`: nobody has to say who they are.
    client: Option<Arc<Client>>,
    peer: SocketAddr,
}

// === impl Guard ===

impl Guard {
    pub(super) fn new(identities: Arc<Identities>, config: &Config) -> Self {
        Self {
            identities,
            remote: config.admin.remote_dashboard,
            authenticates: config.auth.is_some(),
            listens_on: config.admin.listen.map(|address| address.ip()),
        }
    }

    /// It comes from a host that may see the dashboard, and was meant for this one.
    fn place(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), Failure> {
        let forwarded = headers.contains_key("forwarded") || headers.contains_key("x-forwarded-for");
        if !self.remote && (!peer.ip().to_canonical().is_loopback() || forwarded) {
            return Err(forbidden(
                "NOT_FROM_HERE",
                "the dashboard is only for this host: use `kubectl port-forward` or an SSH tunnel, or set \
                 admin.remote_dashboard",
            ));
        }
        let host = authority(headers)
            .is_some_and(|authority| self.answers_to(authority.host().trim_matches(['[', ']'])));
        if host {
            return Ok(());
        }
        Err(forbidden(
            "UNKNOWN_HOST",
            "the Host header names another host: open the dashboard by `localhost` or an address; other names are \
             answered where admin.remote_dashboard and [auth] are both set",
        ))
    }

    /// A name that somebody else's page may have pointed here is not answered, unless that page would lack the token.
    fn answers_to(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => {
                let address = address.to_canonical();
                self.remote || address.is_loopback() || Some(address) == self.listens_on
            }
            Err(_) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                host == "localhost" || host.ends_with(".localhost") || (self.remote && self.authenticates)
            }
        }
    }

    /// Whoever holds an operator's token.
    pub(super) fn operator(
        &self,
        peer: SocketAddr,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Operator, Refusal> {
        let client = self.identities.operator(headers, path, peer)?;
        Ok(Operator { client, peer })
    }
}

/// Whoever has no token is told that there are such.
fn refused(refusal: Refusal) -> Response {
    let mut response = json::refusal(&refusal.into()).into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

// === impl Operator ===

impl Operator {
    /// What they ask of a service: it comes in as from a listener.
    pub(super) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let extensions = request.extensions_mut();
        extensions.insert(Peer {
            address: self.peer,
            certificates: Arc::new([]),
        });
        if let Some(client) = &self.client {
            extensions.insert(client.clone());
        }
        request
    }
}

/// Before everything: this host, by a name that is its own; and what every answer says to browsers.
pub(super) async fn everybody(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.place(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Before the API: a request of this page, and of an operator.
pub(super) async fn operators(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Err(failure) = same_page(request.method(), request.headers()) {
        return failure.into_response();
    }
    match guard.operator(peer, request.uri().path(), request.headers()) {
        Ok(operator) => {
            request.extensions_mut().insert(operator);
            next.run(request).await
        }
        Err(refusal) => refused(refusal),
    }
}

/// Another page's script cannot set what is asked for here, nor hide what it is.
fn same_page(method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return Err(forbidden(
            "CROSS_SITE",
            "the request comes from another site's page",
        ));
    }
    if method == Method::GET || method == Method::HEAD {
        return Ok(());
    }
    let origin = headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    let own = authority(headers).zip(origin).is_some_and(|(own, origin)| {
        let theirs = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(own.as_str()))
    });
    if !own {
        return Err(forbidden(
            "CROSS_ORIGIN",
            "what changes something needs an Origin header that names this host and port",
        ));
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(Failure {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            word: "NOT_JSON",
            message: "what changes something needs `content-type: application/json`".to_owned(),
        });
    }
    Ok(())
}

/// The one that the request was meant for.
fn authority(headers: &HeaderMap) -> Option<Authority> {
    let mut values = headers.get_all(header::HOST).iter();
    let host = values.next()?;
    if values.next().is_some() {
        return None;
    }
    Authority::try_from(host.as_bytes()).ok()
}

fn forbidden(word: &'static str, message: &str) -> Failure {
    Failure {
        status: StatusCode::FORBIDDEN,
        word,
        message: message.to_owned(),
    }
}
