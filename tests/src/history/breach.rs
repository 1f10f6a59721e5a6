//! The ways in which a history can break the promise, and how each reads.

/// One breach of the promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Promise 1: one outcome per call.
    #[error("{execution}: {calls} calls were answered with {results} results")]
    ResultCount {
        /// The execution's id.
        execution: String,
        /// Asked for.
        calls: usize,
        /// Answered.
        results: usize,
    },
    /// Promise 1: in request order.
    #[error("{execution}: the result of {expected} is that of {found}")]
    Order {
        /// The execution's id.
        execution: String,
        /// The call at this place.
        expected: String,
        /// Whose result stands there.
        found: String,
    },
    /// Promise 1: an outcome, a result and an error that fit each other.
    #[error("{call}: the outcome {outcome} does not fit its success, result or error")]
    OutcomeDoesNotFit {
        /// `execution/call`.
        call: String,
        /// As the protocol names it.
        outcome: String,
    },
    /// Promise 1: nothing that happens later changes it.
    #[error("{execution}: two answers differ")]
    AnswersDiffer {
        /// The execution's id.
        execution: String,
    },
    /// Promise 2: an attempt is dispatched at most once.
    #[error("{call}: attempt {attempt} ran {times} times")]
    AttemptRanTwice {
        /// `execution/call`.
        call: String,
        /// Its number.
        attempt: u32,
        /// How often.
        times: usize,
    },
    /// Promise 2: a retry has a higher number.
    #[error("{call}: attempts are numbered {numbers:?}")]
    AttemptsDoNotIncrease {
        /// `execution/call`.
        call: String,
        /// As answered.
        numbers: Vec<u32>,
    },
    /// Promise 3: no more attempts than the policy allows; refusals do not count.
    #[error("{call}: {attempts} attempts where {allowed} are allowed")]
    TooManyAttempts {
        /// `execution/call`.
        call: String,
        /// Without refusals.
        attempts: usize,
        /// By the policy.
        allowed: u32,
    },
    /// Promise 4: every other call runs at most once.
    #[error("{call}: is not safe to repeat and ran in attempts {attempts:?}")]
    RanTwice {
        /// `execution/call`.
        call: String,
        /// Those that had, or may have had, an effect.
        attempts: Vec<u32>,
    },
    /// Promise 4: `UNKNOWN` is for calls that are not safe to repeat.
    #[error("{call}: is safe to repeat and ended UNKNOWN")]
    UnknownThoughRepeatable {
        /// `execution/call`.
        call: String,
    },
    /// Promise 6: late results change nothing; a success is that of the last attempt.
    #[error("{call}: succeeded in attempt {attempt} at {worker}, where no execution ended")]
    SucceededWithoutEnd {
        /// `execution/call`.
        call: String,
        /// As answered.
        attempt: u32,
        /// As answered.
        worker: String,
    },
    /// The result that was delivered is another's.
    #[error("{call}: the result of attempt {attempt} says {found}")]
    WrongResult {
        /// `execution/call`.
        call: String,
        /// The one that succeeded.
        attempt: u32,
        /// What the result says of itself.
        found: String,
    },
    /// What ran is an attempt that was told of.
    #[error("{call}: attempt {attempt} ran at {worker} and is not in the answer")]
    AttemptNotTold {
        /// `execution/call`.
        call: String,
        /// Its number.
        attempt: u32,
        /// Where it ran.
        worker: String,
    },
    /// A call that ends so was never dispatched.
    #[error("{call}: ran although its outcome is {outcome}")]
    RanAlthough {
        /// `execution/call`.
        call: String,
        /// As the protocol names it.
        outcome: String,
    },
    /// An answer that says that nothing can have happened is right.
    #[error("{call}: ran, and its error says that it has not")]
    SaidNotRun {
        /// `execution/call`.
        call: String,
    },
    /// A call starts when what it depends on has succeeded.
    #[error("{call}: started before {dependency} had ended")]
    StartedTooEarly {
        /// `execution/call`.
        call: String,
        /// The id of the other.
        dependency: String,
    },
    /// Promise 7: a slot is not used again before the worker has confirmed.
    #[error("{worker}: {running} executions at once in {slots} slots")]
    MoreThanSlots {
        /// Its name.
        worker: String,
        /// At the worst moment.
        running: usize,
        /// What it has.
        slots: usize,
    },
    /// The record itself: an end belongs to one start.
    #[error("{call}: attempt {attempt} ended {ends} times after {starts} starts")]
    EndsWithoutStarts {
        /// `execution/call`.
        call: String,
        /// Its number.
        attempt: u32,
        /// Written.
        ends: usize,
        /// Written.
        starts: usize,
    },
}
