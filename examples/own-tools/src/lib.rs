//! Thirty-one small computations as tools: numbers, geometry, physics, money, statistics.
//!
//! Each is a plain function from typed parameters to a result; the types give the JSON Schemas. Names and meaning
//! follow the executable functions of the Berkeley Function Calling Leaderboard. Nothing here touches the
//! network, a file or a clock, so every tool is read-only and its calls are safe to repeat.

pub mod algebra;
pub mod everyday;
mod expression;
pub mod finance;
pub mod geometry;
mod natural;
pub mod numbers;
pub mod physics;
pub mod statistics;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use toolwave_worker::{FunctionTool, Safety, SharedTool, ToolError};

pub use natural::Natural;

/// All of them.
#[must_use]
pub fn tools() -> Vec<SharedTool> {
    let fields = [
        algebra::tools(),
        everyday::tools(),
        finance::tools(),
        geometry::tools(),
        numbers::tools(),
        physics::tools(),
        statistics::tools(),
    ];
    fields.into_iter().flatten().collect()
}

/// A tool from a function that only computes.
fn pure<P, R>(name: &str, description: &str, function: fn(P) -> Result<R, ToolError>) -> SharedTool
where
    P: DeserializeOwned + JsonSchema + Send + 'static,
    R: Serialize + Send + 'static,
{
    let tool = FunctionTool::new(name, description, move |parameters: P, _| async move {
        function(parameters)
    });
    Arc::new(tool.safety(Safety::ReadOnly))
}

/// What the parameters ask for has no answer.
fn undefined(message: impl Into<String>) -> ToolError {
    ToolError::new("UNDEFINED", message)
}

/// A float that can be written as JSON.
fn finite(value: f64) -> Result<f64, ToolError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(undefined("the result is not a finite number"))
    }
}
