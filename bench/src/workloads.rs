//! What is sent: the same payloads and graphs to the cluster and to the floor.
//!
//! Texts, sizes and shapes are those that the peers were measured with. Graphs are the same in every run.

use bytes::Bytes;
use toolwave_client::v1::{self, call::ParametersForm};

use crate::floor::wire::{FloorCall, RunBatchRequest};

/// About 100 bytes of JSON.
pub(crate) fn payload(index: u64) -> Bytes {
    let number = index * 7;
    Bytes::from(format!(
        "{{\"tool\":\"echo\",\"id\":{index},\"args\":{{\"text\":\"the quick brown fox jumps over the lazy \
         dog\",\"n\":{number},\"flag\":true}}}}"
    ))
}

/// An object of exactly so many bytes, at least 11.
pub(crate) fn large(bytes: usize) -> Bytes {
    const FRAME: &str = "{\"text\":\"\"}";
    let text = "x".repeat(bytes.saturating_sub(FRAME.len()));
    Bytes::from(format!("{{\"text\":\"{text}\"}}"))
}

/// What a call does.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Answers its parameters.
    Echo(Bytes),
    /// So many microseconds.
    Sleep(u32),
}

/// A call as both systems are given it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    /// Indices of calls of the batch that end first.
    pub(crate) depends_on: Vec<u32>,
}

/// Independent echoes, numbered from `first`.
pub(crate) fn echoes(first: u64, count: u64) -> Vec<Job> {
    (first..first + count)
        .map(|index| Job::echo(payload(index)))
        .collect()
}

impl Job {
    pub(crate) fn echo(parameters: Bytes) -> Self {
        Self {
            work: Work::Echo(parameters),
            depends_on: Vec::new(),
        }
    }

    pub(crate) fn sleep(microseconds: u32) -> Self {
        Self {
            work: Work::Sleep(microseconds),
            depends_on: Vec::new(),
        }
    }
}

/// The jobs as one execution with at most `concurrency` in flight; 0: as many as there is room for.
pub(crate) fn execution(jobs: &[Job], concurrency: u32) -> v1::ExecuteParallelRequest {
    v1::ExecuteParallelRequest {
        calls: jobs.iter().map(call).collect(),
        max_concurrency: (concurrency > 0).then_some(concurrency),
        max_concurrency_auto: concurrency == 0,
        ..Default::default()
    }
}

/// The jobs as one batch of the floor.
pub(crate) fn batch(jobs: &[Job], concurrency: u32) -> RunBatchRequest {
    RunBatchRequest {
        calls: jobs.iter().map(floor_call).collect(),
        concurrency,
    }
}

fn call(job: &Job) -> v1::Call {
    let (tool, parameters) = match &job.work {
        Work::Echo(parameters) => ("echo", parameters.clone()),
        Work::Sleep(microseconds) => ("sleep", sleep_parameters(*microseconds)),
    };
    v1::Call {
        tool_name: tool.to_owned(),
        parameters_form: Some(ParametersForm::ParametersJson(parameters)),
        depends_on: job.depends_on.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

fn floor_call(job: &Job) -> FloorCall {
    let (tool, parameters, sleep_microseconds) = match &job.work {
        Work::Echo(parameters) => ("echo", parameters.clone(), 0),
        Work::Sleep(microseconds) => ("sleep", sleep_parameters(*microseconds), *microseconds),
    };
    FloorCall {
        tool: tool.to_owned(),
        parameters,
        sleep_microseconds,
        depends_on: job.depends_on.clone(),
    }
}

/// Exact: three decimals of a millisecond are microseconds.
fn sleep_parameters(microseconds: u32) -> Bytes {
    let (whole, part) = (microseconds / 1000, microseconds % 1000);
    Bytes::from(if part == 0 {
        format!("{{\"milliseconds\":{whole}}}")
    } else {
        format!("{{\"milliseconds\":{whole}.{part:03}}}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_json_of_about_100_bytes_and_large_ones_of_exactly_their_size() {
        let payload = payload(12_345);
        assert!((100..130).contains(&payload.len()), "{}", payload.len());
        for text in [
            payload,
            large(1 << 20),
            sleep_parameters(2_040),
            sleep_parameters(5_000),
        ] {
            serde_json::from_slice::<serde_json::Value>(&text).unwrap();
        }
        assert_eq!(large(1 << 20).len(), 1 << 20);
        assert_eq!(sleep_parameters(2_040), "{\"milliseconds\":2.040}");
    }

    #[test]
    fn both_systems_are_given_the_same_parameters() {
        let jobs = echoes(5, 3);
        let ours = execution(&jobs, 256);
        let floor = batch(&jobs, 256);
        for (call, other) in ours.calls.iter().zip(&floor.calls) {
            let Some(ParametersForm::ParametersJson(parameters)) = &call.parameters_form else {
                panic!("another form");
            };
            assert_eq!(parameters, &other.parameters);
        }
        assert_eq!(ours.max_concurrency, Some(floor.concurrency));
    }
}
