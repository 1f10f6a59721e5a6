//! What is sent again when a coordinator does not answer, and where: what was certainly not accepted always, what may
//! have run only where the caller has said that it may run twice.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use toolwave_proto::v1;

use crate::{
    ClientError,
    pool::{Pool, Way},
};

/// How long a request looks for one of several coordinators that takes it, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// Before another is asked; the refusals of many clients should not come back at once.
const BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Whether an execution is submitted again that may have run: its coordinator stopped, or the connection broke before
/// the answer came. What has certainly not run is submitted again in any case.
///
/// Whoever opts in answers for the tools: a coordinator in memory mode knows nothing of what another one has run, so
/// that calls which have had their effect run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resubmit {
    /// No: the caller gets the error.
    #[default]
    Never,
    /// If every call carries an idempotency key, which its tool honours: an effect then happens once, however often the
    /// call runs.
    Keyed,
    /// Always: every call only reads, or may have its effect twice.
    Always,
}

/// An execution was submitted once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resubmission {
    /// The coordinator that did not answer.
    pub from: String,
    /// Why not.
    pub reason: String,
    /// Calls of it may have run there, and run twice.
    pub may_have_run: bool,
}

/// An answer, and what it took.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The coordinator's answer.
    pub response: v1::ExecuteParallelResponse,
    /// In order; empty where the first coordinator answered.
    pub resubmissions: Vec<Resubmission>,
}

/// What an error says of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It was not taken: another coordinator may be asked, this one after a while.
    NotTaken(Option<Duration>),
    /// It may have run.
    MayHaveRun,
    /// Another coordinator would say the same.
    Final,
}

/// How a request is carried to some coordinator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrying {
    /// It may run twice.
    pub(crate) repeatable: bool,
    /// The caller does not wait beyond.
    pub(crate) deadline: Option<Instant>,
    pub(crate) patience: Option<Duration>,
}

/// What has come of it so far.
#[derive(Default)]
struct Tries {
    resubmissions: Vec<Resubmission>,
    /// What may have run stays so, whatever is said of it later.
    uncertain: Option<ClientError>,
    last: Option<ClientError>,
}

impl Resubmit {
    /// Whether this request may run twice.
    pub(crate) fn allows(self, request: &v1::ExecuteParallelRequest) -> bool {
        match self {
            Self::Never => false,
            Self::Keyed => request.calls.iter().all(|call| !call.idempotency_key.is_empty()),
            Self::Always => true,
        }
    }
}

impl Carrying {
    /// One coordinator is asked, once.
    pub(crate) fn is_once(self, pool: &Pool) -> bool {
        pool.is_single() && self.patience.is_none() && !self.repeatable
    }

    /// Asks coordinators until one answers, or none is left to be asked in time.
    pub(crate) async fn out<T, Asked>(
        self,
        pool: &Pool,
        ask: impl Fn(Arc<Way>) -> Asked,
    ) -> Result<(T, Vec<Resubmission>), ClientError>
    where
        Asked: Future<Output = Result<T, ClientError>>,
    {
        let alone = pool.is_single() && !self.repeatable;
        let patience = self
            .patience
            .unwrap_or(if alone { Duration::ZERO } else { PATIENCE });
        let give_up = Instant::now() + patience;
        let give_up = self.deadline.map_or(give_up, |deadline| deadline.min(give_up));
        let mut tries = Tries::default();
        let mut backoff = BACKOFF;
        loop {
            match pool.way().await {
                Ok(way) => match ask(Arc::clone(&way)).await {
                    Ok(answer) => return Ok((answer, tries.resubmissions)),
                    Err(error) => self.missed(pool, &way, error, backoff, &mut tries)?,
                },
                Err(error) => tries.last = Some(error),
            }
            // others first; then, when all rest, the one that is to be asked next
            let soon = Instant::now() + backoff.mul_f64(0.5 + fastrand::f64());
            let next = pool.rested_at().await.map(|until| until.max(soon));
            if next.unwrap_or_else(Instant::now) >= give_up {
                return Err(tries.error());
            }
            if let Some(until) = next {
                tokio::time::sleep_until(until).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
    }

    /// A coordinator did not answer; the error is what the caller gets, if no other may be asked.
    fn missed(
        self,
        pool: &Pool,
        way: &Way,
        error: ClientError,
        backoff: Duration,
        tries: &mut Tries,
    ) -> Result<(), ClientError> {
        let (rest, may_have_run) = match verdict(&error) {
            Verdict::NotTaken(rest) => (rest.unwrap_or(backoff), false),
            Verdict::MayHaveRun => (backoff, true),
            Verdict::Final => return Err(tries.uncertain.take().unwrap_or(error)),
        };
        pool.leave(way, rest);
        if may_have_run && !self.repeatable {
            return Err(tries.uncertain.take().unwrap_or(error));
        }
        tries.resubmissions.push(Resubmission {
            from: way.address.clone(),
            reason: error.to_string(),
            may_have_run,
        });
        match may_have_run {
            true => tries.uncertain = Some(error),
            false => tries.last = Some(error),
        }
        Ok(())
    }
}

impl Tries {
    fn error(self) -> ClientError {
        self.uncertain
            .or(self.last)
            .unwrap_or_else(|| ClientError::Deadline {
                message: "before any coordinator was asked".to_owned(),
            })
    }
}

fn verdict(error: &ClientError) -> Verdict {
    match error {
        // the connection may be a later one than that which the request was on
        ClientError::Link { failure, .. } if failure.is_after_connect() => Verdict::MayHaveRun,
        ClientError::Unreachable { .. } | ClientError::Link { .. } => Verdict::NotTaken(None),
        ClientError::Unavailable { retry_after, .. } => Verdict::NotTaken(*retry_after),
        // without a time it is the tenant's own limit, which holds everywhere
        ClientError::Overloaded {
            retry_after: Some(after),
            ..
        } => Verdict::NotTaken(Some(*after)),
        ClientError::ConnectionLost { .. } | ClientError::Stopped { .. } => Verdict::MayHaveRun,
        ClientError::Overloaded {
            retry_after: None, ..
        }
        | ClientError::Address { .. }
        | ClientError::Credentials { .. }
        | ClientError::InvalidRequest { .. }
        | ClientError::Conflict { .. }
        | ClientError::Unauthenticated { .. }
        | ClientError::PermissionDenied { .. }
        | ClientError::NotFound { .. }
        | ClientError::Deadline { .. }
        | ClientError::Cancelled { .. }
        | ClientError::TooLarge { .. }
        | ClientError::NotToolwave { .. }
        | ClientError::Other(_) => Verdict::Final,
    }
}
