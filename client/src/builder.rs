//! What a client is told besides the address: whom to trust, what to show, which token to send. All of it is checked
//! before anything is dialled.

use std::{path::PathBuf, time::Duration};

use tonic::transport::Endpoint;
use toolwave_link::{Address, Link, Resolver, Tls};

use crate::{
    Client, ClientError, Resubmit,
    pool::Pool,
    token::{Source, Token},
};

/// A dead peer is noticed within their sum, while idle too.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The connection's window is a multiple of a stream's, so that one unread stream does not stop the others.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Violations travel in trailers; at h2's 16 KiB a long list would cost the status itself.
const MAX_HEADER_LIST: u32 = 1024 * 1024;
/// Callers drop executions that they no longer want; h2's default of 20 resets would end the connection.
const MAX_RESETS: usize = 10_000;

/// Makes a [`Client`].
#[must_use]
pub struct ClientBuilder {
    addresses: Vec<String>,
    resolver: Resolver,
    patience: Option<Duration>,
    resubmit: Resubmit,
    tls: Tls,
    token: Option<Source>,
    plaintext_token: bool,
}

impl ClientBuilder {
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Self {
            addresses: split(&address.into()),
            resolver: Resolver::system(),
            patience: None,
            resubmit: Resubmit::Never,
            tls: Tls::new(),
            token: None,
            plaintext_token: false,
        }
    }

    /// Several coordinators, in place of the one that was named: `http://HOST:PORT` or `https://HOST:PORT` each. The
    /// client asks one of them, and another when that one is gone, ends or is full. A host's name with several
    /// addresses is as good as several coordinators.
    pub fn coordinators(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.addresses = urls.into_iter().flat_map(|url| split(&url.into())).collect();
        self
    }

    /// Looks the names of coordinators up there instead of in the system's hosts file and DNS.
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// How long a request looks for a coordinator that takes it: 30 s where there are several, else not at all. An
    /// execution's own timeout ends it sooner.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Whether executions are submitted again that may have run; never, unless told otherwise.
    pub fn resubmit(mut self, resubmit: Resubmit) -> Self {
        self.resubmit = resubmit;
        self
    }

    /// Whom to trust and what to show, for an `https` address. Unless told: the system's CAs, and nothing.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sends this token with each request.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Source::Value(token.into()));
        self
    }

    /// Sends the token that this file holds with each request; a changed file counts within a second.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Some(Source::File(path.into()));
        self
    }

    /// Sends the token without TLS over a network where whoever reads along can then use it.
    pub fn insecure_allow_plaintext_token(mut self) -> Self {
        self.plaintext_token = true;
        self
    }

    /// Connects to one of the coordinators, within 5 s each. The connection is made again when it broke; certificates and keys are read anew then.
    ///
    /// # Errors
    /// [`ClientError::Address`] and [`ClientError::Credentials`] before anything is dialled,
    /// [`ClientError::Unreachable`] when nobody answers, [`ClientError::Link`] when both sides do not go together.
    pub async fn connect(self) -> Result<Client, ClientError> {
        let addresses = self.addresses.iter().map(|address| Address::parse(address));
        let addresses: Vec<Address> =
            addresses
                .collect::<Result<_, _>>()
                .map_err(|error| ClientError::Address {
                    address: error.address,
                    reason: error.reason,
                })?;
        let clear = |address: &Address| !address.is_tls() && !address.is_loopback();
        let token = self.token.map(Token::try_new).transpose();
        let mut problems = Vec::new();
        match &token {
            Err(ClientError::Credentials { problems: of_token }) => problems.extend_from_slice(of_token),
            Ok(Some(_)) if addresses.iter().any(clear) && !self.plaintext_token => {
                problems.push(
                    "token: would cross the network where everybody can read it, since the coordinator's address \
                     begins with http://; expected https://HOST:PORT"
                        .to_owned(),
                );
            }
            _ => {}
        }
        let mut links = Vec::new();
        for (url, address) in self.addresses.into_iter().zip(&addresses) {
            match Link::try_new(address, self.tls.clone(), tuned) {
                Ok(link) => links.push((url, link)),
                Err(wrong) => problems.extend(wrong.0.iter().map(ToString::to_string)),
            }
        }
        problems.dedup();
        let (Ok(token), true) = (token, problems.is_empty()) else {
            return Err(ClientError::Credentials { problems });
        };
        let pool = Pool::new(links, self.resolver, token);
        pool.way().await?;
        Ok(Client::new(pool, self.patience, self.resubmit))
    }
}

/// URLs with commas between them. An empty text is kept, for its error.
fn split(urls: &str) -> Vec<String> {
    urls.split(',').map(|url| url.trim().to_owned()).collect()
}

fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(toolwave_proto::http2::LARGEST_FRAME)
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .http2_max_local_error_reset_streams(MAX_RESETS)
}
