//! Every input that is kept, and every crash that was found, runs through its target again.

use std::path::Path;

#[test]
fn kept_inputs_find_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, run) in toolwave_fuzz::TARGETS {
        let inputs = std::fs::read_dir(corpus.join(target)).expect("each target has kept inputs");
        let mut replayed = 0;
        for input in inputs {
            let path = input.expect("a folder that can be read").path();
            println!("{}", path.display());
            run(&std::fs::read(&path).expect("a file that can be read"));
            replayed += 1;
        }
        assert!(replayed > 0, "no input is kept for {target}");
    }
}
