//! The project's rules for what runs in a cluster: pods that may nothing, probes on the operators' port, budgets.

use serde_json::Value;

use crate::{
    look::{Look, has_labels},
    manifest::{Manifest, Overlay},
    problem::Problem,
    references::has_port,
};

/// What may stay away where podman stands in for a cluster.
const PODMAN: &str = "podman-";

pub(crate) fn check(overlay: &Overlay, found: &mut Vec<Problem>) {
    for deployment in overlay.of_kind("Deployment") {
        let mut tell = |what: String| found.push(Problem::of(deployment, what));
        restricted(deployment, &mut tell);
        for container in deployment.containers() {
            confined(container, &mut tell);
            resources(container, &mut tell);
            image(container, &mut tell);
            environment(container, &mut tell);
            mounts(container, &mut tell);
            if !overlay.name.starts_with(PODMAN) {
                probes(container, &mut tell);
                lingers(container, &mut tell);
            }
        }
        if !overlay.name.starts_with(PODMAN) {
            budget(overlay, deployment, &mut tell);
        }
        if deployment.0.at("spec.strategy.rollingUpdate.maxUnavailable") != &Value::from(0) {
            tell("is rolled out with less than it has; expected maxUnavailable 0".into());
        }
    }
    for account in overlay.of_kind("ServiceAccount") {
        if account.0.at("automountServiceAccountToken") != &Value::Bool(false) {
            found.push(Problem::of(
                account,
                "hands out tokens of the cluster's API, which nothing uses",
            ));
        }
    }
    for namespace in overlay.of_kind("Namespace") {
        for mode in ["enforce", "warn", "audit"] {
            let label = |suffix: &str| {
                let key = format!("pod-security.kubernetes.io/{mode}{suffix}");
                let labels = namespace.0.at("metadata.labels");
                labels
                    .get(&key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            if label("") != "restricted" || !label("-version").starts_with("v1.") {
                let what = format!("does not {mode} the pod security standard `restricted` of a version");
                found.push(Problem::of(namespace, what));
            }
        }
    }
    exposed(overlay, found);
    secrets(overlay, found);
}

/// The pod security standard `restricted`, and what goes beyond it.
fn restricted(deployment: &Manifest, tell: &mut impl FnMut(String)) {
    let pod = deployment.0.at("spec.template.spec");
    let context = pod.at("securityContext");
    if context.at("runAsNonRoot") != &Value::Bool(true)
        || context.number("runAsUser").is_none_or(|user| user == 0)
    {
        tell("may run as root; expected runAsNonRoot and a user".into());
    }
    if context.text("seccompProfile.type") != "RuntimeDefault" {
        tell("is without a seccomp profile; expected RuntimeDefault".into());
    }
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod.at(key) == &Value::Bool(true) {
            tell(format!("has {key}"));
        }
    }
    for (key, wrong) in [
        ("automountServiceAccountToken", "has a token of the cluster's API"),
        (
            "enableServiceLinks",
            "has the addresses of all Services in its environment",
        ),
    ] {
        if pod.at(key) != &Value::Bool(false) {
            tell(format!("{wrong}; expected {key} false"));
        }
    }
    for volume in pod.list("volumes") {
        let allowed = [
            "configMap",
            "secret",
            "emptyDir",
            "projected",
            "downwardAPI",
            "persistentVolumeClaim",
        ];
        if !allowed.iter().any(|kind| !volume.at(kind).is_null()) {
            tell(format!(
                "the volume `{}` is of no kind that is allowed",
                volume.text("name")
            ));
        }
        if !volume.at("emptyDir").is_null() && volume.text("emptyDir.sizeLimit").is_empty() {
            tell(format!("the volume `{}` has no sizeLimit", volume.text("name")));
        }
        // What others can read is refused by the programs as a key.
        if !volume.at("secret").is_null() && volume.number("secret.defaultMode") != Some(0o440) {
            tell(format!(
                "the secret `{}` is not of mode 0440",
                volume.text("name")
            ));
        }
    }
}

fn confined(container: &Value, tell: &mut impl FnMut(String)) {
    let context = container.at("securityContext");
    let (yes, no) = (Value::Bool(true), Value::Bool(false));
    if context.at("readOnlyRootFilesystem") != &yes {
        tell("may write to its root; expected readOnlyRootFilesystem".into());
    }
    if context.at("allowPrivilegeEscalation") != &no || context.at("privileged") == &yes {
        tell("may gain privileges; expected allowPrivilegeEscalation false".into());
    }
    if context.list("capabilities.drop") != [Value::from("ALL")]
        || !context.list("capabilities.add").is_empty()
    {
        tell("keeps capabilities; expected all of them dropped".into());
    }
}

fn resources(container: &Value, tell: &mut impl FnMut(String)) {
    let resources = container.at("resources");
    for name in ["cpu", "memory"] {
        if resources.at("requests").text(name).is_empty() {
            tell(format!("requests no {name}"));
        }
    }
    if resources.text("limits.memory").is_empty() {
        tell("has no limit of memory".into());
    }
    if !resources.at("limits.cpu").is_null() {
        tell("has a limit of processor time, which throttles it while the node idles; expected none".into());
    }
}

fn image(container: &Value, tell: &mut impl FnMut(String)) {
    let image = container.text("image");
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let version = env!("CARGO_PKG_VERSION");
    if !image.contains("@sha256:") && tag != Some(version) {
        tell(format!(
            "the image `{image}` is not of this version; expected the tag {version}, or a digest"
        ));
    }
}

fn environment(container: &Value, tell: &mut impl FnMut(String)) {
    for variable in container.list("env") {
        if !variable.at("valueFrom.secretKeyRef").is_null() {
            tell(format!(
                "{} is a secret in the environment; expected a file",
                variable.text("name")
            ));
        }
    }
    if !container.list("envFrom").is_empty() {
        tell("takes whole ConfigMaps or Secrets into its environment".into());
    }
    let threads = |variable: &Value| variable.text("name").ends_with("_THREADS");
    if !container.list("env").iter().any(threads) {
        tell("would start a thread for each core of the node; expected its _THREADS by requests.cpu".into());
    }
}

fn mounts(container: &Value, tell: &mut impl FnMut(String)) {
    for mount in container.list("volumeMounts") {
        if !mount.at("subPath").is_null() {
            tell(format!(
                "mounts {} by subPath, which is never updated",
                mount.text("mountPath")
            ));
        }
    }
}

fn probes(container: &Value, tell: &mut impl FnMut(String)) {
    for (probe, path) in [
        ("startupProbe", ""),
        ("readinessProbe", "/readyz"),
        ("livenessProbe", "/livez"),
    ] {
        let asked = container.at(probe).at("httpGet");
        if asked.text("port") != "admin" || !has_port(container, &Value::from("admin")) {
            tell(format!("{probe} does not ask the port `admin`"));
        }
        if !path.is_empty() && asked.text("path") != path {
            tell(format!("{probe} asks `{}`; expected {path}", asked.text("path")));
        }
    }
}

/// Whoever is behind a Service goes on for as long as others may still send.
fn lingers(container: &Value, tell: &mut impl FnMut(String)) {
    let sleeps = container.number("lifecycle.preStop.sleep.seconds");
    if has_port(container, &Value::from("clients")) && sleeps.is_none_or(|seconds| seconds < 5) {
        tell("stops before clients have learned that it goes; expected a preStop sleep of 5 s".into());
    }
}

fn budget(overlay: &Overlay, deployment: &Manifest, tell: &mut impl FnMut(String)) {
    let pod = deployment.0.at("spec.template.metadata.labels");
    let covers = |budget: &&Manifest| has_labels(pod, budget.0.at("spec.selector.matchLabels"));
    let count = overlay.of_kind("PodDisruptionBudget").filter(covers).count();
    if count != 1 {
        tell(format!("has {count} PodDisruptionBudgets; expected one"));
    }
}

/// Without identities a policy is what keeps others away; beyond the cluster nothing is offered.
fn exposed(overlay: &Overlay, found: &mut Vec<Problem>) {
    let denies = |policy: &Manifest| {
        policy
            .0
            .at("spec.podSelector")
            .as_object()
            .is_some_and(|selector| selector.is_empty())
            && policy.0.list("spec.policyTypes").len() == 2
            && policy.0.list("spec.ingress").is_empty()
            && policy.0.list("spec.egress").is_empty()
    };
    if overlay.find("Namespace", "toolwave").is_some()
        && !overlay.name.starts_with(PODMAN)
        && !overlay.of_kind("NetworkPolicy").any(denies)
    {
        found.push(Problem {
            object: overlay.name.clone(),
            what: "no NetworkPolicy denies what the others do not allow".into(),
        });
    }
    for service in overlay.of_kind("Service") {
        let kind = service.0.text("spec.type");
        if !matches!(kind, "" | "ClusterIP") {
            found.push(Problem::of(
                service,
                format!("is a {kind}: it is offered beyond the cluster"),
            ));
        }
        for port in service.0.list("spec.ports") {
            if port.text("targetPort") == "admin" {
                found.push(Problem::of(service, "offers the operators' port"));
            }
        }
    }
}

fn secrets(overlay: &Overlay, found: &mut Vec<Problem>) {
    for secret in overlay.of_kind("Secret") {
        found.push(Problem::of(
            secret,
            "a rendered file is for everybody to read; expected no Secret in it",
        ));
    }
}
