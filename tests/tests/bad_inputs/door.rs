//! The way into a coordinator that may ask who comes in: a socket or a channel, over TLS where it is wanted, and the
//! token that good requests carry.

use std::{io, sync::Arc};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tonic::{
    Request,
    transport::{Channel, Endpoint, Uri},
};

use crate::folder::{Folder, NAME};

/// Bytes, over TLS or not.
pub(crate) type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// A way in.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: String,
    /// Whose certificates count; `None`: without TLS.
    pub(crate) tls: Option<Arc<Folder>>,
    /// Of good requests.
    pub(crate) token: Option<&'static str>,
}

impl Door {
    /// Without TLS and tokens.
    pub(crate) fn open(address: impl ToString) -> Self {
        Self {
            address: address.to_string(),
            tls: None,
            token: None,
        }
    }

    /// A connection of one who has this name, as `tenant/a`.
    pub(crate) async fn socket(&self, name: Option<&str>) -> io::Result<Socket> {
        let socket = TcpStream::connect(&self.address).await?;
        let Some(folder) = &self.tls else {
            return Ok(Either::Left(socket));
        };
        let server = ServerName::try_from(NAME).expect("a name");
        let connector = TlsConnector::from(folder.client(name));
        Ok(Either::Right(connector.connect(server, socket).await?))
    }

    /// The same for messages.
    pub(crate) async fn channel(&self, name: Option<&str>) -> Result<Channel, tonic::transport::Error> {
        let (door, name) = (self.clone(), name.map(str::to_owned));
        let connect = tower::service_fn(move |_: Uri| {
            let (door, name) = (door.clone(), name.clone());
            async move { Ok::<_, io::Error>(TokioIo::new(door.socket(name.as_deref()).await?)) }
        });
        Endpoint::from_static("http://x")
            .connect_with_connector(connect)
            .await
    }

    /// What the good requests carry in `authorization`.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.token.map(|token| format!("Bearer {token}"))
    }

    /// A good request.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(value) = self.authorization() {
            let value = value.parse().expect("a header");
            request.metadata_mut().insert("authorization", value);
        }
        request
    }
}
