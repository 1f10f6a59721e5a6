//! Plan files, YAML or JSON: read, or refused with a place that is in the file. What could be read of one is
//! judged by the coordinator's rules, and each of its complaints has a place too.

use std::path::Path;

use toolwave_coordinator::{
    catalogue::Catalogue,
    error::RequestError,
    execution::{
        limits::RequestLimits,
        prepared::Detail,
        validate::{Circumstances, prepare},
    },
};

use crate::plan::{Diagnostics, Plan, Position};

/// Reads a plan.
///
/// # Panics
/// A place is not in the file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut wrong = Diagnostics::default();
    let plan = match Plan::parse("plan.yaml".into(), text, &mut wrong) {
        Ok(plan) => plan,
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("plan.yaml:"), "{message}");
            return;
        }
    };
    for at in wrong.positions() {
        is_in(text, at);
    }
    for need in &plan.needs {
        is_in(text, need.at);
    }
    let circumstances = Circumstances {
        deadline: None,
        detail: Detail::Results,
        explain: false,
    };
    let limits = RequestLimits::default();
    let calls = plan.request.calls.len();
    let judged = prepare(
        plan.request.clone(),
        &Catalogue::default(),
        &limits,
        circumstances,
    );
    if let Err(RequestError::Invalid(violations)) = judged {
        for violation in violations.kept() {
            is_in(text, plan.locate(&violation.field));
        }
    }
    for call in 0..calls.min(8) {
        is_in(text, plan.locate_parameter(call, "/path/0/k"));
    }
    for line in wrong.lines(&Path::new("plan.yaml").display().to_string()) {
        assert!(line.starts_with("plan.yaml:"), "{line}");
    }
}

/// Lines end as YAML says, which knows more ends than a terminal does.
fn is_in(text: &str, at: Position) {
    let ends = text
        .chars()
        .filter(|c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'))
        .count();
    assert!(at.line >= 1 && at.column >= 1, "{at} is no place");
    assert!(at.line <= ends as u64 + 1, "{at} is behind the end");
    assert!(
        at.column <= text.chars().count() as u64 + 1,
        "{at} is behind every line"
    );
}
