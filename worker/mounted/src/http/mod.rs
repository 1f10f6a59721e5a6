//! HTTP services as tools: what `[tools.NAME.http]` declares, checked, and turned into a tool.
//!
//! Where requests may go is decided by `toolwave_egress`; this folder knows how a request is made of parameters and
//! what an answer is worth. Keys, errors and rules: `docs/http-tools.md`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use reqwest::Method;
use serde::Deserialize;
use toolwave_tool::{Declaration, SharedTool};

use crate::{
    fault::{Fault, Severity},
    value::Source,
};

mod body;
mod escape;
mod fill;
mod headers;
mod location;
mod make;
mod network;
mod pointer;
mod reply;
mod scope;
mod secrets;
mod spelling;
mod tool;

pub use network::Network;
pub use spelling::{Body, Follow, Statuses};
use tool::{HttpTool, MAX_REDIRECTS};

/// The table `[tools.NAME.http]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `GET` unless said.
    #[serde(default)]
    method: Verb,
    /// A template: `https://api.example.com/v1/{city}?units={units}`.
    url: String,
    /// Templates, or where secrets are.
    #[serde(default)]
    headers: BTreeMap<String, Source>,
    /// What `{secrets.NAME}` stands for.
    #[serde(default)]
    secrets: BTreeMap<String, Source>,
    body: Option<Body>,
    /// How a list stands in the query.
    #[serde(default)]
    arrays: Arrays,
    /// A JSON pointer: the part of the answer that is the result.
    result: Option<String>,
    #[serde(default)]
    output: OutputKind,
    #[serde(default = "Statuses::successful")]
    success: Statuses,
    retry_statuses: Option<Statuses>,
    /// In bytes, after decompression.
    #[serde(default = "max_response", with = "toolwave_config::size")]
    max_response: u64,
    #[serde(default)]
    redirects: Follow,
    #[serde(default)]
    allow_http: bool,
    #[serde(default)]
    allow_private: Vec<String>,
    /// PEM: who is trusted, instead of those whom the system trusts.
    ca: Option<PathBuf>,
    idempotency_key_header: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// How a list stands in the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Arrays {
    /// `a=1&a=2`.
    #[default]
    Repeat,
    /// `a=1,2`.
    Comma,
}

/// What an answer is read as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OutputKind {
    #[default]
    Json,
    Text,
}

fn max_response() -> u64 {
    8 << 20
}

impl Http {
    /// What is wrong with it, as a tool that is declared so. Reads the secrets and the certificates that it names.
    #[must_use]
    pub fn check(&self, declaration: &Declaration) -> Vec<Fault> {
        self.make(declaration).1
    }

    /// The tool.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn tool(self, declaration: Declaration) -> Result<SharedTool, Vec<Fault>> {
        self.tool_on(declaration, &Network::system())
    }

    /// The tool, on a network of yours.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn tool_on(self, declaration: Declaration, network: &Network) -> Result<SharedTool, Vec<Fault>> {
        let (made, mut faults) = self.make(&declaration);
        faults.retain(|fault| fault.severity == Severity::Error);
        let Some(made) = made.filter(|_| faults.is_empty()) else {
            return Err(faults);
        };
        let exchange = network.exchange(&made.rules).map_err(|reason| {
            let what = format!("no client can be made: {reason}");
            vec![Fault::error("ca", what, "certificates of authorities in PEM")]
        })?;
        Ok(Arc::new(HttpTool {
            declaration,
            exchange,
            secrets: made.secrets,
            parts: made.parts,
            redirects: if self.redirects == Follow::No {
                0
            } else {
                MAX_REDIRECTS
            },
        }))
    }

    /// Takes paths that are not absolute as below a folder.
    pub fn relative_to(&mut self, folder: &Path) {
        let sources = self.headers.values_mut().chain(self.secrets.values_mut());
        let files = sources.filter_map(|source| match source {
            Source::File(path) => Some(path),
            Source::Text(_) | Source::Variable(_) => None,
        });
        for path in files.chain(&mut self.ca) {
            *path = folder.join(&*path);
        }
    }
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}
