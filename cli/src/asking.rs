//! One question to a coordinator, and what to say where it does not know what was asked for: the nearest name, the
//! execution that begins so, or that the coordinator is older than the question.

use toolwave_client::{Client, ClientError, v1};

use crate::{args::RemoteArgs, cluster, failure::Failure, text};

/// The first version whose coordinators answer questions on executions and on the cluster.
const ANSWERED_SINCE: &str = "0.1.0";

/// Executions on one page, the most that a coordinator sends.
const PAGE: u32 = 1_000;
/// Pages looked through for an id that begins so: as many executions as a coordinator keeps, unless it is told to
/// keep more.
const MOST_PAGES: u32 = 10;
/// Ids of executions that a message names.
const NAMED: usize = 4;

/// Asks a coordinator one thing, within 10 s.
pub(crate) async fn ask<T>(
    remote: &RemoteArgs,
    question: impl AsyncFnOnce(Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let url = &remote.coordinator;
    let answer = async { question(cluster::connect(url, &remote.link).await?).await };
    cluster::within(url, answer).await
}

/// Why `method`, which coordinators have not always had, got no answer.
pub(crate) async fn explained(client: &Client, method: &str, error: ClientError) -> Failure {
    if !matches!(error, ClientError::NotToolwave { .. }) {
        return error.into();
    }
    // Every coordinator has ever listed its workers; what does not is something else.
    match client.list_workers().await {
        Err(ClientError::NotToolwave { .. }) => error.into(),
        _ => Failure::Other(format!(
            "the coordinator at {} is older than this command: it does not answer {method}; coordinators of toolwave \
             {ANSWERED_SINCE} and later do",
            client.address(),
        )),
    }
}

/// The execution of this id, or the one whose id begins so.
pub(crate) async fn execution(client: &Client, given: &str) -> Result<v1::GetExecutionResponse, Failure> {
    let error = match client.execution(given).await {
        Ok(execution) => return Ok(execution),
        Err(error) => error,
    };
    if !matches!(error, ClientError::NotFound { .. }) {
        return Err(explained(client, "GetExecution", error).await);
    }
    let id = execution_id(client, given).await?;
    Ok(client.execution(id).await?)
}

/// The one id that begins with `given`, among the executions that run and those that are kept.
pub(crate) async fn execution_id(client: &Client, given: &str) -> Result<String, Failure> {
    let (mut ids, mut before) = (Vec::new(), String::new());
    for _ in 0..MOST_PAGES {
        let request = v1::ListExecutionsRequest {
            limit: PAGE,
            before: before.clone(),
            ..v1::ListExecutionsRequest::default()
        };
        let page = match client.list_executions(request).await {
            Ok(page) => page.executions,
            Err(error) => return Err(explained(client, "ListExecutions", error).await),
        };
        let full = page.len() >= PAGE as usize;
        ids.extend(page.into_iter().map(|execution| execution.execution_id));
        match ids.last() {
            Some(last) if full => before.clone_from(last),
            _ => break,
        }
    }
    one_of(given, &ids).map_err(Failure::Other)
}

fn one_of(given: &str, ids: &[String]) -> Result<String, String> {
    let begin: Vec<&String> = match given {
        "" => Vec::new(),
        given => ids.iter().filter(|id| id.starts_with(given)).collect(),
    };
    match begin.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let near = nearest(given, ids.iter().map(String::as_str));
            let hint = near.unwrap_or_else(|| "`toolwave executions` lists those that there are".to_owned());
            Err(format!(
                "not found: no execution has the id `{given}`, or one that begins so; {hint}"
            ))
        }
        several => {
            let named: Vec<&str> = several.iter().take(NAMED).map(|id| id.as_str()).collect();
            let more = match several.len() - named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Err(format!(
                "`{given}` begins the ids of {}, {}{more}; expected more of the id",
                text::counted(several.len(), "execution"),
                named.join(", "),
            ))
        }
    }
}

/// `did you mean`, where a name is near enough to have been meant.
pub(crate) fn nearest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    const NEAR_ENOUGH: f64 = 0.75;
    names
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, _)| *likeness >= NEAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_named_by_any_beginning_that_is_its_alone() {
        let ids = ["3f2a-1", "3f2b-1", "9c"].map(str::to_owned);
        assert_eq!(one_of("9", &ids).as_deref(), Ok("9c"));
        assert_eq!(one_of("3f2b", &ids).as_deref(), Ok("3f2b-1"));
        let several = one_of("3f", &ids).unwrap_err();
        assert!(several.contains("2 executions, 3f2a-1, 3f2b-1;"), "{several}");
        let unknown = one_of("3f2c-1", &ids).unwrap_err();
        assert!(unknown.contains("did you mean `3f2"), "{unknown}");
        let empty = one_of("", &ids).unwrap_err();
        assert!(empty.contains("toolwave executions"), "{empty}");
    }
}
