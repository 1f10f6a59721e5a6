//! Time to end, and room for what is allowed: what the manifests give against what the configuration in them asks for.

use std::time::Duration;

use crate::{
    look::Look,
    manifest::{Manifest, Overlay},
    problem::Problem,
    quantity,
    references::config_file,
};

/// For the end after the drain: the audit is written for up to 3 s, and a machine may be slow.
const MARGIN: i64 = 10;
/// Beside payloads and waiting calls.
const BASE_BYTES: f64 = 256.0 * 1024.0 * 1024.0;
/// Of a waiting call with 1 KiB of parameters, as docs/performance.md measures it, and something more.
const QUEUED_CALL_BYTES: f64 = 3_000.0;

pub(crate) fn check(overlay: &Overlay, found: &mut Vec<Problem>) {
    for deployment in overlay.of_kind("Deployment") {
        let Some(container) = deployment.containers().first() else {
            continue;
        };
        let Some(Ok(table)) = config_file(container).and_then(|file| overlay.mounted(deployment, file))
        else {
            continue;
        };
        grace(deployment, &table, found);
        memory(deployment, &table, found);
    }
}

fn grace(deployment: &Manifest, table: &toml::Table, found: &mut Vec<Problem>) {
    let mut tell = |what: String| found.push(Problem::of(deployment, what));
    let pod = deployment.0.at("spec.template.spec");
    let text = table
        .get("drain_timeout")
        .and_then(toml::Value::as_str)
        .unwrap_or_default();
    let Ok(drain) = humantime::parse_duration(text) else {
        tell(format!(
            "drain_timeout is `{text}`; expected it written out, since the grace period goes by it"
        ));
        return;
    };
    let sleep = pod.list("containers")[0]
        .number("lifecycle.preStop.sleep.seconds")
        .unwrap_or(0);
    let Some(grace) = pod.number("terminationGracePeriodSeconds") else {
        tell("has no terminationGracePeriodSeconds".into());
        return;
    };
    let needed =
        Duration::from_secs(sleep.unsigned_abs()) + drain + Duration::from_secs(MARGIN.unsigned_abs());
    if Duration::from_secs(grace.unsigned_abs()) < needed {
        tell(format!(
            "terminationGracePeriodSeconds is {grace}; expected at least {} = preStop {sleep} + drain_timeout {text} + {MARGIN}",
            needed.as_secs()
        ));
    }
}

fn memory(deployment: &Manifest, table: &toml::Table, found: &mut Vec<Problem>) {
    let (Some(calls), Some(payloads)) = (table.get("max_queued_calls"), table.get("max_payload_bytes"))
    else {
        return;
    };
    let mut tell = |what: String| found.push(Problem::of(deployment, what));
    let Some(payloads) = payloads.as_str().and_then(bytes) else {
        tell(format!(
            "max_payload_bytes is {payloads:?}; expected such as \"512 MiB\""
        ));
        return;
    };
    let limit = deployment.containers()[0].text("resources.limits.memory");
    // A payload may be held twice while it is taken in or written out.
    let needed = BASE_BYTES + 2.0 * payloads + calls.as_integer().unwrap_or(0) as f64 * QUEUED_CALL_BYTES;
    if quantity::parse(limit).is_none_or(|limit| limit < needed) {
        tell(format!(
            "the limit of memory is `{limit}`; max_payload_bytes and max_queued_calls may take {:.0} MiB",
            needed / 1024.0 / 1024.0
        ));
    }
}

fn bytes(text: &str) -> Option<f64> {
    quantity::parse(&text.replace([' ', 'B'], ""))
}
