//! `toolwave run`: sends a plan, follows it live, reports how each call ended.

use std::pin::pin;

use futures_util::{
    FutureExt as _, Stream, StreamExt as _,
    future::{BoxFuture, pending},
};
use toolwave_client::{
    Client, ClientError, Violation, proto_duration,
    v1::{self, execution_event::Kind},
};

use crate::{
    again::{self, AgainArgs},
    analysis::Detail,
    args::{Concurrency, EmbeddedArgs, LinkArgs, OutputFormat, RunArgs},
    check,
    cluster::{self, Cluster},
    document,
    failure::{Failure, Verdict},
    from,
    interrupt::Interrupts,
    mounted,
    output::{self, Look},
    permission,
    plan::{Diagnostics, Plan},
    progress::Progress,
    report, text,
};

/// An execution that has ended.
pub(crate) struct Ended {
    pub(crate) results: Vec<v1::CallResult>,
    pub(crate) summary: v1::ExecutionSummary,
}

impl Ended {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.results.iter().all(|result| result.success) {
            true => Verdict::Success,
            false => Verdict::SomeCallsFailed,
        }
    }

    /// What the call of this index is called.
    pub(crate) fn name(&self, index: u32) -> String {
        let result = self.results.get(index as usize);
        result.map_or_else(|| index.to_string(), |result| text::printable(&result.id))
    }
}

pub(crate) async fn run(args: RunArgs) -> Result<Verdict, Failure> {
    if let Some(format) = args.from {
        return from::run(&args, format).await;
    }
    let mut wrong = Diagnostics::default();
    let mut plan = Plan::read(&args.file, &mut wrong).map_err(Failure::from_read)?;
    apply_flags(&args, &mut plan.request);
    let cluster = match &args.coordinator {
        Some(_) => check::or_plan(cluster(&args).await, &plan, &mut wrong)?,
        None => {
            permission::check(&plan, &args.embedded.allow, &mut wrong);
            cluster(&args).await?
        }
    };
    let ended = match wrong.is_empty() {
        true => execute(&plan, &cluster.client, args.again).await,
        // Nothing runs; the coordinator's view completes the list of what is wrong.
        false => match check::with_coordinator(&plan, &cluster.client, wrong).await {
            Ok(_) => Err(Failure::Other("the plan is wrong".to_owned())),
            Err(failure) => Err(failure),
        },
    };
    // After a second interrupt nothing is waited for any more.
    if !matches!(ended, Err(Failure::Interrupted)) {
        cluster.close().await;
    }
    let ended = ended?;
    match args.output.format {
        OutputFormat::Json => output::write_json(&document::execution(&ended))?,
        OutputFormat::Text => {
            let detail = match args.analysis {
                true => Detail::Full,
                false => Detail::Notable,
            };
            output::write(&report::execution(&ended, Look::of_stdout(), args.full, detail))?;
        }
    }
    Ok(ended.verdict())
}

/// The cluster that the flags name, or one in this process.
pub(crate) async fn cluster(args: &RunArgs) -> Result<Cluster, Failure> {
    let mut cluster = cluster_of(
        args.coordinator.as_deref(),
        &args.link,
        &args.embedded,
        None,
        args.again,
    )
    .await?;
    if let Some(traced) = in_trace(&cluster.client, args.traceparent.as_deref())? {
        cluster.client = traced;
    }
    Ok(cluster)
}

/// The client for requests of the trace that the flag names, or the environment; what is malformed there is as if it
/// were not there.
fn in_trace(client: &Client, flag: Option<&str>) -> Result<Option<Client>, Failure> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if let Some(traceparent) = flag {
        let traced = client.in_trace(traceparent, "");
        return traced
            .map(Some)
            .map_err(|error| Failure::Usage(format!("--{error}")));
    }
    let (parent, state) = (variable("TRACEPARENT"), variable("TRACESTATE"));
    Ok(client
        .in_trace(&parent, &state)
        .or_else(|_| client.in_trace(&parent, ""))
        .ok())
}

/// The same of flags that stand by themselves. Of the servers of a file only those start that `tool` needs, where one
/// is named.
pub(crate) async fn cluster_of(
    coordinator: Option<&str>,
    link: &LinkArgs,
    embedded: &EmbeddedArgs,
    tool: Option<&str>,
    again: AgainArgs,
) -> Result<Cluster, Failure> {
    let Some(url) = coordinator else {
        let allowed = cluster::allowed(&embedded.allow)?;
        let mut file = embedded.tools.as_deref().map(mounted::read).transpose()?;
        if let (Some(file), Some(tool)) = (&mut file, tool) {
            file.keep_servers_for(tool, &mounted::reserved());
        }
        return Cluster::embedded(&allowed, embedded.slots, file).await;
    };
    for (flag, given) in [
        ("--allow", !embedded.allow.is_empty()),
        ("--tools", embedded.tools.is_some()),
    ] {
        if given {
            output::note(&format!(
                "note: {flag} changes nothing on a cluster: there its operators decide"
            ));
        }
    }
    Cluster::remote(url, link, again).await
}

pub(crate) fn apply_flags(args: &RunArgs, request: &mut v1::ExecuteParallelRequest) {
    match args.max_concurrency {
        None => {}
        Some(Concurrency::Auto) => (request.max_concurrency, request.max_concurrency_auto) = (None, true),
        Some(Concurrency::Calls(calls)) => {
            (request.max_concurrency, request.max_concurrency_auto) = (Some(calls), false);
        }
    }
    if let Some(timeout) = args.timeout {
        request.timeout = Some(proto_duration(timeout));
    }
    if args.barrier {
        request.set_schedule(v1::Schedule::BarrierWaves);
    }
    if args.fail_fast {
        request.set_on_failure(v1::OnFailure::FailFast);
    }
    // The report prints JSON; any other form would round integers on the way.
    request.set_result_form(v1::ResultForm::Json);
}

async fn execute(plan: &Plan, client: &Client, again: AgainArgs) -> Result<Ended, Failure> {
    match submit(&plan.request, client, again).await? {
        Answer::Ended(ended) => Ok(ended),
        Answer::Refused { message, violations } => {
            let mut wrong = Diagnostics::default();
            check::add_violations(plan, &message, violations, &mut wrong);
            Err(Failure::Plan(wrong.lines(&plan.file)))
        }
    }
}

/// What came of a request.
pub(crate) enum Answer {
    Ended(Ended),
    /// The request is wrong; nothing has run.
    Refused {
        message: String,
        violations: Vec<Violation>,
    },
}

/// Sends a request and follows it to its end.
pub(crate) async fn submit(
    request: &v1::ExecuteParallelRequest,
    client: &Client,
    again: AgainArgs,
) -> Result<Answer, Failure> {
    if again.resubmits() {
        return again::submit(request, client).await;
    }
    // From here on an interrupt has something to cancel; before, it ends the process as always.
    let interrupts = Interrupts::listen().map_err(|error| Failure::Other(error.to_string()))?;
    match client.execute_parallel_stream(request.clone()).await {
        Ok(events) => follow(&request.calls, client, events, interrupts)
            .await
            .map(Answer::Ended),
        Err(ClientError::InvalidRequest { message, violations }) => {
            Ok(Answer::Refused { message, violations })
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads events to the summary.
async fn follow(
    calls: &[v1::Call],
    client: &Client,
    events: impl Stream<Item = Result<v1::ExecutionEvent, ClientError>>,
    interrupts: Interrupts,
) -> Result<Ended, Failure> {
    let mut events = pin!(events);
    let mut execution_id = None;
    let mut results: Vec<Option<v1::CallResult>> = vec![None; calls.len()];
    let mut progress = Progress::of_stderr(calls);
    let mut stop = Stop {
        client,
        interrupts,
        interrupted: false,
        cancelling: pending().boxed(),
    };
    let ended = loop {
        let event = tokio::select! {
            event = events.next() => event,
            failure = stop.given_up(execution_id.as_ref(), &progress) => break Err(failure),
        };
        let event = match event {
            Some(Ok(event)) => event,
            Some(Err(error)) => break Err(error.into()),
            None => break Err(broken("it ended the execution without a summary")),
        };
        progress.show(&event);
        match event.kind {
            Some(Kind::Planned(planned)) => execution_id = Some(planned.execution_id),
            Some(Kind::Result(ended)) => {
                if let Some(slot) = results.get_mut(ended.call_index as usize) {
                    *slot = ended.result;
                }
            }
            Some(Kind::Summary(summary)) => break Ok(summary),
            Some(Kind::Started(_) | Kind::Progress(_) | Kind::Retried(_)) | None => {}
        }
    };
    progress.finish();
    let summary = ended?;
    let missing = results.iter().filter(|result| result.is_none()).count();
    if missing > 0 {
        return Err(broken(&format!(
            "it sent no result for {}",
            text::counted(missing, "call")
        )));
    }
    Ok(Ended {
        results: results.into_iter().flatten().collect(),
        summary,
    })
}

fn broken(what: &str) -> Failure {
    Failure::Other(format!("the coordinator broke its promise: {what}"))
}

/// The first interrupt cancels the execution, whose calls then end and are reported; the second gives up on that.
struct Stop<'a> {
    client: &'a Client,
    interrupts: Interrupts,
    interrupted: bool,
    /// Waited for beside the events, so that a coordinator which does not answer can be given up.
    cancelling: BoxFuture<'a, Result<v1::CancelExecutionResponse, ClientError>>,
}

impl Stop<'_> {
    /// Ends when there is nothing to wait for any more. Dropping it in between loses nothing.
    async fn given_up(&mut self, execution_id: Option<&String>, progress: &Progress) -> Failure {
        loop {
            tokio::select! {
                () = self.interrupts.next() => match execution_id {
                    Some(id) if !self.interrupted => {
                        self.interrupted = true;
                        progress.note("interrupted: cancelling; once more gives up at once");
                        self.cancelling = self.client.cancel_execution(id.clone()).boxed();
                    }
                    // Without an id there is nothing to cancel yet: going away does it.
                    _ => return Failure::Interrupted,
                },
                answer = &mut self.cancelling => {
                    self.cancelling = pending().boxed();
                    if let Err(error) = answer {
                        return error.into();
                    }
                }
            }
        }
    }
}
