//! What holds between what a client was told of each call and what was written of it.

use std::collections::HashMap;

use toolwave_client::{CallResultExt as _, v1};

use super::{Answered, Asked, Breach, History, Kind, Written};

/// The code of an attempt that its worker refused: it has not run, and is not charged.
const REFUSALS: [&str; 7] = [
    "WORKER_REFUSED",
    "WORKER_DRAINING",
    "WORKER_FENCED",
    "WORKER_FULL",
    "TOOL_GONE",
    "PARAMETERS_LOST",
    "PARAMETERS_TOO_LARGE",
];

pub(super) fn check(history: &History, answer: &Answered, found: &mut Vec<Breach>) {
    let execution = answer.execution();
    let results = &answer.response.results;
    if results.len() != answer.calls.len() {
        found.push(Breach::ResultCount {
            execution: execution.to_owned(),
            calls: answer.calls.len(),
            results: results.len(),
        });
        return;
    }
    for (asked, result) in answer.calls.iter().zip(results) {
        if asked.id != result.id {
            found.push(Breach::Order {
                execution: execution.to_owned(),
                expected: asked.id.clone(),
                found: result.id.clone(),
            });
            continue;
        }
        let told = Told {
            name: format!("{execution}/{}", asked.id),
            asked,
            result,
            written: history.call(execution, &asked.id),
        };
        told.check_outcome(found);
        told.check_attempts(found);
        told.check_success(found);
        told.check_silence(found);
        for dependency in &asked.depends_on {
            told.check_dependency(dependency, history.call(execution, dependency), found);
        }
    }
}

/// One call: what was asked, told and written.
struct Told<'a> {
    name: String,
    asked: &'a Asked,
    result: &'a v1::CallResult,
    written: Option<&'a HashMap<u32, Written>>,
}

impl Told<'_> {
    fn ran(&self) -> bool {
        self.written
            .is_some_and(|attempts| attempts.values().any(|written| !written.starts.is_empty()))
    }

    fn check_outcome(&self, found: &mut Vec<Breach>) {
        let outcome = self.result.outcome();
        let succeeded = outcome == v1::Outcome::Succeeded;
        let fits = outcome != v1::Outcome::Unspecified
            && self.result.success == succeeded
            && self.result.error.is_none() == succeeded
            && (self.result.result_form.is_none() || succeeded);
        if !fits {
            found.push(Breach::OutcomeDoesNotFit {
                call: self.name.clone(),
                outcome: outcome.as_str_name().to_owned(),
            });
        }
        if outcome == v1::Outcome::Unknown && self.asked.repeatable {
            found.push(Breach::UnknownThoughRepeatable {
                call: self.name.clone(),
            });
        }
        let never = matches!(outcome, v1::Outcome::Rejected | v1::Outcome::Skipped);
        if never && self.ran() {
            found.push(Breach::RanAlthough {
                call: self.name.clone(),
                outcome: outcome.as_str_name().to_owned(),
            });
        }
    }

    fn check_attempts(&self, found: &mut Vec<Breach>) {
        let numbers: Vec<u32> = self
            .result
            .attempts
            .iter()
            .map(|attempt| attempt.number)
            .collect();
        if !numbers.is_sorted_by(|one, next| one < next) {
            let call = self.name.clone();
            found.push(Breach::AttemptsDoNotIncrease { call, numbers });
        }
        let charged = self
            .result
            .attempts
            .iter()
            .filter(|attempt| !is_refusal(attempt))
            .count();
        if charged > self.asked.max_attempts as usize {
            found.push(Breach::TooManyAttempts {
                call: self.name.clone(),
                attempts: charged,
                allowed: self.asked.max_attempts,
            });
        }
        for (number, written) in self.written.into_iter().flatten() {
            let told = |attempt: &v1::Attempt| attempt.number == *number && attempt.worker == written.worker;
            if !written.starts.is_empty() && !self.result.attempts.iter().any(told) {
                found.push(Breach::AttemptNotTold {
                    call: self.name.clone(),
                    attempt: *number,
                    worker: written.worker.clone(),
                });
            }
        }
    }

    /// The success that was told is that of an execution that ended, and its result that one's.
    fn check_success(&self, found: &mut Vec<Breach>) {
        if self.result.outcome() != v1::Outcome::Succeeded {
            return;
        }
        let (attempt, worker) = self
            .result
            .attempts
            .last()
            .map_or((0, String::new()), |last| (last.number, last.worker.clone()));
        let written = self.written.and_then(|attempts| attempts.get(&attempt));
        let ended = written.is_some_and(|written| {
            written.worker == worker && written.ends.iter().any(|(_, kind)| *kind == Kind::End)
        });
        let call = self.name.clone();
        if !ended {
            found.push(Breach::SucceededWithoutEnd {
                call,
                attempt,
                worker,
            });
            return;
        }
        let result = self.result.json().ok().flatten().unwrap_or_default();
        let says = |key: &str| result.get(key).cloned().unwrap_or_default();
        let own = says("call") == self.asked.id.as_str()
            && says("attempt").as_f64() == Some(f64::from(attempt))
            && says("worker") == worker.as_str();
        if !own && self.result.omitted_result_bytes == 0 {
            let mut text = result.to_string();
            text.truncate(200);
            found.push(Breach::WrongResult {
                call,
                attempt,
                found: text,
            });
        }
    }

    /// An error that says that nothing can have happened is right, except where the tool said so itself.
    fn check_silence(&self, found: &mut Vec<Breach>) {
        let Some(error) = &self.result.error else { return };
        let may_have_run = self
            .written
            .is_some_and(|attempts| attempts.values().any(Written::may_have_had_effect));
        if may_have_run && !error.may_have_run {
            found.push(Breach::SaidNotRun {
                call: self.name.clone(),
            });
        }
    }

    fn check_dependency(
        &self,
        id: &str,
        dependency: Option<&HashMap<u32, Written>>,
        found: &mut Vec<Breach>,
    ) {
        let started = self
            .written
            .into_iter()
            .flatten()
            .flat_map(|(_, written)| &written.starts)
            .min();
        let Some(started) = started else { return };
        let ended = |(place, kind): &(usize, Kind)| *kind == Kind::End && place < started;
        let was_over = dependency
            .into_iter()
            .flatten()
            .any(|(_, written)| written.ends.iter().any(ended));
        if !was_over {
            found.push(Breach::StartedTooEarly {
                call: self.name.clone(),
                dependency: id.to_owned(),
            });
        }
    }
}

fn is_refusal(attempt: &v1::Attempt) -> bool {
    attempt
        .failure
        .as_ref()
        .is_some_and(|failure| REFUSALS.contains(&failure.code.as_str()))
}
