//! The files of the page, in the program. They say nothing of the cluster, so that whoever may reach the port may
//! have them.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($kind:literal: $($name:literal)+;)+) => {
        &[$($(Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("assets/", $name)) },)+)+]
    };
}

const ASSETS: &[Asset] = assets! {
    "text/html; charset=utf-8": "index.html";
    "text/css; charset=utf-8": "style.css" "parts.css" "vendor/uplot.css";
    "image/svg+xml": "icon.svg";
    "text/plain; charset=utf-8": "vendor/uplot.LICENSE.txt";
    "text/javascript; charset=utf-8":
        "app.js" "api.js" "calls.js" "charts.js" "details.js" "dialogs.js" "dom.js" "execution.js" "executions.js" "form.js"
        "format.js" "limits.js" "live.js" "overview.js" "rows.js" "schema.js" "slow.js" "timeline.js" "timeline_paint.js"
        "timeline_keys.js" "tools.js" "vendor/uplot.js" "verdict.js" "words.js" "workers.js";
};

/// One tag for all: they are of one build, and belong together.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for asset in ASSETS {
        digest.update(asset.bytes);
    }
    let digest = digest.finalize();
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
});

/// The page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// What it is made of.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    // Asked for anew each time, so that a new build is seen at once, and answered with no body where it is the same.
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tag| tag.as_bytes() == TAG.as_bytes());
    let caching = [(header::CACHE_CONTROL, "no-cache"), (header::ETAG, TAG.as_str())];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.kind)], asset.bytes).into_response()
}
