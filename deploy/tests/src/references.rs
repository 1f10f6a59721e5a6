//! Whatever an object names is there: pods, ports, configuration, secrets, accounts, addresses.

use serde_json::Value;

use crate::{
    look::{Look, has_labels},
    manifest::{Manifest, Overlay},
    problem::Problem,
};

pub(crate) fn check(overlay: &Overlay, found: &mut Vec<Problem>) {
    for manifest in &overlay.manifests {
        let mut tell = |what: String| found.push(Problem::of(manifest, what));
        namespace(overlay, manifest, &mut tell);
        match manifest.kind() {
            "Deployment" => deployment(overlay, manifest, &mut tell),
            "Service" => service(overlay, manifest, &mut tell),
            "PodDisruptionBudget" => {
                selects(overlay, manifest.0.at("spec.selector.matchLabels"), &mut tell);
            }
            "PodMonitor" => monitor(overlay, manifest, &mut tell),
            "HorizontalPodAutoscaler" | "ScaledObject" => scaled(overlay, manifest, &mut tell),
            "TriggerAuthentication" => {
                for target in manifest.0.list("spec.secretTargetRef") {
                    known(overlay, "Secret", target.text("name"), &mut tell);
                }
            }
            "Certificate" => known(
                overlay,
                "Issuer",
                manifest.0.text("spec.issuerRef.name"),
                &mut tell,
            ),
            "Issuer" => {
                let ca = manifest.0.text("spec.ca.secretName");
                if !ca.is_empty() {
                    known(overlay, "Secret", ca, &mut tell);
                }
            }
            _ => {}
        }
    }
    overlapping(overlay, found);
    twice(overlay, found);
}

fn known(overlay: &Overlay, kind: &str, name: &str, tell: &mut impl FnMut(String)) {
    if !overlay.knows(kind, name) {
        tell(format!("names the {kind} `{name}`, which is not there"));
    }
}

fn namespace(overlay: &Overlay, manifest: &Manifest, tell: &mut impl FnMut(String)) {
    let namespace = manifest.0.text("metadata.namespace");
    // Podman knows no namespaces, and passes them over.
    if manifest.kind() != "Namespace" {
        known(overlay, "Namespace", namespace, tell);
    }
}

/// The deployments whose pods have these labels.
fn pods<'a>(overlay: &'a Overlay, wanted: &'a Value) -> impl Iterator<Item = &'a Manifest> {
    overlay
        .of_kind("Deployment")
        .filter(move |deployment| has_labels(deployment.0.at("spec.template.metadata.labels"), wanted))
}

fn selects(overlay: &Overlay, wanted: &Value, tell: &mut impl FnMut(String)) {
    if wanted.is_null() || pods(overlay, wanted).next().is_none() {
        tell(format!("selects no pods: none has {wanted}"));
    }
}

fn deployment(overlay: &Overlay, manifest: &Manifest, tell: &mut impl FnMut(String)) {
    let Some(pod) = manifest.pod() else { return };
    known(
        overlay,
        "ServiceAccount",
        pod.text("spec.serviceAccountName"),
        tell,
    );
    for volume in pod.list("spec.volumes") {
        let map = volume.text("configMap.name");
        if !map.is_empty() {
            known(overlay, "ConfigMap", map, tell);
        }
        let secret = volume.text("secret.secretName");
        if !secret.is_empty() {
            known(overlay, "Secret", secret, tell);
        }
    }
    for container in manifest.containers() {
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let port = container.at(probe).at("httpGet.port");
            if !port.is_null() && !has_port(container, port) {
                tell(format!(
                    "{probe} asks the port {port}, which the container does not have"
                ));
            }
        }
        let Some(file) = config_file(container) else {
            tell("starts without --config".into());
            continue;
        };
        match overlay.mounted(manifest, file) {
            None => tell(format!("{file} is not mounted from a ConfigMap's entry")),
            Some(Err(error)) => tell(format!("{file} is no TOML: {error}")),
            Some(Ok(table)) => addresses(overlay, container, &table, tell),
        }
    }
}

/// What `--config` names.
pub(crate) fn config_file(container: &Value) -> Option<&str> {
    let arguments = container.list("args");
    let at = arguments.iter().position(|argument| argument == "--config")?;
    arguments.get(at + 1)?.as_str()
}

/// Where a worker dials, and which files are read.
fn addresses(overlay: &Overlay, container: &Value, table: &toml::Table, tell: &mut impl FnMut(String)) {
    if let Some(url) = table.get("coordinator").and_then(toml::Value::as_str) {
        let (scheme, address) = url.split_once("://").unwrap_or(("", url));
        service_at(overlay, address, tell);
        if (scheme == "https") != table.contains_key("tls") {
            tell(format!("dials `{url}`, which does not fit whether it has [tls]"));
        }
    }
    for section in ["tls", "worker_tls"] {
        for (key, path) in table
            .get(section)
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
        {
            let folder = path
                .as_str()
                .and_then(|path| path.rsplit_once('/'))
                .map(|(folder, _)| folder);
            let mounted = |mount: &Value| Some(mount.text("mountPath")) == folder;
            if path.as_str().is_some_and(|path| path.starts_with('/'))
                && !container.list("volumeMounts").iter().any(mounted)
            {
                tell(format!("{section}.{key} is in {folder:?}, which is not mounted"));
            }
        }
    }
}

/// `NAME[.NAMESPACE.svc…]:PORT` is a port of a Service.
fn service_at(overlay: &Overlay, address: &str, tell: &mut impl FnMut(String)) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let name = host.split('.').next().unwrap_or_default();
    known(overlay, "Service", name, tell);
    if let Some(service) = overlay.find("Service", name) {
        let has =
            |listed: &Value| listed.number("port").map(|port| port.to_string()).as_deref() == Some(port);
        if !service.0.list("spec.ports").iter().any(has) {
            tell(format!("goes to `{address}`: the Service has no port {port}"));
        }
    }
}

/// By name or number.
pub(crate) fn has_port(container: &Value, port: &Value) -> bool {
    container
        .list("ports")
        .iter()
        .any(|listed| listed.at("name") == port || listed.at("containerPort") == port)
}

fn service(overlay: &Overlay, manifest: &Manifest, tell: &mut impl FnMut(String)) {
    let wanted = manifest.0.at("spec.selector");
    selects(overlay, wanted, tell);
    for port in manifest.0.list("spec.ports") {
        let target = port.at("targetPort");
        for deployment in pods(overlay, wanted) {
            if !deployment
                .containers()
                .iter()
                .any(|container| has_port(container, target))
            {
                tell(format!("{} has no port {target}", deployment.id()));
            }
        }
    }
}

fn monitor(overlay: &Overlay, manifest: &Manifest, tell: &mut impl FnMut(String)) {
    let wanted = manifest.0.at("spec.selector.matchLabels");
    selects(overlay, wanted, tell);
    for endpoint in manifest.0.list("spec.podMetricsEndpoints") {
        for deployment in pods(overlay, wanted) {
            if !deployment
                .containers()
                .iter()
                .any(|container| has_port(container, endpoint.at("port")))
            {
                tell(format!("{} has no port {}", deployment.id(), endpoint.at("port")));
            }
        }
    }
}

fn scaled(overlay: &Overlay, manifest: &Manifest, tell: &mut impl FnMut(String)) {
    let target = manifest.0.text("spec.scaleTargetRef.name");
    known(overlay, "Deployment", target, tell);
    if let Some(deployment) = overlay.find("Deployment", target)
        && !deployment.0.at("spec.replicas").is_null()
    {
        tell(format!(
            "scales Deployment/{target}, whose `replicas` undoes that whenever it is applied"
        ));
    }
    for trigger in manifest.0.list("spec.triggers") {
        service_at(overlay, trigger.text("metadata.scalerAddress"), tell);
        let authentication = trigger.text("authenticationRef.name");
        if !authentication.is_empty() {
            known(overlay, "TriggerAuthentication", authentication, tell);
        }
    }
}

/// A pod is of one Deployment.
fn overlapping(overlay: &Overlay, found: &mut Vec<Problem>) {
    for deployment in overlay.of_kind("Deployment") {
        let wanted = deployment.0.at("spec.selector.matchLabels");
        for other in pods(overlay, wanted).filter(|other| other.name() != deployment.name()) {
            found.push(Problem::of(
                deployment,
                format!("selects the pods of {} too", other.id()),
            ));
        }
    }
}

fn twice(overlay: &Overlay, found: &mut Vec<Problem>) {
    let mut seen = std::collections::HashSet::new();
    for manifest in &overlay.manifests {
        if !seen.insert(manifest.id()) {
            found.push(Problem::of(manifest, "is there twice"));
        }
    }
}
