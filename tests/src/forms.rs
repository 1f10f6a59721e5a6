//! The two forms that parameters travel in, and how to put a call into either.

use prost_types::{ListValue, Struct, Value as ProtoValue, value::Kind};
use serde_json::{Map, Value};
use toolwave_client::v1::{Call, call::ParametersForm};

/// How a call's parameters travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As `google.protobuf.Struct`.
    Struct,
    /// As JSON text.
    Json,
}

impl Form {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Struct, Self::Json];

    /// A call of `tool` with its parameters in this form.
    #[must_use]
    pub fn call(self, tool: impl Into<String>, parameters: &Map<String, Value>) -> Call {
        let form = match self {
            Self::Struct => ParametersForm::Parameters(struct_from(parameters)),
            Self::Json => {
                let text = serde_json::to_vec(parameters).expect("a map with text keys");
                ParametersForm::ParametersJson(text.into())
            }
        };
        Call {
            tool_name: tool.into(),
            parameters_form: Some(form),
            ..Call::default()
        }
    }
}

/// As protobuf's object. Integers beyond 2^53 lose digits there, as they do for every client.
#[must_use]
pub fn struct_from(object: &Map<String, Value>) -> Struct {
    Struct {
        fields: object
            .iter()
            .map(|(name, value)| (name.clone(), proto(value)))
            .collect(),
    }
}

fn proto(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => {
            Kind::NumberValue(number.as_f64().expect("every JSON number is a double here"))
        }
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(proto).collect(),
        }),
        Value::Object(object) => Kind::StructValue(struct_from(object)),
    };
    ProtoValue { kind: Some(kind) }
}
