//! `calculator`: arithmetic with exact integers and fractions, by fend-core, inside bounds.
//!
//! fend-core is a language with functions of one's own, whose recursion ends the process; only its arithmetic is let
//! through here: characters that start anything else are refused, and so is nesting deeper than the stack given to it.

use std::thread;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

use super::{
    answers,
    stop::{self, Stop},
};
use toolwave_tool::{BlockingTool, CallContext, Safety, Tool, ToolError};

const MAX_EXPRESSION_CHARS: usize = 1_000;
const MAX_NESTING: usize = 64;
const MAX_RESULT_CHARS: usize = 20_000;
const MAX_TIME: Duration = Duration::from_secs(2);
/// Enough for the deepest recursion that an expression of `MAX_EXPRESSION_CHARS` causes in a build without
/// optimisation; the system gives real memory only to what is touched.
const STACK_BYTES: usize = 192 << 20;

const DESCRIPTION: &str = "Evaluates an arithmetic expression. Integers and fractions are exact, of any size: 2^200, \
1/3 + 1/3 + 1/3. Operators: + - * / ^ ! mod, % (percent after a number, remainder between two), parentheses, and \
`nCr`, `nPr`. One-argument functions: sqrt cbrt abs floor ceil round ln log2 log10 exp sin cos tan asin acos atan \
(radians) sinh cosh tanh. Constants: pi, e, tau. Numbers: 1234.5, 1e9, 0xff, 0b101; no commas. Units and conversions \
work: 5 km to miles, 32 °F to °C, 90 minutes in hours; `to 20 dp` and `to 5 sf` set the digits shown. There are no \
variables, no comparisons, and no min or max. Returns {value: text, number: JSON number or null, unit, exact: true when \
value is the exact answer}.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CalculatorParameters {
    /// Such as `(17 + 5) / 4`; at most 1,000 characters.
    #[schemars(length(min = 1, max = MAX_EXPRESSION_CHARS))]
    expression: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Calculated {
    /// The answer in full: an integer, a decimal, or a fraction `a/b` where the decimal would not end.
    value: String,
    /// The answer as a number: exact for integers of 64 bits, else the nearest double; null when it is no real number.
    number: Option<serde_json::Number>,
    /// What the number counts, such as `miles`, if it has a unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// False when `value` is rounded.
    exact: bool,
}

/// The tool.
pub(super) fn tool() -> impl Tool {
    let mut tool = BlockingTool::new(
        "calculator",
        DESCRIPTION,
        |parameters: CalculatorParameters, context: CallContext| {
            check(&parameters.expression)?;
            with_stack(&parameters.expression, &Stop::new(context))
        },
    )
    .safety(Safety::ReadOnly);
    answers::<Calculated>(tool.declaration_mut());
    tool
}

/// Lets arithmetic through and nothing else.
fn check(expression: &str) -> Result<(), ToolError> {
    let invalid = |message: String| Err(ToolError::new("INVALID_EXPRESSION", message));
    let chars = expression.chars().count();
    if chars > MAX_EXPRESSION_CHARS {
        return Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!(
                "expression has {chars} characters; the limit is {MAX_EXPRESSION_CHARS}: split it into several calls"
            ),
        ));
    }
    if expression.trim().is_empty() {
        return invalid("expression is empty; write one such as 2 + 2".to_owned());
    }
    let mut nesting = 0_usize;
    for (position, character) in expression.chars().enumerate() {
        match character {
            '(' => nesting += 1,
            ')' => nesting = nesting.saturating_sub(1),
            ',' => {
                return invalid(format!(
                    "comma at character {position}: write numbers without separators; functions take one argument"
                ));
            }
            _ if character.is_alphanumeric() || " \t\n.+-*/^%!_&|°√×÷−".contains(character) => {}
            _ => {
                return invalid(format!(
                    "{character:?} at character {position} is not part of arithmetic; there are no variables, \
                     comparisons, strings or functions of your own"
                ));
            }
        }
        if nesting > MAX_NESTING {
            return Err(ToolError::new(
                "LIMIT_EXCEEDED",
                format!(
                    "parentheses nest deeper than {MAX_NESTING} at character {position}: split the expression"
                ),
            ));
        }
    }
    if expression.contains("//") {
        return invalid("`//` is no operator: write floor(a / b) for whole division".to_owned());
    }
    Ok(())
}

/// Evaluates on a thread whose stack holds the deepest recursion.
fn with_stack(expression: &str, stop: &Stop) -> Result<Calculated, ToolError> {
    thread::scope(|scope| {
        let evaluation = thread::Builder::new()
            .name("calculator".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || evaluate(expression, stop))
            .map_err(|error| {
                ToolError::new("NO_THREAD", format!("no thread to calculate on: {error}")).retryable()
            })?;
        evaluation.join().unwrap_or_else(|_| {
            Err(ToolError::new(
                "INVALID_EXPRESSION",
                "the expression cannot be evaluated; write it in simpler terms",
            ))
        })
    })
}

fn evaluate(expression: &str, stop: &Stop) -> Result<Calculated, ToolError> {
    let limit = TimeLimit {
        stop,
        end: Instant::now() + MAX_TIME,
    };
    let shown = run(expression, &limit)?;
    let asked_format = expression
        .split(|c: char| !c.is_alphabetic())
        .any(|word| ["to", "as", "in"].contains(&word));
    if !shown.approximate || asked_format {
        return Ok(calculated(&shown, None, !shown.approximate));
    }
    // A fraction that its decimal cannot show, or a number that only a rounded decimal can.
    let digits = |format: &str| run(&format!("({expression}) to {format}"), &limit);
    let fraction = digits("fraction")?;
    if fraction.approximate {
        return Ok(calculated(&digits("15 sf")?, None, false));
    }
    Ok(calculated(&fraction, Some(&digits("17 sf")?), true))
}

/// One answer of fend: its text, and what of it is number and unit.
struct Shown {
    text: String,
    number: String,
    unit: String,
    approximate: bool,
}

fn run(expression: &str, limit: &TimeLimit<'_>) -> Result<Shown, ToolError> {
    let mut context = fend_core::Context::new();
    let answer = match fend_core::evaluate_with_interrupt(expression, &mut context, limit) {
        Ok(answer) => answer,
        Err(_) if limit.stop.is_set() => return Err(stop::cancelled()),
        Err(_) if limit.is_over() => {
            return Err(ToolError::new(
                "LIMIT_EXCEEDED",
                format!("not done after {MAX_TIME:?}, the limit: ask for less, such as smaller exponents"),
            ));
        }
        Err(message) => return Err(ToolError::new("INVALID_EXPRESSION", shortened(&message))),
    };
    let text = answer.get_main_result();
    if text.len() > MAX_RESULT_CHARS {
        return Err(ToolError::new(
            "LIMIT_EXCEEDED",
            format!(
                "the answer has {} characters; the limit is {MAX_RESULT_CHARS}: add `to 20 sf`",
                text.len()
            ),
        ));
    }
    let (approximate, text) = text
        .strip_prefix("approx. ")
        .map_or((false, text), |rest| (true, rest));
    let numbers: Vec<_> = answer
        .get_main_result_spans()
        .filter(|span| span.kind() == fend_core::SpanKind::Number)
        .collect();
    // What is no single number with a unit after it (a function, a word, a date) is text only.
    let number = match numbers.as_slice() {
        [one] if text.starts_with(one.string()) => one.string().to_owned(),
        _ => String::new(),
    };
    let unit = if number.is_empty() {
        ""
    } else {
        text[number.len()..].trim()
    };
    if number.is_empty() && text.contains('\\') || numbers.is_empty() && is_function(&answer) {
        return Err(ToolError::new(
            "INVALID_EXPRESSION",
            "a function needs a number after it: write sqrt(2)",
        ));
    }
    Ok(Shown {
        unit: unit.to_owned(),
        text: text.to_owned(),
        number,
        approximate,
    })
}

fn is_function(answer: &fend_core::FendResult) -> bool {
    answer
        .get_main_result_spans()
        .any(|span| span.kind() == fend_core::SpanKind::BuiltInFunction)
}

fn calculated(shown: &Shown, decimal: Option<&Shown>, exact: bool) -> Calculated {
    let digits = decimal.map_or(shown.number.as_str(), |decimal| decimal.number.as_str());
    let number = digits
        .parse::<i64>()
        .map(Into::into)
        .or_else(|_| digits.parse::<u64>().map(Into::into))
        .ok()
        .or_else(|| digits.parse::<f64>().ok().and_then(serde_json::Number::from_f64));
    let unit = Some(shown.unit.clone()).filter(|unit| !unit.is_empty());
    Calculated {
        value: shown.text.clone(),
        number,
        unit,
        exact,
    }
}

fn shortened(message: &str) -> String {
    const MOST: usize = 300;
    let mut text: String = message.chars().take(MOST).collect();
    if message.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

struct TimeLimit<'a> {
    stop: &'a Stop,
    end: Instant,
}

// === impl TimeLimit ===

impl TimeLimit<'_> {
    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}

impl fend_core::Interrupt for TimeLimit<'_> {
    fn should_interrupt(&self) -> bool {
        self.is_over() || self.stop.is_set()
    }
}
