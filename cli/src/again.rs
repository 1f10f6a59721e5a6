//! `toolwave run` against coordinators that go and come: how long one is waited for, and whether an execution that may
//! have run is sent again. What may be sent again is the client library's to decide; this only asks it to, and tells.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use toolwave_client::{Client, ClientError, Resubmit, v1};

use crate::{
    args::LinkArgs,
    cluster,
    failure::Failure,
    interrupt::Interrupts,
    output,
    plan::parse_duration,
    run::{Answer, Ended},
    text,
};

/// How long one is looked for with --resubmit alone: as long as the client library looks for the next one.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks for a coordinator that is not there.
const PAUSE: Duration = Duration::from_millis(200);

/// What is done when a coordinator goes.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct AgainArgs {
    /// Sends an execution again that may have run where its coordinator has stopped: `keyed` only if every call has an
    /// idempotency key; without live progress [default: never]
    #[arg(
        long,
        value_name = "WHEN",
        requires = "coordinator",
        help_heading = "Coordinator elsewhere"
    )]
    resubmit: Option<When>,
    /// Looks that long for a coordinator that takes the execution, such as `30s` [default: 30s where there are several,
    /// or with --resubmit; else not at all]
    #[arg(long, value_name = "DURATION", requires = "coordinator", value_parser = parse_duration, help_heading = "Coordinator elsewhere")]
    patience: Option<Duration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Never,
    Keyed,
    Always,
}

impl AgainArgs {
    fn resubmit(self) -> Resubmit {
        match self.resubmit {
            None | Some(When::Never) => Resubmit::Never,
            Some(When::Keyed) => Resubmit::Keyed,
            Some(When::Always) => Resubmit::Always,
        }
    }

    /// Whether an execution may be sent more than once.
    pub(crate) fn resubmits(self) -> bool {
        self.resubmit() != Resubmit::Never
    }

    /// How long the first coordinator is waited for.
    pub(crate) fn patience(self) -> Duration {
        let unless_told = if self.resubmits() {
            PATIENCE
        } else {
            Duration::ZERO
        };
        self.patience.unwrap_or(unless_told)
    }

    /// Connects as the flags say; a coordinator that is not there is looked for as long as there is patience.
    pub(crate) async fn connect(self, url: &str, link: &LinkArgs) -> Result<Client, Failure> {
        let give_up = Instant::now() + self.patience();
        loop {
            let mut builder = cluster::builder(url, link)?.resubmit(self.resubmit());
            if self.patience.is_some() || self.resubmits() {
                builder = builder.patience(self.patience());
            }
            match builder.connect().await {
                Err(ClientError::Unreachable { .. }) if Instant::now() + PAUSE < give_up => {
                    tokio::time::sleep(PAUSE).await;
                }
                connected => return Ok(connected?),
            }
        }
    }
}

/// Sends a request as often as the client may, and waits for its end. An interrupt goes away, which cancels it.
pub(crate) async fn submit(request: &v1::ExecuteParallelRequest, client: &Client) -> Result<Answer, Failure> {
    let mut interrupts = Interrupts::listen().map_err(|error| Failure::Other(error.to_string()))?;
    let executed = tokio::select! {
        executed = client.execute(request.clone()) => executed,
        () = interrupts.next() => return Err(Failure::Interrupted),
    };
    let executed = match executed {
        Ok(executed) => executed,
        Err(ClientError::InvalidRequest { message, violations }) => {
            return Ok(Answer::Refused { message, violations });
        }
        Err(error) => return Err(error.into()),
    };
    for again in &executed.resubmissions {
        let ran = match again.may_have_run {
            true => "calls may have run there",
            false => "nothing has run there",
        };
        output::note(&text::printable(&format!(
            "note: sent again, since {} did not answer; {ran}: {}",
            again.from, again.reason
        )));
    }
    let response = executed.response;
    let Some(summary) = response.summary else {
        return Err(Failure::Other(
            "the coordinator broke its promise: it ended the execution without a summary".to_owned(),
        ));
    };
    Ok(Answer::Ended(Ended {
        results: response.results,
        summary,
    }))
}
