//! A service that is reached only by those it is for: asked of every request before anything of its body is read.

use std::{
    convert::Infallible,
    future::ready,
    sync::Arc,
    task::{Context, Poll},
};

use tonic::{
    Status,
    codegen::{
        BoxFuture, Service,
        http::{self, header::AUTHORIZATION},
    },
    server::NamedService,
};

use super::{
    Peer,
    identities::{Admitted, Audience, Identities},
};

/// A service and who may reach it.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    service: S,
    audience: Audience,
    identities: Arc<Identities>,
}

// === impl Gated ===

impl<S> Gated<S> {
    pub(crate) fn new(identities: &Arc<Identities>, audience: Audience, service: S) -> Self {
        Self {
            service,
            audience,
            identities: identities.clone(),
        }
    }
}

impl<S: NamedService> NamedService for Gated<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<http::Request<B>> for Gated<S>
where
    S: Service<
            http::Request<B>,
            Response = http::Response<tonic::body::Body>,
            Error = Infallible,
            Future = BoxFuture<http::Response<tonic::body::Body>, Infallible>,
        >,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let admitted = self
            .identities
            .admit(self.audience, request.headers(), request.extensions());
        match admitted {
            Ok(Admitted::Anybody) => {}
            Ok(Admitted::Client(client)) => {
                // Nothing behind this has any use for the token.
                request.headers_mut().remove(AUTHORIZATION);
                request.extensions_mut().insert(client);
            }
            Ok(Admitted::Worker(worker)) => {
                request.extensions_mut().insert(worker);
            }
            Err(refusal) => {
                let address = request.extensions().get::<Peer>().map(|peer| peer.address);
                self.identities
                    .tell_refused(request.uri().path(), address, &refusal);
                return Box::pin(ready(Ok(Status::from(refusal).into_http())));
            }
        }
        self.service.call(request)
    }
}
