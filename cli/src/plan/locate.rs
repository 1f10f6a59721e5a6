//! From the coordinator's names for parts of a request to their places in the file. Reads nothing else.

use super::{diagnostics::Position, source::Node};

/// The wire's names for what a plan calls otherwise.
const RENAMED: &[(&str, &str)] = &[
    ("tool_name", "tool"),
    ("parameters_json", "parameters"),
    ("parameters_form", "parameters"),
    ("max_concurrency_auto", "max_concurrency"),
];

/// Where `calls[3].depends_on[0]` is; as deep as the file goes along that path.
pub(crate) fn field(root: &Node, path: &str) -> Position {
    // Requests that wrap an execution name it first.
    let path = path.strip_prefix("execution.").unwrap_or(path);
    let mut node = root;
    for part in path.split(['.', '[']) {
        let name = part.trim_end_matches(']').trim_matches('"');
        let name = RENAMED
            .iter()
            .find(|(wire, _)| *wire == name)
            .map_or(name, |(_, file)| file);
        match step(node, name) {
            Some(next) => node = next,
            None => break,
        }
    }
    node.at
}

/// Where the JSON Pointer into the parameters of a call is; the call's own place when it has none.
pub(crate) fn parameter(root: &Node, call: usize, pointer: &str) -> Position {
    let call = root
        .field("calls")
        .and_then(|calls| calls.element(call))
        .unwrap_or(root);
    let mut node = call.field("parameters").unwrap_or(call);
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        match step(node, &name) {
            Some(next) => node = next,
            None => break,
        }
    }
    node.at
}

fn step<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let element = name.parse().ok().and_then(|index| node.element(index));
    element.or_else(|| node.field(name))
}
