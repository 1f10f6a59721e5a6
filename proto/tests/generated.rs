//! The generated code is checked in, so that a build needs nothing but cargo.
//! After an edit of a .proto file: `UPDATE_GENERATED=1 cargo test -p toolwave-proto --test generated`.

use std::{fs, path::Path};

use prost::Message as _;

#[test]
fn generated_code_is_as_new_as_the_proto_files() {
    let files = ["execution", "tool", "worker", "admin"].map(|f| format!("toolwave/v1/{f}.proto"));
    check(&files, "toolwave.v1");
}

#[test]
fn generated_code_of_kedas_contract_is_as_new_as_its_proto_file() {
    check(
        &["externalscaler/externalscaler.proto".to_owned()],
        "externalscaler",
    );
}

fn check(files: &[String], package: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = &Path::new(env!("CARGO_TARGET_TMPDIR")).join(package);
    fs::create_dir_all(out).expect("a folder for what is generated");
    let set = protox::compile(files, [root]).expect("the .proto files compile");
    let descriptor = set.encode_to_vec();
    tonic_prost_build::configure()
        .bytes(".toolwave.v1")
        .out_dir(out)
        .compile_fds(set)
        .expect("code generation");
    let code = fs::read(out.join(format!("{package}.rs"))).expect("generated file");
    for (ending, new) in [("rs", code), ("bin", descriptor)] {
        let name = format!("{package}.{ending}");
        let path = root.join("src/generated").join(&name);
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
}
