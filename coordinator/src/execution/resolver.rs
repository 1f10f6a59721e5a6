//! The last step before a dispatch: references filled in, parameters checked against the tool's schema.
//! Pure work on bytes, for the driver's pool; holds no state.

use bytes::Bytes;
use serde_json::Value;

use super::{
    prepared::{CallFault, CallParameters},
    template::FindResult,
    text::clipped,
};
use crate::{catalogue::DeclaredTool, error::Reason};

/// Violations of a schema that one call lists.
const LISTED: usize = 50;

/// The parameters to dispatch a call with: references replaced from `results`, good against the schema of
/// `tool` as it is declared now.
///
/// # Errors
/// The call is to end as `REJECTED`, with this fault.
pub fn resolve(
    parameters: &CallParameters,
    tool: Option<&DeclaredTool>,
    results: FindResult<'_>,
) -> Result<Bytes, CallFault> {
    let text = match parameters {
        CallParameters::Text(text) => text.clone(),
        CallParameters::Template(template) => template.substitute(results)?,
    };
    if let Some(tool) = tool.filter(|tool| tool.validator.is_some()) {
        let value = serde_json::from_slice(&text).map_err(|error| CallFault {
            code: Reason::ParamsNotJson.word().into(),
            message: clipped(format!("the parameters are no JSON: {error}")),
            ..CallFault::default()
        })?;
        check_schema(tool, &value)?;
    }
    Ok(text)
}

/// Checks `parameters` against the schema of `tool`. No value is echoed, since it may be a secret.
///
/// # Errors
/// Every violation, with its JSON Pointer.
pub fn check_schema(tool: &DeclaredTool, parameters: &Value) -> Result<(), CallFault> {
    let Some(validator) = &tool.validator else {
        return Ok(());
    };
    if validator.is_valid(parameters) {
        return Ok(());
    }
    let mut violations: Vec<(String, String)> = validator
        .iter_errors(parameters)
        .take(LISTED + 1)
        .map(|error| {
            (
                clipped(error.instance_path().to_string()),
                clipped(error.masked().to_string()),
            )
        })
        .collect();
    if violations.len() > LISTED {
        violations.truncate(LISTED);
        violations.push((String::new(), "and more".into()));
    }
    let first = violations.first().map_or(String::new(), |(path, what)| {
        if path.is_empty() {
            what.clone()
        } else {
            format!("at {path}: {what}")
        }
    });
    Err(CallFault {
        code: Reason::ParamsSchema.word().into(),
        message: clipped(format!(
            "the parameters do not fit the schema of {}: {} violation{}, the first {first}",
            tool.proto.name,
            violations.len(),
            if violations.len() == 1 { "" } else { "s" },
        )),
        violations,
        details: Bytes::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use toolwave_proto::v1;

    use super::*;
    use crate::catalogue::Catalogue;

    fn tool() -> Arc<DeclaredTool> {
        let schema = json!({
            "type": "object", "required": ["path"], "additionalProperties": false,
            "properties": {"path": {"type": "string", "maxLength": 5}, "n": {"type": "integer"}},
        });
        let tool = v1::Tool {
            name: "t".into(),
            input_schema_json: schema.to_string().into(),
            ..v1::Tool::default()
        };
        Catalogue::default().declare(tool).expect("good").tool
    }

    #[test]
    fn every_violation_is_listed_and_no_value_is_echoed() {
        let secret = "secret-7f3a";
        let fault =
            check_schema(&tool(), &json!({"path": secret, "n": secret, "x": secret})).expect_err("wrong");
        assert_eq!(fault.code, "PARAMS_SCHEMA");
        let mut paths: Vec<&str> = fault.violations.iter().map(|(path, _)| path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["", "/n", "/path"]);
        assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        let missing = check_schema(&tool(), &json!({})).expect_err("wrong");
        assert!(
            missing.message.contains("\"path\" is a required property"),
            "{}",
            missing.message
        );
    }

    #[test]
    fn good_parameters_pass() {
        assert_eq!(check_schema(&tool(), &json!({"path": "a", "n": 1})), Ok(()));
    }
}
