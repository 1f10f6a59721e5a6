//! Which connections network policies let through, as Kubernetes defines it: a pod that no policy selects is open;
//! one that some select is open to what any of them lists. Knows no address blocks: none are used.

use serde_json::Value;

use crate::{
    look::{Look, has_labels},
    manifest::{Manifest, Overlay},
};

/// A pod, as far as policies look at it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The name of its namespace.
    pub namespace: String,
    /// Of its namespace, without the one that its name gives it.
    pub namespace_labels: Value,
    /// Its labels.
    pub labels: Value,
    /// Its ports, by name.
    pub ports: Vec<(String, u16)>,
}

/// Whether a connection from one pod to another's port (of TCP, unless `protocol` says) gets through.
#[must_use]
pub fn passes(overlay: &Overlay, from: &Place, to: &Place, port: u16, protocol: &str) -> bool {
    let leaves = direction(overlay, from, to, "egress", "Egress", port, to, protocol);
    let enters = direction(overlay, to, from, "ingress", "Ingress", port, to, protocol);
    leaves && enters
}

#[allow(
    clippy::too_many_arguments,
    reason = "one connection, seen from one of its ends"
)]
fn direction(
    overlay: &Overlay,
    here: &Place,
    other: &Place,
    rules: &str,
    kind: &str,
    port: u16,
    to: &Place,
    protocol: &str,
) -> bool {
    let mut selected = overlay
        .of_kind("NetworkPolicy")
        .filter(|policy| is_of(policy, kind) && selects(policy, here))
        .peekable();
    if selected.peek().is_none() {
        return true;
    }
    selected.any(|policy| {
        policy.0.at("spec").list(rules).iter().any(|rule| {
            let peers = rule.list(if rules == "egress" { "to" } else { "from" });
            let ports = rule.list("ports");
            let home = policy.0.text("metadata.namespace");
            (peers.is_empty() || peers.iter().any(|peer| is_peer(peer, home, other)))
                && (ports.is_empty() || ports.iter().any(|listed| is_port(listed, to, port, protocol)))
        })
    })
}

fn is_of(policy: &Manifest, kind: &str) -> bool {
    policy
        .0
        .list("spec.policyTypes")
        .iter()
        .any(|listed| listed == kind)
}

fn selects(policy: &Manifest, place: &Place) -> bool {
    policy.0.text("metadata.namespace") == place.namespace
        && has_labels(&place.labels, policy.0.at("spec.podSelector.matchLabels"))
}

fn is_peer(peer: &Value, home: &str, place: &Place) -> bool {
    let namespaces = peer.at("namespaceSelector");
    let in_namespace = if namespaces.is_null() {
        place.namespace == home
    } else {
        let mut labels = place.namespace_labels.clone();
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(
                "kubernetes.io/metadata.name".into(),
                place.namespace.clone().into(),
            );
        }
        has_labels(&labels, namespaces.at("matchLabels"))
    };
    in_namespace && has_labels(&place.labels, peer.at("podSelector.matchLabels"))
}

fn is_port(listed: &Value, to: &Place, port: u16, protocol: &str) -> bool {
    let same = match listed.at("port") {
        Value::String(name) => to
            .ports
            .iter()
            .any(|(other, number)| other == name && *number == port),
        Value::Null => true,
        number => number.as_u64() == Some(port.into()),
    };
    let of = listed.text("protocol");
    same && (if of.is_empty() { "TCP" } else { of }) == protocol
}
