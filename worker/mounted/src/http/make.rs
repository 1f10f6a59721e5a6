//! A declaration made into the parts of a tool, with all that is wrong with it.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use reqwest::header::CONTENT_TYPE;
use toolwave_egress::{Policy, Range, Redirects, Service};
use toolwave_tool::Declaration;

use super::{
    Follow, Http, OutputKind, Verb,
    body::Content,
    headers::{Headers, secret_of},
    location::Location,
    network::Rules,
    pointer::Pointer,
    reply::Reply,
    scope::Scope,
    secrets::{SECRETS, SecretSources},
    tool::Parts,
};
use crate::{fault::Fault, value::Source};

/// No answer that is larger can be asked for.
const MOST_RESPONSE_BYTES: u64 = 64 << 20;
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);
/// Of an attempt, where the declaration names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a declaration comes to.
pub(super) struct Made {
    pub(super) parts: Parts,
    pub(super) rules: Rules,
    pub(super) secrets: SecretSources,
}

impl Http {
    /// `None` only where there is a fault.
    pub(super) fn make(&self, declaration: &Declaration) -> (Option<Made>, Vec<Fault>) {
        let mut scope = Scope::new(&declaration.input_schema, &self.secrets);
        let location = Location::read(&self.url, self.arrays, &mut scope);
        let policy = location
            .as_ref()
            .and_then(|location| self.policy(location, &mut scope));
        let headers = Headers::read(
            &self.headers,
            self.idempotency_key_header.as_deref(),
            declaration,
            &mut scope,
        );
        let body = self.content(&headers, &mut scope);
        let secrets = self.secret_sources(&mut scope);
        let reply = self.reply(declaration, &mut scope);
        let authorities = self.authorities(&mut scope);
        let made = || {
            Some(Made {
                parts: Parts {
                    method: self.method.method(),
                    location: location?,
                    headers,
                    body,
                    reply: reply?,
                },
                rules: Rules {
                    policy: policy?,
                    authorities: authorities?,
                    connect_timeout: connect_timeout(declaration),
                },
                secrets,
            })
        };
        (made(), scope.faults)
    }

    fn policy(&self, location: &Location, scope: &mut Scope<'_>) -> Option<Policy> {
        let mut inside = Vec::new();
        for (index, text) in self.allow_private.iter().enumerate() {
            match text.parse::<Range>() {
                Ok(range) => inside.push(range),
                Err(reason) => {
                    scope.error(
                        &format!("allow_private[{index}]"),
                        format!("`{text}` is refused: {reason}"),
                        "",
                    );
                }
            }
        }
        if location.origin().scheme() == "http" && !self.allow_http {
            let expected = "https, or `allow_http = true` where nobody in between can read or change it";
            scope.error("url", "its scheme is http", expected);
            return None;
        }
        let service = Service {
            url: location.origin(),
            plain_http: self.allow_http,
            inside: &inside,
            redirects: &match &self.redirects {
                Follow::No => Redirects::Own,
                Follow::Public => Redirects::Public,
                Follow::Hosts(hosts) => Redirects::Hosts(hosts.clone()),
            },
        };
        let policy = Policy::service(&service)
            .map_err(|error| scope.error("redirects", error.to_string(), ""))
            .ok()?;
        match policy.check(location.origin()) {
            Ok(()) => Some(policy),
            Err(denied) => {
                let expected = "a public host, or the address in `allow_private`";
                scope.error("url", denied.to_string(), expected);
                None
            }
        }
    }

    fn content(&self, headers: &Headers, scope: &mut Scope<'_>) -> Option<Content> {
        let body = self.body.as_ref()?;
        if self.method == Verb::Get {
            scope.error("body", "GET has no body", "`method = \"POST\"`, or no body");
        }
        let content = Content::read(body, scope)?;
        let format = headers.fixed(&CONTENT_TYPE).unwrap_or_default();
        if let Content::Text(template) = &content
            && template.places().next().is_some()
            && ["json", "xml", "html", "form"]
                .iter()
                .any(|kind| format.contains(kind))
        {
            let what =
                format!("values stand in a text of {format} as they are, and can change what it means");
            scope.warning("body.text", what, "json or form, which escape them");
        }
        Some(content)
    }

    /// The secrets of templates and those of headers, all of which have to be there.
    fn secret_sources(&self, scope: &mut Scope<'_>) -> SecretSources {
        let mut sources = BTreeMap::new();
        let header = |(name, source): (&String, &Source)| {
            let own = (format!("headers.{name}"), secret_of(name), source.clone());
            (!source.is_text()).then_some(own)
        };
        let named =
            |(name, source): (&String, &Source)| (format!("secrets.{name}"), name.clone(), source.clone());
        let all = self
            .headers
            .iter()
            .filter_map(header)
            .chain(self.secrets.iter().map(named));
        for (key, name, source) in all {
            if source.is_text() {
                let what = "the secret stands in the file for all who read it";
                scope.warning(&key, what, "{ env = \"NAME\" } or { file = \"PATH\" }");
            }
            if key.starts_with(SECRETS) {
                scope.check_secret_name(&key, &name);
            }
            if let Err(error) = source.read() {
                scope.error(&key, error.to_string(), "");
            }
            sources.insert(name, source);
        }
        SecretSources(Arc::new(sources))
    }

    fn reply(&self, declaration: &Declaration, scope: &mut Scope<'_>) -> Option<Reply> {
        let result = match &self.result {
            None => None,
            Some(text) => {
                let pointer = Pointer::parse(text);
                if pointer.is_none() {
                    let what = format!("`{text}` is no JSON pointer");
                    scope.error(
                        "result",
                        what,
                        "a pointer such as /current or /items/0, with ~1 for / and ~0 for ~",
                    );
                }
                Some(pointer?)
            }
        };
        if result.is_some() && self.output == OutputKind::Text {
            scope.error(
                "result",
                "text has no parts",
                "`output = \"json\"`, or no `result`",
            );
        }
        if !(1..=MOST_RESPONSE_BYTES).contains(&self.max_response) {
            let what = format!("{} bytes are out of range", self.max_response);
            scope.error("max_response", what, "1 byte to 64 MiB");
        }
        if self.success.is_empty() {
            scope.error(
                "success",
                "no status is a success",
                "statuses such as [200, 201], or [\"2xx\"]",
            );
        }
        if let Some(both) = self
            .retry_statuses
            .as_ref()
            .and_then(|retry| retry.shared(&self.success))
        {
            let what = format!("{both} is a success as well");
            scope.error("retry_statuses", what, "each status in one of the two");
        }
        Some(Reply {
            success: self.success.clone(),
            retry: self.retry_statuses.clone(),
            safety: declaration.safety,
            output: self.output,
            result,
            max_response: self.max_response,
        })
    }

    /// `None` where there should be some and are not.
    fn authorities(&self, scope: &mut Scope<'_>) -> Option<Option<Vec<u8>>> {
        let Some(path) = &self.ca else { return Some(None) };
        match fs::read(path) {
            Ok(pem) => Some(Some(pem)),
            Err(error) => {
                let what = format!("{} cannot be read: {error}", path.display());
                scope.error("ca", what, "a file with certificates of authorities in PEM");
                None
            }
        }
    }
}

/// A service that does not take the connection is told before the attempt is over, while it is known that nothing
/// was sent.
fn connect_timeout(declaration: &Declaration) -> Duration {
    MAX_CONNECT_TIME.min(declaration.timeout.unwrap_or(DEFAULT_TIMEOUT) * 3 / 4)
}
