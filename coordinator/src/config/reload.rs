//! What of a configuration may change while a coordinator runs. Reads no file and touches nothing
//! that runs.

use super::Config;

/// Keys, or tables of them, that take effect while the coordinator runs. The files that others name (certificates,
/// keys, tokens) are read again by themselves when they change.
const RELOADABLE: [&str; 14] = [
    "max_in_flight",
    "max_queued_calls",
    "max_payload_bytes",
    "requests.max_calls",
    "requests.max_edges",
    "requests.max_dependencies_per_call",
    "requests.max_waves",
    "requests.max_parameters_bytes",
    "requests.max_json_depth",
    "requests.max_json_nodes",
    "log.level",
    "worker_identities",
    "tenants",
    "tenant_defaults",
];

/// Whether a dotted key takes effect while the coordinator runs.
#[must_use]
pub fn is_reloadable(key: &str) -> bool {
    RELOADABLE.iter().any(|known| {
        key.strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// What a configuration that was read again changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys that have other values now.
    pub changed: Vec<String>,
    /// Keys that would have, after a restart.
    pub restart: Vec<String>,
}

// === impl Config ===

impl Config {
    /// Takes what may change while a coordinator runs from another.
    pub(crate) fn take_reloadable(&mut self, from: &Self) {
        self.max_in_flight = from.max_in_flight;
        self.max_queued_calls = from.max_queued_calls;
        self.max_payload_bytes = from.max_payload_bytes;
        let largest = self.requests.max_request_bytes;
        self.requests = from.requests.clone();
        // It is that of the listeners, which go on.
        self.requests.max_request_bytes = largest;
        self.log.level.clone_from(&from.log.level);
        self.worker_identities.clone_from(&from.worker_identities);
        self.tenants.clone_from(&from.tenants);
        self.tenant_defaults.clone_from(&from.tenant_defaults);
    }
}

#[cfg(test)]
mod tests {
    use toolwave_config::{differences, values};

    use super::*;

    /// One with other values than the default wherever that is easily said.
    fn other() -> Config {
        let changed = |(key, value): (String, toml::Value)| {
            let other = match value {
                toml::Value::Integer(number) => toml::Value::Integer(number + 1),
                toml::Value::Boolean(flag) => toml::Value::Boolean(!flag),
                toml::Value::Float(_) => toml::Value::Float(0.5),
                toml::Value::String(_) if key == "log.level" => "debug".into(),
                toml::Value::String(_) if key == "log.format" => "json".into(),
                toml::Value::String(text) if text.parse::<std::net::SocketAddr>().is_ok() => {
                    "127.0.0.1:1".into()
                }
                toml::Value::String(_) => "7s".into(),
                value => value,
            };
            format!("{key} = {other}\n")
        };
        let lines: String = values(&Config::default())
            .unwrap()
            .into_iter()
            .map(changed)
            .collect();
        let mut config: Config = toml::from_str(&lines).unwrap();
        config.tenants = toml::from_str("[a]\nweight = 2").unwrap();
        config.tenant_defaults = toml::from_str("max_in_flight = 2").unwrap();
        config.worker_identities =
            toml::from_str::<Config>("[[worker_identities]]\nidentity = 'spiffe://t/worker/w'")
                .unwrap()
                .worker_identities;
        config
    }

    #[test]
    fn what_is_said_to_be_reloadable_is_what_is_taken() {
        let (before, after) = (Config::default(), other());
        let mut running = before.clone();
        running.take_reloadable(&after);
        let taken = differences(&before, &running).unwrap();
        let left = differences(&running, &after).unwrap();
        assert!(
            taken.len() >= RELOADABLE.len() && left.len() > 20,
            "{taken:?} {left:?}"
        );
        for key in &taken {
            assert!(is_reloadable(key), "{key} is taken");
        }
        for key in &left {
            assert!(!is_reloadable(key), "{key} is not taken");
        }
    }
}
