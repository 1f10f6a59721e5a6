//! Faults between objects: what one names and another is not.

use serde_json::json;

use crate::{COORDINATOR, Fault, WORKER, fault};

/// What names something that is not there.
pub(crate) fn references() -> Vec<Fault> {
    vec![
        fault(
            "a Service of no pods",
            "standalone",
            ("Service", "coordinator"),
            (
                "/spec/selector/app.kubernetes.io~1component",
                Some(json!("coordinators")),
            ),
            "selects no pods",
        ),
        fault(
            "a Service to no port",
            "standalone",
            ("Service", "coordinator-workers"),
            ("/spec/ports/0/targetPort", Some(json!("worker"))),
            "has no port \"worker\"",
        ),
        fault(
            "a ConfigMap that is not there",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/volumes/0/configMap/name",
                Some(json!("coordinator-config")),
            ),
            "the ConfigMap `coordinator-config`",
        ),
        fault(
            "a Secret that is not there",
            "secure",
            WORKER,
            (
                "/spec/template/spec/volumes/0/secret/secretName",
                Some(json!("workers-tls")),
            ),
            "the Secret `workers-tls`",
        ),
        fault(
            "an account that is not there",
            "standalone",
            WORKER,
            ("/spec/template/spec/serviceAccountName", Some(json!("workers"))),
            "the ServiceAccount `workers`",
        ),
        fault(
            "a probe of no port",
            "standalone",
            WORKER,
            (
                "/spec/template/spec/containers/0/livenessProbe/httpGet/port",
                Some(json!("http")),
            ),
            "livenessProbe asks the port",
        ),
        fault(
            "a file that is not mounted",
            "standalone",
            COORDINATOR,
            (
                "/spec/template/spec/containers/0/args/1",
                Some(json!("/etc/toolwave/config.toml")),
            ),
            "is not mounted",
        ),
        fault(
            "an HPA of nothing",
            "several-scaled",
            ("HorizontalPodAutoscaler", "worker"),
            ("/spec/scaleTargetRef/name", Some(json!("workers"))),
            "the Deployment `workers`",
        ),
        fault(
            "an HPA against a fixed number",
            "several-scaled",
            WORKER,
            ("/spec/replicas", Some(json!(2))),
            "undoes that",
        ),
        fault(
            "a scaler at no port",
            "secure-keda",
            ("ScaledObject", "worker"),
            (
                "/spec/triggers/0/metadata/scalerAddress",
                Some(json!("coordinator-headless.toolwave.svc:7422")),
            ),
            "has no port 7422",
        ),
        fault(
            "a scaler at no Service",
            "secure-keda",
            ("ScaledObject", "worker"),
            (
                "/spec/triggers/0/metadata/scalerAddress",
                Some(json!("scaler.toolwave.svc:7420")),
            ),
            "the Service `scaler`",
        ),
        fault(
            "credentials that are not there",
            "secure-keda",
            ("TriggerAuthentication", "keda"),
            ("/spec/secretTargetRef/0/name", Some(json!("keda-tls"))),
            "the Secret `keda-tls`",
        ),
        fault(
            "an issuer that is not there",
            "secure-keda",
            ("Certificate", "worker"),
            ("/spec/issuerRef/name", Some(json!("company"))),
            "the Issuer `company`",
        ),
        fault(
            "a monitor of no port",
            "secure-keda",
            ("PodMonitor", "worker"),
            ("/spec/podMetricsEndpoints/0/port", Some(json!("metrics"))),
            "has no port \"metrics\"",
        ),
        fault(
            "another namespace",
            "standalone",
            ("Service", "coordinator"),
            ("/metadata/namespace", Some(json!("default"))),
            "the Namespace `default`",
        ),
        fault(
            "a worker that dials past TLS",
            "secure",
            ("ConfigMap", "WORKER"),
            (
                "/data/worker.toml",
                Some(json!(
                    "coordinator = \"http://coordinator-workers:7421\"\ndrain_timeout = \"270s\"\n[tls]\nca = \"/etc/toolwave-tls/ca.crt\"\n"
                )),
            ),
            "does not fit whether it has [tls]",
        ),
        fault(
            "a worker that dials nobody",
            "standalone",
            ("ConfigMap", "WORKER"),
            (
                "/data/worker.toml",
                Some(json!(
                    "coordinator = \"http://coordinators:7421\"\ndrain_timeout = \"270s\"\n"
                )),
            ),
            "the Service `coordinators`",
        ),
        fault(
            "a worker that dials the clients' port",
            "standalone",
            ("ConfigMap", "WORKER"),
            (
                "/data/worker.toml",
                Some(json!(
                    "coordinator = \"http://coordinator-workers:7420\"\ndrain_timeout = \"270s\"\n"
                )),
            ),
            "has no port 7420",
        ),
        fault(
            "a pool that takes another's pods",
            "standalone",
            WORKER,
            (
                "/spec/selector/matchLabels",
                Some(json!({"app.kubernetes.io/name": "toolwave"})),
            ),
            "selects the pods of",
        ),
    ]
}
