//! Faults that a cluster would run.

use serde_json::json;

use crate::{COORDINATOR, Fault, WORKER, fault};

/// What a cluster runs, and the project's rules do not have.
pub(crate) fn rules() -> Vec<Fault> {
    vec![
        fault(
            "root",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/securityContext/runAsNonRoot",
                Some(json!(false)),
            ),
            "may run as root",
        ),
        fault(
            "no seccomp",
            "standalone",
            WORKER,
            ("/spec/template/spec/securityContext/seccompProfile", None),
            "seccomp",
        ),
        fault(
            "a root to write to",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem",
                None,
            ),
            "may write to its root",
        ),
        fault(
            "capabilities",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/securityContext/capabilities/drop",
                Some(json!(["NET_RAW"])),
            ),
            "keeps capabilities",
        ),
        fault(
            "privileges to gain",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation",
                None,
            ),
            "may gain privileges",
        ),
        fault(
            "the host's network",
            "standalone",
            COORDINATOR,
            ("/spec/template/spec/hostNetwork", Some(json!(true))),
            "has hostNetwork",
        ),
        fault(
            "a folder of the host",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/volumes/1",
                Some(json!({"name": "scratch", "hostPath": {"path": "/tmp"}})),
            ),
            "of no kind that is allowed",
        ),
        fault(
            "a token of the API",
            "standalone",
            ("ServiceAccount", "worker"),
            ("/automountServiceAccountToken", Some(json!(true))),
            "hands out tokens",
        ),
        fault(
            "a limit of processor time",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/resources/limits/cpu",
                Some(json!("2")),
            ),
            "throttles",
        ),
        fault(
            "no limit of memory",
            "standalone",
            WORKER,
            ("/spec/template/spec/containers/0/resources/limits", None),
            "no limit of memory",
        ),
        fault(
            "less memory than is allowed",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/resources/limits/memory",
                Some(json!("1Gi")),
            ),
            "may take",
        ),
        fault(
            "the newest image, whatever it is",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/image",
                Some(json!("toolwave-worker:latest")),
            ),
            "not of this version",
        ),
        fault(
            "an image without a tag",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/image",
                Some(json!("registry.example:5000/toolwave-worker")),
            ),
            "not of this version",
        ),
        fault(
            "a probe of the clients' port",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/readinessProbe/httpGet/port",
                Some(json!("clients")),
            ),
            "does not ask the port `admin`",
        ),
        fault(
            "a life that hangs on being ready",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/livenessProbe/httpGet/path",
                Some(json!("/readyz")),
            ),
            "expected /livez",
        ),
        fault(
            "an end at once",
            "standalone",
            COORDINATOR,
            ("/spec/template/spec/containers/0/lifecycle", None),
            "stops before clients have learned",
        ),
        fault(
            "less time than the drain",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/terminationGracePeriodSeconds",
                Some(json!(50)),
            ),
            "expected at least 60",
        ),
        fault(
            "a longer sleep before the end",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/lifecycle/preStop/sleep/seconds",
                Some(json!(15)),
            ),
            "expected at least 70",
        ),
        fault(
            "a longer drain",
            "standalone",
            ("ConfigMap", "coordinator"),
            ("/data/coordinator.toml", Some(json!("drain_timeout = \"2m\"\n"))),
            "expected at least 135",
        ),
        fault(
            "a drain that is not said",
            "standalone",
            ("ConfigMap", "WORKER"),
            (
                "/data/worker.toml",
                Some(json!("coordinator = \"http://coordinator-workers:7421\"\n")),
            ),
            "expected it written out",
        ),
        fault(
            "configuration that is never updated",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/volumeMounts/0/subPath",
                Some(json!("coordinator.toml")),
            ),
            "by subPath",
        ),
        fault(
            "a secret in the environment",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/env/0",
                Some(json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}})),
            ),
            "secret in the environment",
        ),
        fault(
            "a key that everybody reads",
            "secure",
            WORKER,
            (
                "/spec/template/spec/volumes/0/secret/defaultMode",
                Some(json!(420)),
            ),
            "not of mode 0440",
        ),
        fault(
            "no budget",
            "standalone",
            ("PodDisruptionBudget", "worker"),
            ("", None),
            "has 0 PodDisruptionBudgets",
        ),
        fault(
            "no policy that denies",
            "standalone",
            ("NetworkPolicy", "default-deny"),
            ("", None),
            "denies what the others do not allow",
        ),
        fault(
            "a Service for the whole world",
            "standalone",
            ("Service", "coordinator"),
            ("/spec/type", Some(json!("LoadBalancer"))),
            "beyond the cluster",
        ),
        fault(
            "a Service of the operators' port",
            "standalone",
            ("Service", "coordinator"),
            ("/spec/ports/0/targetPort", Some(json!("admin"))),
            "the operators' port",
        ),
        fault(
            "a namespace that lets everything run",
            "standalone",
            ("Namespace", "toolwave"),
            (
                "/metadata/labels/pod-security.kubernetes.io~1enforce",
                Some(json!("baseline")),
            ),
            "does not enforce",
        ),
        fault(
            "a rollout with fewer workers",
            "standalone",
            WORKER,
            ("/spec/strategy/rollingUpdate/maxUnavailable", Some(json!(1))),
            "with less than it has",
        ),
        fault(
            "a thread for each core of the node",
            "standalone",
            WORKER,
            ("/spec/template/spec/containers/0/env", Some(json!([]))),
            "a thread for each core",
        ),
    ]
}
