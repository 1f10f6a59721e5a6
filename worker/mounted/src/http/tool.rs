//! One HTTP tool: a request made of templates and parameters, and its answer made a result.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::Value;
use toolwave_egress::{Exchange, Request, trace};
use toolwave_tool::{CallContext, Declaration, Output, Parameters, Tool, ToolError};

use super::{
    body::Content,
    fill::Filling,
    headers::Headers,
    location::Location,
    reply::Reply,
    secrets::{SecretSources, Secrets},
};

/// So many redirects are followed, where they are.
pub(super) const MAX_REDIRECTS: usize = 5;

/// All that a call needs.
pub(super) struct HttpTool {
    pub(super) declaration: Declaration,
    pub(super) exchange: Arc<Exchange>,
    pub(super) secrets: SecretSources,
    pub(super) parts: Parts,
    pub(super) redirects: usize,
}

/// What the templates were made into.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) method: Method,
    pub(super) location: Location,
    pub(super) headers: Headers,
    pub(super) body: Option<Content>,
    pub(super) reply: Reply,
}

impl Tool for HttpTool {
    fn declaration(&self) -> Declaration {
        self.declaration.clone()
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(async move {
            let secrets = self.secrets.read().await?;
            let mut request = self.request(&parameters, &secrets, &context)?;
            let reply = &self.parts.reply;
            let response = self
                .exchange
                .send(&mut request)
                .await
                .map_err(|failure| reply.failure(&failure, &secrets))?;
            reply.read(response, &secrets).await
        })
    }
}

impl HttpTool {
    fn request(
        &self,
        parameters: &Parameters,
        secrets: &Secrets,
        context: &CallContext,
    ) -> Result<Request, ToolError> {
        let values: Value = parameters.parse()?;
        let filling = Filling {
            parameters: &values,
            secrets,
        };
        let mut headers = self
            .parts
            .headers
            .fill(filling, secrets, context.idempotency_key())?;
        trace(&mut headers, context.traceparent(), context.tracestate());
        let body = match &self.parts.body {
            None => None,
            Some(content) => {
                headers
                    .entry(CONTENT_TYPE)
                    .or_insert_with(|| content.content_type());
                Some(content.fill(filling, parameters)?)
            }
        };
        Ok(Request {
            url: self.parts.location.fill(filling)?,
            method: self.parts.method.clone(),
            headers,
            body,
            body_stays: true,
            redirects: self.redirects,
        })
    }
}
