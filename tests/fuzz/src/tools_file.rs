//! Files of tools: read, or refused with problems that name a place in the file, one line each. What a file that is
//! called good declares can be registered. And templates: what is parsed says the same when it is written again.

use std::{collections::BTreeSet, fs};

use toolwave_mounted::{
    Pinning, ToolsFile,
    template::{Piece, Template},
};

use crate::configuration::told;

/// Reads a file of tools. The first byte says in which format it is written.
///
/// # Panics
/// A problem is told badly, or a tool is called good that no worker may offer.
pub fn run(data: &[u8]) {
    let Some((&format, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    template(text);
    let folder = tempfile::tempdir().expect("a place for files");
    let name = if format & 1 == 0 {
        "tools.toml"
    } else {
        "tools.yaml"
    };
    let path = folder.path().join(name);
    fs::write(&path, text).expect("room for a file");
    match ToolsFile::read(&path, &BTreeSet::from(["echo".to_owned()]), Pinning::Kept) {
        Ok(file) => {
            for declaration in file.declarations() {
                declaration.check().expect("it was called good");
                assert_ne!(declaration.name, "echo", "the name is taken");
            }
        }
        Err(problems) => told(text, &problems),
    }
}

fn template(text: &str) {
    let Ok(parsed) = Template::parse(text) else {
        return;
    };
    let written: String = parsed
        .pieces()
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Piece::Place(place) => format!("{{{place}}}"),
        })
        .collect();
    assert_eq!(Template::parse(&written), Ok(parsed), "{text:?}");
}
