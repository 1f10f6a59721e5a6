//! The batches of the Berkeley Function Calling Leaderboard in `data/bfcl`, read as data and turned into calls.
//!
//! `python` reads the leaderboard's Python expressions; nothing here runs anything.

pub mod python;

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The definition of a tool, its schema in the leaderboard's words.
#[derive(Clone, Debug, Deserialize)]
pub struct Definition {
    /// The tool's name; it repeats over batches, with other schemas.
    pub name: String,
    /// For models.
    pub description: String,
    /// The schema of the parameters.
    pub parameters: Value,
}

impl Definition {
    /// The schema in JSON Schema's words.
    #[must_use]
    pub fn json_schema(&self) -> Value {
        json_schema(&self.parameters)
    }

    /// The names of the parameters, in the order they are declared.
    #[must_use]
    pub fn parameter_names(&self) -> Vec<&str> {
        let properties = self.parameters.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect()
    }
}

/// A call that a model should make.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedCall {
    /// The tool, as the batch names it.
    pub tool: String,
    /// The first accepted value of each parameter that is not to be left out.
    pub parameters: Map<String, Value>,
}

/// A batch of calls to make, with the tools to make them of.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Unique over all files.
    pub id: String,
    /// The tools that the model was offered.
    pub definitions: Vec<Definition>,
    /// The calls, in order.
    pub calls: Vec<ExpectedCall>,
}

/// A batch of Python calls.
#[derive(Clone, Debug)]
pub struct ExecutableBatch {
    /// Unique over all files.
    pub id: String,
    /// The functions that the model was offered.
    pub definitions: Vec<Definition>,
    /// The calls as Python expressions, in order.
    pub expressions: Vec<String>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    function: Vec<Definition>,
}

#[derive(Deserialize)]
struct Answer<T> {
    id: String,
    ground_truth: Vec<T>,
}

/// The 400 function-calling batches: `parallel`, then `parallel_multiple`.
///
/// # Errors
/// When the data is not as its README says.
pub fn function_calling_batches() -> anyhow::Result<Vec<Batch>> {
    let mut batches = Vec::new();
    for file in ["parallel", "parallel_multiple"] {
        for (question, answer) in questions_and_answers::<Map<String, Value>>(file)? {
            let calls = answer.iter().map(expected_call).collect::<anyhow::Result<_>>();
            let calls = calls.with_context(|| format!("the answers of {}", question.id))?;
            batches.push(Batch {
                id: question.id,
                definitions: question.function,
                calls,
            });
        }
    }
    Ok(batches)
}

/// The 90 executable batches: `exec_parallel`, then `exec_parallel_multiple`.
///
/// # Errors
/// When the data is not as its README says.
pub fn executable_batches() -> anyhow::Result<Vec<ExecutableBatch>> {
    let mut batches = Vec::new();
    for file in ["exec_parallel", "exec_parallel_multiple"] {
        for (
            Question {
                id,
                function: definitions,
            },
            expressions,
        ) in questions_and_answers(file)?
        {
            batches.push(ExecutableBatch {
                id,
                definitions,
                expressions,
            });
        }
    }
    Ok(batches)
}

/// What an executable call answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutableAnswer {
    /// This value.
    Result(Value),
    /// An error with this code.
    Error(String),
}

/// By batch, what each call answers; `None` for one that needs the network.
///
/// # Errors
/// When the file is missing or malformed.
pub fn executable_answers() -> anyhow::Result<BTreeMap<String, Vec<Option<ExecutableAnswer>>>> {
    let text = fs::read_to_string(folder().join("exec_expected.json"))?;
    Ok(serde_json::from_str(&text)?)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/bfcl")
}

fn questions_and_answers<T: DeserializeOwned>(file: &str) -> anyhow::Result<Vec<(Question, Vec<T>)>> {
    let questions: Vec<Question> = lines(&format!("{file}.jsonl"))?;
    let answers: Vec<Answer<T>> = lines(&format!("{file}.answers.jsonl"))?;
    ensure!(
        questions.len() == answers.len(),
        "{file}: {} answers for {}",
        answers.len(),
        questions.len()
    );
    let pairs = questions.into_iter().zip(answers).map(|(question, answer)| {
        ensure!(
            question.id == answer.id,
            "the answer of {} stands where {}'s should",
            answer.id,
            question.id
        );
        Ok((question, answer.ground_truth))
    });
    pairs.collect()
}

fn lines<T: DeserializeOwned>(file: &str) -> anyhow::Result<Vec<T>> {
    let text = fs::read_to_string(folder().join(file)).with_context(|| file.to_owned())?;
    let parse = |(number, line)| serde_json::from_str(line).with_context(|| format!("{file}:{}", number + 1));
    text.lines().enumerate().map(parse).collect()
}

fn expected_call(answer: &Map<String, Value>) -> anyhow::Result<ExpectedCall> {
    ensure!(
        answer.len() == 1,
        "an answer names one tool, not {}",
        answer.len()
    );
    let (tool, accepted) = answer.iter().next().context("no tool")?;
    let accepted = accepted.as_object().context("the parameters are no object")?;
    Ok(ExpectedCall {
        tool: tool.clone(),
        parameters: first_accepted(accepted)?,
    })
}

/// Of each list of accepted values the first; "" there says that the parameter is left out.
fn first_accepted(lists: &Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
    let mut chosen = Map::new();
    for (name, list) in lists {
        let list = list
            .as_array()
            .with_context(|| format!("what is accepted for {name} is no list"))?;
        match list
            .first()
            .with_context(|| format!("nothing is accepted for {name}"))?
        {
            Value::String(text) if text.is_empty() => {}
            value => {
                chosen.insert(name.clone(), plain(value)?);
            }
        }
    }
    Ok(chosen)
}

/// Objects within values hold lists of accepted values too.
fn plain(value: &Value) -> anyhow::Result<Value> {
    match value {
        Value::Object(lists) => first_accepted(lists).map(Value::Object),
        Value::Array(values) => values
            .iter()
            .map(plain)
            .collect::<anyhow::Result<_>>()
            .map(Value::Array),
        other => Ok(other.clone()),
    }
}

/// Python's names of types become JSON Schema's, at every depth; all else stays.
fn json_schema(schema: &Value) -> Value {
    let Value::Object(schema) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (keyword, value) in schema {
        let value = match (keyword.as_str(), value) {
            ("type", Value::String(name)) => match name.as_str() {
                "any" => continue,
                "dict" => "object".into(),
                "float" => "number".into(),
                "tuple" => "array".into(),
                other => other.into(),
            },
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, schema)| (name.clone(), json_schema(schema)))
                .collect(),
            ("items", items) => json_schema(items),
            (_, other) => other.clone(),
        };
        out.insert(keyword.clone(), value);
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_accepted_value_is_taken_at_every_depth() {
        let answer = json!({"book": {
            "class": ["", "economy"], "seats": [[1, 2], [3]], "who": [{"name": ["Ada", "A."], "title": ["", "Dr"]}],
        }});
        let call = expected_call(answer.as_object().unwrap()).unwrap();
        assert_eq!(
            Value::Object(call.parameters),
            json!({"seats": [1, 2], "who": {"name": "Ada"}})
        );
        assert!(expected_call(json!({"book": {"class": "economy"}}).as_object().unwrap()).is_err());
    }

    #[test]
    fn types_are_renamed_at_every_depth_and_a_parameter_named_type_is_not() {
        let schema = json!({"type": "dict", "required": ["type"], "properties": {
            "type": {"type": "float", "default": 1}, "pair": {"type": "tuple", "items": {"type": "any"}},
        }});
        let expected = json!({"type": "object", "required": ["type"], "properties": {
            "type": {"type": "number", "default": 1}, "pair": {"type": "array", "items": {}},
        }});
        assert_eq!(json_schema(&schema), expected);
    }

    #[test]
    fn all_batches_are_there() {
        let batches = function_calling_batches().unwrap();
        let calls: usize = batches.iter().map(|batch| batch.calls.len()).sum();
        assert_eq!((batches.len(), calls), (400, 1147));
        let executable = executable_batches().unwrap();
        let expressions: usize = executable.iter().map(|batch| batch.expressions.len()).sum();
        assert_eq!((executable.len(), expressions), (90, 300));
        assert_eq!(
            executable_answers().unwrap().values().flatten().flatten().count(),
            176
        );
    }
}
