//! Reading of JSON values by paths with dots; what is not there is empty.

use serde_json::Value;

static NOTHING: Value = Value::Null;

/// Looks into a value.
pub trait Look {
    /// What is at a path such as `spec.template.spec`; `Null` where there is nothing.
    fn at(&self, path: &str) -> &Value;
    /// The text there; empty where there is none.
    fn text(&self, path: &str) -> &str;
    /// The elements of the list there; none where there is no list.
    fn list(&self, path: &str) -> &[Value];
    /// The whole number there.
    fn number(&self, path: &str) -> Option<i64>;
}

impl Look for Value {
    fn at(&self, path: &str) -> &Value {
        path.split('.').fold(self, |value, key| {
            let element = key.parse::<usize>().ok().and_then(|at| value.get(at));
            element.or_else(|| value.get(key)).unwrap_or(&NOTHING)
        })
    }

    fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    fn list(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }

    fn number(&self, path: &str) -> Option<i64> {
        self.at(path).as_i64()
    }
}

/// Whether `labels` has all of `wanted`; nothing is wanted by nothing.
pub(crate) fn has_labels(labels: &Value, wanted: &Value) -> bool {
    wanted
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
}
