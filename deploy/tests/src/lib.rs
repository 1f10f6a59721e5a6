//! Holds what deploy/ offers against Kubernetes' types, what an API server refuses, and the project's own rules.
//!
//! It reads rendered files alone, and so needs no tool but cargo; what it finds is told as problems, never fixed.

mod custom;
mod graceful;
mod look;
mod manifest;
pub mod network;
mod policy;
mod problem;
mod quantity;
mod references;
mod server;
mod typed;

use std::path::PathBuf;

pub use self::{
    look::Look,
    manifest::{Manifest, Overlay, Unreadable},
    problem::Problem,
};

/// The overlays, and which Secrets, Services and accounts whoever applies one has to have already.
pub const OVERLAYS: [(&str, &[&str]); 9] = [
    (
        "podman-secure",
        &[
            "Secret/coordinator-tls",
            "Secret/worker-tls",
            "Service/coordinator-workers",
        ],
    ),
    ("podman-several", &["Service/coordinator-workers"]),
    ("podman-smoke", &["Service/coordinator-workers"]),
    ("secure", &["Secret/coordinator-tls", "Secret/worker-tls"]),
    ("secure-keda", &[]),
    ("several-coordinators", &[]),
    ("several-scaled", &[]),
    ("standalone", &[]),
    (
        "worker-pool",
        &["Namespace/toolwave", "Service/coordinator-workers"],
    ),
];

/// The folder `deploy`.
#[must_use]
pub fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything that is wrong with an overlay.
#[must_use]
pub fn problems(overlay: &Overlay) -> Vec<Problem> {
    let mut found = Vec::new();
    for manifest in &overlay.manifests {
        typed::check(manifest, &mut found);
        server::check(manifest, &mut found);
    }
    references::check(overlay, &mut found);
    policy::check(overlay, &mut found);
    graceful::check(overlay, &mut found);
    found
}
