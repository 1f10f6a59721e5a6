//! The target `tools_file` for cargo-fuzz; built without it, a program that replays the files it is given.
//! What it does and checks is in the library's module of the same name.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| toolwave_fuzz::tools_file::run(data));

#[cfg(not(fuzzing))]
fn main() {
    toolwave_fuzz::replay_arguments(toolwave_fuzz::tools_file::run);
}
