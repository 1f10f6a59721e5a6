//! The checks bite: each row breaks one thing of a sound overlay, and must be told, with its object and its words.

mod references;
mod rules;
mod shape;

use serde_json::Value;
use toolwave_deploy_tests::{OVERLAYS, Overlay, problems};

/// Where (a JSON pointer below the object), and what is put there; nothing takes it away.
type Change = (&'static str, Option<Value>);

struct Fault {
    what: &'static str,
    overlay: &'static str,
    object: (&'static str, &'static str),
    change: Change,
    told: &'static str,
}

fn fault(
    what: &'static str,
    overlay: &'static str,
    object: (&'static str, &'static str),
    change: Change,
    told: &'static str,
) -> Fault {
    Fault {
        what,
        overlay,
        object,
        change,
        told,
    }
}

const COORDINATOR: (&str, &str) = ("Deployment", "coordinator");
const WORKER: (&str, &str) = ("Deployment", "worker");

fn sound(name: &str) -> Overlay {
    let given = OVERLAYS
        .iter()
        .find(|(overlay, _)| *overlay == name)
        .expect("listed")
        .1;
    Overlay::read(name, given).expect("deploy/render was run")
}

/// Names of generated ConfigMaps end in a hash.
fn position(overlay: &Overlay, (kind, name): (&str, &str)) -> usize {
    let is = |found: &str| found == name || (name == "WORKER" && found.starts_with("worker-"));
    let mut all = overlay.manifests.iter();
    all.position(|manifest| manifest.kind() == kind && is(manifest.name()))
        .expect("the object is there")
}

fn apply(object: &mut Value, (path, value): &Change) {
    let (parent, key) = path.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/");
    let parent = object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{path} leads nowhere"));
    match (parent, value) {
        (Value::Object(parent), Some(value)) => drop(parent.insert(key, value.clone())),
        (Value::Object(parent), None) => drop(parent.remove(&key).expect("was there")),
        (Value::Array(parent), Some(value)) => {
            parent[key.parse::<usize>().expect("a number")] = value.clone();
        }
        _ => panic!("{path} cannot be changed"),
    }
}

fn each_is_told(faults: Vec<Fault>) {
    let mut missed = Vec::new();
    for Fault {
        what,
        overlay,
        object,
        change,
        told,
    } in faults
    {
        let mut overlay = sound(overlay);
        let at = position(&overlay, object);
        if change.0.is_empty() {
            overlay.manifests.remove(at);
        } else {
            apply(&mut overlay.manifests[at].0, &change);
        }
        let found: Vec<String> = problems(&overlay).iter().map(ToString::to_string).collect();
        if !found.iter().any(|problem| problem.contains(told)) {
            missed.push(format!("{what}: `{told}` is not among {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn what_types_do_not_know_is_told() {
    each_is_told(shape::types());
}

#[test]
fn what_an_api_server_refuses_is_told() {
    each_is_told(shape::server());
}

#[test]
fn what_leads_nowhere_is_told() {
    each_is_told(references::references());
}

#[test]
fn what_breaks_a_rule_is_told() {
    each_is_told(rules::rules());
}

#[test]
fn an_object_that_is_there_twice_is_told() {
    let mut overlay = sound("standalone");
    let twice = overlay.manifests[position(&overlay, WORKER)].clone();
    overlay.manifests.push(twice);
    assert!(
        problems(&overlay)
            .iter()
            .any(|problem| problem.to_string().contains("is there twice"))
    );
}
