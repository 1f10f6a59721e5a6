//! What a client is told besides the address: whom to trust, what to show, which token to send. All of it is checked
//! before anything is dialled.

use std::{path::PathBuf, time::Duration};

use tonic::transport::Endpoint;
use toolwave_link::{Address, Link, Tls};

use crate::{
    Client, ClientError,
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
    address: String,
    tls: Tls,
    token: Option<Source>,
    plaintext_token: bool,
}

impl ClientBuilder {
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: Tls::new(),
            token: None,
            plaintext_token: false,
        }
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

    /// Connects, within 5 s. The connection is made again when it broke; certificates and keys are read anew then.
    ///
    /// # Errors
    /// [`ClientError::Address`] and [`ClientError::Credentials`] before anything is dialled,
    /// [`ClientError::Unreachable`] when nobody answers, [`ClientError::Link`] when both sides do not go together.
    pub async fn connect(self) -> Result<Client, ClientError> {
        let address = Address::parse(&self.address).map_err(|error| ClientError::Address {
            address: error.address,
            reason: error.reason,
        })?;
        let token = self.token.map(Token::try_new).transpose();
        let mut problems = Vec::new();
        match &token {
            Err(ClientError::Credentials { problems: of_token }) => problems.extend_from_slice(of_token),
            Ok(Some(_)) if !address.is_tls() && !address.is_loopback() && !self.plaintext_token => {
                problems.push(
                    "token: would cross the network where everybody can read it, since the coordinator's address \
                     begins with http://; expected https://HOST:PORT"
                        .to_owned(),
                );
            }
            _ => {}
        }
        let link = Link::try_new(&address, self.tls, tuned)
            .map_err(|wrong| problems.extend(wrong.0.iter().map(ToString::to_string)));
        let (Ok(link), Ok(token), true) = (link, token, problems.is_empty()) else {
            return Err(ClientError::Credentials { problems });
        };
        let channel = link
            .connect()
            .await
            .map_err(|failure| ClientError::from_link(&self.address, failure))?;
        Ok(Client::new(self.address, link, channel, token))
    }
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
