//! Each object through its type and back: a field that the type does not know is lost on the way, and told.

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Namespace, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{custom, look::Look, manifest::Manifest, problem::Problem};

pub(crate) fn check(manifest: &Manifest, found: &mut Vec<Problem>) {
    let value = &manifest.0;
    let version_and_kind = (value.text("apiVersion"), value.text("kind"));
    let lost = match version_and_kind {
        ("v1", "Namespace") => through::<Namespace>(value),
        ("v1", "ServiceAccount") => through::<ServiceAccount>(value),
        ("v1", "ConfigMap") => through::<ConfigMap>(value),
        ("v1", "Service") => through::<Service>(value),
        ("apps/v1", "Deployment") => through::<Deployment>(value),
        ("policy/v1", "PodDisruptionBudget") => through::<PodDisruptionBudget>(value),
        ("networking.k8s.io/v1", "NetworkPolicy") => through::<NetworkPolicy>(value),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => through::<HorizontalPodAutoscaler>(value),
        ("cert-manager.io/v1", "Issuer") => custom::issuer(value),
        ("cert-manager.io/v1", "Certificate") => custom::certificate(value),
        ("monitoring.coreos.com/v1", "PodMonitor") => custom::pod_monitor(value),
        ("monitoring.coreos.com/v1", "PrometheusRule") => custom::prometheus_rule(value),
        ("keda.sh/v1alpha1", "ScaledObject") => custom::scaled_object(value),
        ("keda.sh/v1alpha1", "TriggerAuthentication") => custom::trigger_authentication(value),
        (version, kind) => Err(format!(
            "{version} {kind} is no type that is known here; expected one of an API version that is served"
        )),
    };
    match lost {
        Ok(lost) => found.extend(lost.into_iter().map(|path| {
            Problem::of(
                manifest,
                format!("`{path}` is no field of its type, or of another form"),
            )
        })),
        Err(error) => found.push(Problem::of(manifest, error)),
    }
}

/// The paths of what does not come back.
pub(crate) fn through<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Vec<String>, String> {
    let typed: T =
        serde_json::from_value(value.clone()).map_err(|error| format!("is not of its type: {error}"))?;
    let back = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    let mut lost = Vec::new();
    compare(value, &back, "", &mut lost);
    Ok(lost)
}

fn compare(there: &Value, back: &Value, path: &str, lost: &mut Vec<String>) {
    match (there, back) {
        (Value::Object(there), Value::Object(back)) => {
            for (key, value) in there {
                let path = format!("{path}.{key}");
                compare(value, back.get(key).unwrap_or(&Value::Null), &path, lost);
            }
        }
        (Value::Array(there), Value::Array(back)) if there.len() == back.len() => {
            for (at, (there, back)) in there.iter().zip(back).enumerate() {
                compare(there, back, &format!("{path}[{at}]"), lost);
            }
        }
        // Types leave out what is empty.
        (Value::Object(there), Value::Null) if there.is_empty() => {}
        (Value::Array(there), Value::Null) if there.is_empty() => {}
        (there, back) if there == back => {}
        _ => lost.push(path.trim_start_matches('.').to_owned()),
    }
}
