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

/// A port of a pod that somebody connects to.
struct Target<'a> {
    pod: &'a Place,
    port: u16,
    protocol: &'a str,
}

/// Whether a connection from one pod to another's port gets through; `protocol` is `TCP` or `UDP`.
#[must_use]
pub fn passes(overlay: &Overlay, from: &Place, to: &Place, port: u16, protocol: &str) -> bool {
    let target = Target {
        pod: to,
        port,
        protocol,
    };
    open(overlay, "Egress", from, to, &target) && open(overlay, "Ingress", to, from, &target)
}

/// Whether the policies of one end let it through.
fn open(overlay: &Overlay, kind: &str, here: &Place, other: &Place, target: &Target<'_>) -> bool {
    let (rules, peers) = if kind == "Egress" {
        ("egress", "to")
    } else {
        ("ingress", "from")
    };
    let mut selected = overlay
        .of_kind("NetworkPolicy")
        .filter(|policy| is_of(policy, kind) && selects(policy, here))
        .peekable();
    if selected.peek().is_none() {
        return true;
    }
    selected.any(|policy| {
        let home = policy.0.text("metadata.namespace");
        policy.0.at("spec").list(rules).iter().any(|rule| {
            let (peers, ports) = (rule.list(peers), rule.list("ports"));
            (peers.is_empty() || peers.iter().any(|peer| is_peer(peer, home, other)))
                && (ports.is_empty() || ports.iter().any(|listed| is_port(listed, target)))
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

fn is_port(listed: &Value, target: &Target<'_>) -> bool {
    let named = |name: &str| {
        target
            .pod
            .ports
            .iter()
            .any(|(other, number)| other == name && *number == target.port)
    };
    let same = match listed.at("port") {
        Value::String(name) => named(name),
        Value::Null => true,
        number => number.as_u64() == Some(target.port.into()),
    };
    let of = listed.text("protocol");
    same && (if of.is_empty() { "TCP" } else { of }) == target.protocol
}
