//! Everything that is wrong with a plan: what its file says, and what a coordinator says of the rest.

use toolwave_client::{Client, ClientError, Violation, v1};

use crate::{
    failure::Failure,
    plan::{Diagnostics, Plan, Position},
};

/// Asks the coordinator for the waves.
///
/// # Errors
/// [`Failure::Plan`] with all that either side found wrong.
pub(crate) async fn with_coordinator(
    plan: &Plan,
    client: &Client,
    mut wrong: Diagnostics,
) -> Result<v1::PlanExecutionResponse, Failure> {
    let answer = client.plan_execution(plan.request.clone()).await;
    match answer {
        Ok(answer) if wrong.is_empty() => Ok(answer),
        Ok(_) => Err(Failure::Plan(wrong.lines(&plan.file))),
        Err(ClientError::InvalidRequest { message, violations }) => {
            add_violations(plan, &message, violations, &mut wrong);
            Err(Failure::Plan(wrong.lines(&plan.file)))
        }
        // What the file alone shows is worth more than that nobody could judge the rest.
        Err(_) if !wrong.is_empty() => Err(Failure::Plan(wrong.lines(&plan.file))),
        Err(error) => Err(error.into()),
    }
}

/// Turns a refusal into diagnostics. A place that is wrong already is left out: what could not be read was sent as
/// a gap, and the coordinator complains of the gap.
pub(crate) fn add_violations(
    plan: &Plan,
    message: &str,
    violations: Vec<Violation>,
    wrong: &mut Diagnostics,
) {
    if violations.is_empty() && wrong.is_empty() {
        wrong.add(Position::START, message);
    }
    let known: Vec<Position> = wrong.positions().collect();
    for violation in violations {
        let at = plan.locate(&violation.field);
        if !known.contains(&at) {
            wrong.add(at, violation.description);
        }
    }
}

/// A cluster that cannot be had: what is wrong with the file is said first, for that is sure to be in the way.
pub(crate) fn or_plan<T>(
    cluster: Result<T, Failure>,
    plan: &Plan,
    wrong: &mut Diagnostics,
) -> Result<T, Failure> {
    match cluster {
        Err(_) if !wrong.is_empty() => Err(Failure::Plan(std::mem::take(wrong).lines(&plan.file))),
        cluster => cluster,
    }
}
