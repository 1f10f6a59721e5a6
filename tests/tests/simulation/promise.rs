//! Holds what clients were answered, and what tools really did, against the promise.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use toolwave_client::{CallResultExt as _, v1};
use toolwave_tests::ledger::{Entry, Moment};

use crate::{
    scenario::{Execution, Scenario},
    tools::Kind,
    world::History,
};

/// The calls of the last execution take a second, and all run at once.
const LAST_WITHIN: Duration = Duration::from_millis(1900);

/// How much was checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) executions: u64,
    pub(crate) unanswered: u64,
    pub(crate) attempts: u64,
    pub(crate) faults: u64,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// Of everything that was answered and done.
    pub(crate) digest: u64,
}

type Checked = Result<(), String>;

/// What a tool did for one attempt: when it began and ended, among all lines.
#[derive(Clone, Copy, Debug)]
struct Done {
    began: usize,
    ended: Option<usize>,
}

type ByAttempt = BTreeMap<u32, Done>;

pub(crate) fn check(scenario: &Scenario, history: &History) -> Result<Tally, String> {
    let entries = history.ledger.entries();
    let by_call = by_call(&entries)?;
    check_slots(scenario, &entries)?;
    let mut tally = Tally {
        faults: scenario.faults.len() as u64,
        attempts: entries
            .iter()
            .filter(|entry| entry.moment == Moment::Began)
            .count() as u64,
        ..Tally::default()
    };
    let mut digest = DefaultHasher::new();
    for (index, (execution, answer)) in scenario.executions.iter().zip(&history.answers).enumerate() {
        tally.executions += 1;
        match answer {
            None => tally.unanswered += 1,
            Some(Err(status)) => return Err(format!("execution {index} was answered {status}")),
            Some(Ok(response)) => {
                let place = |wrong| format!("execution {index}, {wrong}\n{execution:#?}\n{response:#?}");
                check_execution(execution, response, &by_call).map_err(place)?;
                for result in &response.results {
                    *tally.outcomes.entry(result.outcome().as_str_name()).or_default() += 1;
                    (result.outcome() as i32, result.attempts.len()).hash(&mut digest);
                    result
                        .attempts
                        .iter()
                        .for_each(|attempt| attempt.worker.hash(&mut digest));
                }
            }
        }
    }
    entries
        .iter()
        .for_each(|entry| (&entry.call, entry.attempt, &entry.worker).hash(&mut digest));
    tally.digest = digest.finish();
    check_once(&entries)?;
    check_rest(scenario, history)?;
    Ok(tally)
}

/// Each attempt was executed at most once.
fn by_call(entries: &[Entry]) -> Result<BTreeMap<(String, String), ByAttempt>, String> {
    let mut by_call: BTreeMap<(String, String), ByAttempt> = BTreeMap::new();
    for (line, entry) in entries.iter().enumerate() {
        let attempts = by_call
            .entry((entry.execution.clone(), entry.call.clone()))
            .or_default();
        match entry.moment {
            Moment::Began => {
                let done = Done {
                    began: line,
                    ended: None,
                };
                if attempts.insert(entry.attempt, done).is_some() {
                    return Err(format!("an attempt was executed twice: {entry:?}"));
                }
            }
            Moment::Ended => {
                if let Some(done) = attempts.get_mut(&entry.attempt) {
                    done.ended = Some(line);
                }
            }
            Moment::Failed | Moment::Stopped => {}
        }
    }
    Ok(by_call)
}

/// No worker ran more at once than it has slots.
fn check_slots(scenario: &Scenario, entries: &[Entry]) -> Checked {
    let mut running: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in entries {
        let now = running.entry(&entry.worker).or_default();
        *now += if entry.moment == Moment::Began { 1 } else { -1 };
        let index = entry.worker.trim_start_matches("worker-").parse::<usize>();
        let slots = index.ok().and_then(|index| scenario.workers.get(index)).copied();
        if *now > i64::from(slots.unwrap_or(0)) {
            return Err(format!("{} ran {now} at once with {slots:?} slots", entry.worker));
        }
    }
    Ok(())
}

fn check_execution(
    execution: &Execution,
    response: &v1::ExecuteParallelResponse,
    by_call: &BTreeMap<(String, String), ByAttempt>,
) -> Checked {
    let results = &response.results;
    if results.len() != execution.calls.len() {
        return Err(format!(
            "{} results of {} calls",
            results.len(),
            execution.calls.len()
        ));
    }
    let summary = response.summary.as_ref();
    let execution_id = summary
        .map(|summary| summary.execution_id.as_str())
        .unwrap_or_default();
    let nothing = ByAttempt::new();
    let done = |index: usize| {
        by_call
            .get(&(execution_id.to_owned(), index.to_string()))
            .unwrap_or(&nothing)
    };
    for (index, (call, result)) in execution.calls.iter().zip(results).enumerate() {
        let wrong = |what: String| Err(format!("call {index}: {what}; it did {:?}", done(index)));
        if result.id != index.to_string() {
            return wrong(format!("the result is of `{}`", result.id));
        }
        let numbers: Vec<u32> = result.attempts.iter().map(|attempt| attempt.number).collect();
        if !numbers.is_sorted_by(|a, b| a < b) {
            return wrong(format!("the attempts are {numbers:?}"));
        }
        if let Some(unlisted) = done(index).keys().find(|number| !numbers.contains(number)) {
            return wrong(format!("attempt {unlisted} ran and is not listed"));
        }
        if result
            .error
            .as_ref()
            .is_some_and(|error| error.code == "WRONG_REFERENCE")
        {
            return wrong("a reference led to another's result".to_owned());
        }
        match result.outcome() {
            v1::Outcome::Succeeded => check_success(index, result, done(index)).or_else(wrong)?,
            v1::Outcome::Skipped | v1::Outcome::Rejected if !done(index).is_empty() => {
                return wrong("it ran all the same".to_owned());
            }
            v1::Outcome::Unspecified | v1::Outcome::Rejected => return wrong("no such outcome".to_owned()),
            v1::Outcome::Unknown if call.kind.is_safe_to_repeat() => {
                return wrong("it is safe to repeat, and unknown".to_owned());
            }
            _ => {}
        }
        let before = call.after.iter().chain(&call.from);
        for dependency in before {
            if let Some(Done { began, .. }) = done(index).values().min_by_key(|done| done.began) {
                let succeeded = results[*dependency].outcome() == v1::Outcome::Succeeded;
                let earlier = done(*dependency)
                    .values()
                    .any(|done| done.ended.is_some_and(|at| at < *began));
                if !succeeded || !earlier {
                    return wrong(format!("it ran before {dependency} had succeeded"));
                }
            }
        }
    }
    Ok(())
}

/// What was answered was really done, by the last attempt.
fn check_success(index: usize, result: &v1::CallResult, done: &ByAttempt) -> Checked {
    let json = result
        .json()
        .map_err(|error| error.to_string())?
        .unwrap_or_default();
    let attempt = json["attempt"].as_u64().unwrap_or_default();
    if json["call"].as_str() != Some(index.to_string().as_str()) {
        return Err(format!("the result is another's: {}", json["call"]));
    }
    if result.attempts.last().map(|attempt| u64::from(attempt.number)) != Some(attempt) {
        return Err(format!(
            "the result is of attempt {attempt}, which is not the last"
        ));
    }
    match done.get(&(attempt as u32)) {
        Some(Done { ended: Some(_), .. }) => Ok(()),
        _ => Err(format!("attempt {attempt} succeeded and was not done")),
    }
}

/// Calls that are not safe to repeat ran once, but for what their tool said may be repeated; those of clients that
/// hung up too.
fn check_once(entries: &[Entry]) -> Checked {
    let mut ran: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.tool == Kind::Once.name()) {
        let times = ran.entry((&entry.execution, &entry.call)).or_default();
        *times += match entry.moment {
            Moment::Began => 1,
            Moment::Failed => -1,
            Moment::Ended | Moment::Stopped => 0,
        };
        if *times > 1 {
            return Err(format!("it is not safe to repeat, and was: {entry:?}"));
        }
    }
    Ok(())
}

/// The cluster is as new: nobody is missing, and every slot is there.
fn check_rest(scenario: &Scenario, history: &History) -> Checked {
    if let Some(unrest) = &history.unrest {
        return Err(format!("no rest: {unrest}"));
    }
    let Some((last, took)) = &history.last else {
        return Err("the last execution was not answered".to_owned());
    };
    let succeeded = last.results.iter().filter(|result| result.success).count();
    let mut used: BTreeMap<&str, u32> = BTreeMap::new();
    for result in &last.results {
        for attempt in &result.attempts {
            *used.entry(&attempt.worker).or_default() += 1;
        }
    }
    let slots: u32 = scenario.workers.iter().sum();
    if succeeded != slots as usize || used.values().copied().collect::<Vec<_>>() != scenario.workers {
        return Err(format!(
            "of {slots} slots {used:?} were used, and {succeeded} calls succeeded: {last:#?}"
        ));
    }
    if *took > LAST_WITHIN {
        return Err(format!(
            "{slots} calls for {slots} slots took {took:?}: some waited"
        ));
    }
    Ok(())
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.executions += other.executions;
        self.unanswered += other.unanswered;
        self.attempts += other.attempts;
        self.faults += other.faults;
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            unanswered,
            attempts,
            faults,
            outcomes,
            ..
        } = self;
        write!(
            f,
            "{executions} executions ({unanswered} hung up), {attempts} attempts, {faults} faults; {outcomes:?}"
        )
    }
}
