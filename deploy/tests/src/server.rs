//! What an API server refuses although types allow it.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    look::{Look, has_labels},
    manifest::Manifest,
    problem::Problem,
    quantity,
};

pub(crate) fn check(manifest: &Manifest, found: &mut Vec<Problem>) {
    let mut tell = |what: String| found.push(Problem::of(manifest, what));
    names(manifest, &mut tell);
    labels(manifest.0.at("metadata.labels"), &mut tell);
    match manifest.kind() {
        "Deployment" => deployment(manifest, &mut tell),
        "PodDisruptionBudget" => budget(&manifest.0, &mut tell),
        "HorizontalPodAutoscaler" => autoscaler(&manifest.0, &mut tell),
        "Service" => service(&manifest.0, &mut tell),
        _ => {}
    }
}

fn names(manifest: &Manifest, tell: &mut impl FnMut(String)) {
    let name = manifest.name();
    if !is_dns_name(name, 253) {
        tell(format!(
            "the name `{name}` is no DNS name of at most 253 characters"
        ));
    }
    if manifest.kind() != "Namespace" && manifest.0.text("metadata.namespace").is_empty() {
        tell("has no namespace".into());
    }
}

fn is_dns_name(text: &str, most: usize) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !text.is_empty()
        && text.len() <= most
        && text.chars().all(fine)
        && !text.starts_with(['-', '.'])
        && !text.ends_with(['-', '.'])
}

fn labels(labels: &Value, tell: &mut impl FnMut(String)) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        let name = key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name);
        let fine = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let edges = |text: &str| !text.starts_with(['-', '_', '.']) && !text.ends_with(['-', '_', '.']);
        let value = value.as_str().unwrap_or("?");
        if name.is_empty() || name.len() > 63 || !fine(name) {
            tell(format!("the label's key `{key}` is none"));
        }
        if value.len() > 63 || !fine(value) || !edges(value) {
            tell(format!(
                "the label {key} has the value `{value}`; expected at most 63 of [A-Za-z0-9._-]"
            ));
        }
    }
}

fn deployment(manifest: &Manifest, tell: &mut impl FnMut(String)) {
    let value = &manifest.0;
    let selector = value.at("spec.selector.matchLabels");
    let pod = value.at("spec.template.metadata.labels");
    labels(pod, tell);
    if selector.as_object().is_none_or(|labels| labels.is_empty()) {
        tell("selects no pods".into());
    } else if !has_labels(pod, selector) {
        tell("its selector is not of its pods' labels".into());
    }
    let strategy = value.at("spec.strategy.rollingUpdate");
    if is_zero(strategy.at("maxSurge")) && is_zero(strategy.at("maxUnavailable")) {
        tell("maxSurge and maxUnavailable are both 0: nothing could ever be rolled out".into());
    }
    let volumes: HashSet<&str> = value
        .list("spec.template.spec.volumes")
        .iter()
        .map(|volume| volume.text("name"))
        .collect();
    for container in manifest.containers() {
        ports(container, tell);
        resources(container, tell);
        for mount in container.list("volumeMounts") {
            let name = mount.text("name");
            if !volumes.contains(name) {
                tell(format!("mounts the volume `{name}`, which it does not have"));
            }
        }
    }
}

fn is_zero(value: &Value) -> bool {
    value.as_i64() == Some(0) || matches!(value.as_str(), Some("0%" | "0"))
}

fn ports(container: &Value, tell: &mut impl FnMut(String)) {
    let mut seen = HashSet::new();
    for port in container.list("ports") {
        let name = port.text("name");
        if !seen.insert(name) {
            tell(format!("two ports are called `{name}`"));
        }
        if name.len() > 15 || !is_dns_name(name, 15) {
            tell(format!("the port's name `{name}` is not of 1 to 15 of [a-z0-9-]"));
        }
        valid_port(port.number("containerPort"), tell);
    }
}

fn valid_port(port: Option<i64>, tell: &mut impl FnMut(String)) {
    if !port.is_some_and(|port| (1..=65_535).contains(&port)) {
        tell(format!("{port:?} is no port"));
    }
}

fn resources(container: &Value, tell: &mut impl FnMut(String)) {
    for part in ["requests", "limits"] {
        for (name, value) in container
            .at("resources")
            .at(part)
            .as_object()
            .into_iter()
            .flatten()
        {
            if value.as_str().and_then(quantity::parse).is_none() {
                tell(format!("{part} of {name}: {value} is no quantity"));
            }
        }
    }
    let of = |part: &str, name: &str| quantity::parse(container.at("resources").at(part).text(name));
    for name in ["cpu", "memory"] {
        if let (Some(request), Some(limit)) = (of("requests", name), of("limits", name))
            && request > limit
        {
            tell(format!("requests more {name} than its limit"));
        }
    }
}

fn budget(value: &Value, tell: &mut impl FnMut(String)) {
    let spec = value.at("spec");
    if spec.at("minAvailable").is_null() == spec.at("maxUnavailable").is_null() {
        tell("needs one of minAvailable and maxUnavailable".into());
    }
}

fn autoscaler(value: &Value, tell: &mut impl FnMut(String)) {
    let (least, most) = (value.number("spec.minReplicas"), value.number("spec.maxReplicas"));
    if least > most {
        tell(format!("minReplicas {least:?} is more than maxReplicas {most:?}"));
    }
}

fn service(value: &Value, tell: &mut impl FnMut(String)) {
    let mut seen = HashSet::new();
    for port in value.list("spec.ports") {
        valid_port(port.number("port"), tell);
        if !seen.insert((port.number("port"), port.text("protocol"))) {
            tell(format!("has the port {:?} twice", port.number("port")));
        }
    }
}
