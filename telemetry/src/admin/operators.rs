//! Who may reach what is for operators alone: this host, unless more is allowed, no page of another site in a
//! browser, and whoever the program's own check lets in. It serves nothing itself.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

/// Says of a request's headers why it may not go on.
type Check = Arc<dyn Fn(&HeaderMap) -> Result<(), Refusal> + Send + Sync>;

/// What stands before routes for operators. Without more said: this host, and nobody asks who it is.
#[derive(Clone, Default)]
pub struct Guard {
    remote: bool,
    check: Option<Check>,
}

/// Why a request went no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It comes from elsewhere.
    #[error("only this host may ask for this: use it there, or forward the port to it")]
    Remote,
    /// It names a host that is not this one, as a page does that has its name resolved anew.
    #[error("the Host header names another host; expected localhost or an address of loopback")]
    Host,
    /// Another site's page sent it.
    #[error("the request comes from a page of another site")]
    Origin,
    /// It must say who it is.
    #[error("{0}")]
    Unauthenticated(String),
    /// It is known who it is, and that is not enough.
    #[error("{0}")]
    Denied(String),
}

// === impl Guard ===

impl Guard {
    /// Lets other hosts in too.
    #[must_use]
    pub fn remote(mut self, remote: bool) -> Self {
        self.remote = remote;
        self
    }

    /// Asks this of every request besides.
    #[must_use]
    pub fn asking(
        mut self,
        check: impl Fn(&HeaderMap) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    /// Whether a request may go on.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = host(headers);
        if !self.remote {
            if !peer.to_canonical().is_loopback() {
                return Err(Refusal::Remote);
            }
            if !host.is_some_and(is_this_host) {
                return Err(Refusal::Host);
            }
        }
        if !is_of_same_site(headers) {
            return Err(Refusal::Origin);
        }
        self.check.as_ref().map_or(Ok(()), |check| check(headers))
    }

    /// The routes, behind it.
    pub fn before(self, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(self, guarded))
    }
}

// === impl Refusal ===

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = format!("{self}\n");
        match self {
            Self::Remote | Self::Host | Self::Origin | Self::Denied(_) => {
                (StatusCode::FORBIDDEN, text).into_response()
            }
            Self::Unauthenticated(_) => {
                let how = [(header::WWW_AUTHENTICATE, "Bearer")];
                (StatusCode::UNAUTHORIZED, how, text).into_response()
            }
        }
    }
}

async fn guarded(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match guard.admit(peer.ip(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// As the request names it, without its port.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, _)| host),
        None => Some(host.split_once(':').map_or(host, |(host, _)| host)),
    }
}

fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// Programs send neither header; browsers send both, and let no page change them.
fn is_of_same_site(headers: &HeaderMap) -> bool {
    let of_same_origin = headers
        .get("sec-fetch-site")
        .is_none_or(|site| site == "same-origin" || site == "none");
    let origin_is_host = headers.get(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        let authority = origin.as_ref().and_then(Uri::authority);
        authority.is_some_and(|authority| {
            headers
                .get(header::HOST)
                .is_some_and(|host| host == authority.as_str())
        })
    });
    of_same_origin && origin_is_host
}
