//! The floor's generated code is checked in, so that a build needs nothing but cargo.
//! After an edit of floor.proto: `UPDATE_GENERATED=1 cargo test -p toolwave-bench --test generated`.

use std::{fs, path::Path};

#[test]
fn generated_code_is_as_new_as_the_proto_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let set = protox::compile(["floor.proto"], [root.join("proto")]).expect("the .proto file compiles");
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out)
        .compile_fds(set)
        .expect("code generation");
    let name = "toolwave.bench.rs";
    let new = fs::read(out.join(name)).expect("generated file");
    let path = root.join("src/floor/generated").join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of generated code");
        fs::write(&path, &new).expect("generated code is writable");
    }
    let current = fs::read(&path).unwrap_or_default();
    assert!(
        current == new,
        "{name} is older than its .proto: run with UPDATE_GENERATED=1"
    );
}
