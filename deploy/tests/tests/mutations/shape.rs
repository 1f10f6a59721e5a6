//! Faults of one object alone: what its type does not know, and what an API server refuses.

use serde_json::json;

use crate::{COORDINATOR, Fault, WORKER, fault};

/// A field that the type does not know, of another form, or of a type that nobody serves.
pub(crate) fn types() -> Vec<Fault> {
    vec![
        fault(
            "a slip in a field",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/terminationGracePeriodSecond",
                Some(json!(300)),
            ),
            "terminationGracePeriodSecond",
        ),
        fault(
            "a slip deep inside",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/readinessProbe/httpGet/pth",
                Some(json!("/")),
            ),
            "httpGet.pth",
        ),
        fault(
            "text for a number",
            "standalone",
            COORDINATOR,
            ("/spec/replicas", Some(json!("one"))),
            "not of its type",
        ),
        fault(
            "an API that was removed",
            "standalone",
            ("PodDisruptionBudget", "worker"),
            ("/apiVersion", Some(json!("policy/v1beta1"))),
            "no type that is known",
        ),
        fault(
            "a number in KEDA's metadata",
            "secure-keda",
            ("ScaledObject", "worker"),
            (
                "/spec/triggers/0/metadata/targetOutstandingPerWorker",
                Some(json!(12)),
            ),
            "not of its type",
        ),
        fault(
            "a slip in a ScaledObject",
            "secure-keda",
            ("ScaledObject", "worker"),
            ("/spec/maxReplicas", Some(json!(5))),
            "not of its type",
        ),
        fault(
            "a slip in a Certificate",
            "secure-keda",
            ("Certificate", "worker"),
            ("/spec/uriSANs", Some(json!([]))),
            "not of its type",
        ),
        fault(
            "a slip in a PodMonitor",
            "secure-keda",
            ("PodMonitor", "worker"),
            ("/spec/podMetricsEndpoint", Some(json!([]))),
            "not of its type",
        ),
        fault(
            "a rule without an expression",
            "secure-keda",
            ("PrometheusRule", "toolwave"),
            ("/spec/groups/1/rules/0/expr", None),
            "not of its type",
        ),
    ]
}

/// What types allow, and an API server refuses.
pub(crate) fn server() -> Vec<Fault> {
    vec![
        fault(
            "a selector of other labels",
            "standalone",
            WORKER,
            ("/spec/selector/matchLabels/toolwave~1pool", Some(json!("other"))),
            "not of its pods' labels",
        ),
        fault(
            "two ports of a name",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/ports/1/name",
                Some(json!("clients")),
            ),
            "two ports are called",
        ),
        fault(
            "a port that is none",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/ports/1/containerPort",
                Some(json!(70_000)),
            ),
            "is no port",
        ),
        fault(
            "a long name of a port",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/ports/1/name",
                Some(json!("workers-come-in-here")),
            ),
            "the port's name",
        ),
        fault(
            "a budget of both sides",
            "standalone",
            ("PodDisruptionBudget", "worker"),
            ("/spec/minAvailable", Some(json!(1))),
            "one of minAvailable",
        ),
        fault(
            "an HPA upside down",
            "several-scaled",
            ("HorizontalPodAutoscaler", "worker"),
            ("/spec/minReplicas", Some(json!(60))),
            "more than maxReplicas",
        ),
        fault(
            "a mount without a volume",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/volumeMounts/0/name",
                Some(json!("configuration")),
            ),
            "which it does not have",
        ),
        fault(
            "a label that is none",
            "standalone",
            WORKER,
            ("/metadata/labels/owner", Some(json!("a team!"))),
            "the label owner",
        ),
        fault(
            "a rollout that cannot begin",
            "standalone",
            COORDINATOR,
            ("/spec/strategy/rollingUpdate/maxSurge", Some(json!(0))),
            "both 0",
        ),
        fault(
            "a quantity that is none",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/resources/limits/memory",
                Some(json!("1 GB")),
            ),
            "no quantity",
        ),
        fault(
            "a limit below what is requested",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/resources/limits/memory",
                Some(json!("64Mi")),
            ),
            "more memory than its limit",
        ),
        fault(
            "a name that is none",
            "standalone",
            WORKER,
            ("/metadata/name", Some(json!("Worker_1"))),
            "no DNS name",
        ),
    ]
}
