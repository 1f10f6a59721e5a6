//! The contract of the last release as code: generated from its descriptor, and checked in.
//! After the baseline was renewed: `UPDATE_GENERATED=1 cargo test -p toolwave-tests --test versions baseline`.

use std::{fs, path::Path};

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Package `toolwave.v1` as the last release has it.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    rustdoc::all,
    reason = "generated"
)]
pub(crate) mod v1 {
    include!("generated/toolwave.v1.rs");
}

#[test]
fn the_generated_code_is_that_of_the_baseline() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let baseline = fs::read(root.join("../proto/baseline/toolwave-v1.binpb")).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .bytes(".toolwave.v1")
        .out_dir(out.path())
        .compile_fds(FileDescriptorSet::decode(baseline.as_slice()).unwrap())
        .unwrap();
    let new = fs::read(out.path().join("toolwave.v1.rs")).unwrap();
    let path = root.join("tests/versions/generated/toolwave.v1.rs");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &new).unwrap();
    }
    assert!(
        fs::read(&path).unwrap() == new,
        "{} is older than the baseline: run with UPDATE_GENERATED=1",
        path.display()
    );
}
