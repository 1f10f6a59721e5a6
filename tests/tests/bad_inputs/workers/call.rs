//! A client's call of a tool, watched while it runs.

use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use toolwave_proto::v1::{self, execution_event::Kind, execution_service_client::ExecutionServiceClient};

/// What a client sees of its call.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) result: v1::CallResult,
    pub(crate) progress: Vec<(Option<f64>, String)>,
}

/// One call of a tool, watched to its end.
pub(crate) fn call(url: &str, tool: &'static str) -> AbortOnDropHandle<Result<Seen, Status>> {
    let url = url.to_owned();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut client = ExecutionServiceClient::connect(url)
            .await
            .map_err(|error| Status::unknown(error.to_string()))?
            .max_decoding_message_size(64 << 20);
        let execution = v1::ExecuteParallelRequest {
            calls: vec![v1::Call {
                tool_name: tool.into(),
                ..v1::Call::default()
            }],
            result_form: v1::ResultForm::Json.into(),
            ..v1::ExecuteParallelRequest::default()
        };
        let request = v1::ExecuteParallelStreamRequest {
            execution: Some(execution),
        };
        let mut events = client.execute_parallel_stream(request).await?.into_inner();
        let mut seen = Seen::default();
        while let Some(response) = events.message().await? {
            for event in response.events {
                match event.kind {
                    Some(Kind::Result(ended)) => seen.result = ended.result.unwrap_or_default(),
                    Some(Kind::Progress(progress)) => {
                        seen.progress.push((progress.fraction, progress.message));
                    }
                    _ => {}
                }
            }
        }
        Ok(seen)
    }))
}
