//! Hosts that no test can come from over a real connection: their address is put in.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use tower::ServiceExt as _;

use super::routes;
use crate::{
    audit::Audit,
    config::Config,
    identity::Identities,
    parts::{Chance, assemble},
};

fn dashboard(change: impl FnOnce(&mut Config)) -> Router {
    let mut config = Config::default();
    change(&mut config);
    let parts = assemble(
        &config,
        Chance::draw(),
        Audit::default(),
        toolwave_telemetry::traces::Tracer::off(),
    );
    let identities = Identities::start(&config, Audit::default()).expect("a good configuration");
    routes(parts.handle, parts.executions, Arc::new(identities), &config)
}

async fn page_for(dashboard: Router, peer: &str, host: &str) -> StatusCode {
    let mut request = Request::get("/")
        .header("host", host)
        .body(Body::empty())
        .expect("a request");
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(ConnectInfo(peer));
    let Ok(response) = dashboard.oneshot(request).await;
    response.status()
}

#[tokio::test]
async fn other_hosts_are_refused_unless_the_operator_lets_them_in() {
    for peer in ["10.0.0.9:4000", "[2001:db8::9]:4000", "[::ffff:10.0.0.9]:4000"] {
        let refused = page_for(dashboard(|_| ()), peer, "127.0.0.1:7422").await;
        assert_eq!(refused, StatusCode::FORBIDDEN, "{peer}");
        let remote = dashboard(|config| config.admin.remote_dashboard = true);
        assert_eq!(
            page_for(remote, peer, "10.0.0.1:7422").await,
            StatusCode::OK,
            "{peer}"
        );
    }
}

#[tokio::test]
async fn this_host_comes_in_by_every_address_of_loopback() {
    for peer in [
        "127.0.0.1:4000",
        "127.9.9.9:4000",
        "[::1]:4000",
        "[::ffff:127.0.0.1]:4000",
    ] {
        let answer = page_for(dashboard(|_| ()), peer, "localhost:7422").await;
        assert_eq!(answer, StatusCode::OK, "{peer}");
    }
}

#[tokio::test]
async fn a_name_that_may_be_anybodys_is_not_answered_where_nobody_shows_a_token() {
    let remote = dashboard(|config| config.admin.remote_dashboard = true);
    let answer = page_for(remote, "10.0.0.9:4000", "rebound.example:7422").await;
    assert_eq!(answer, StatusCode::FORBIDDEN);
}
