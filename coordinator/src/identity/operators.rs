//! Operators who come in by another door than a listener of gRPC: decided alike, and told of alike.

use std::{net::SocketAddr, sync::Arc};

use tonic::{Extensions, codegen::http::HeaderMap};

use super::{
    Client, Identities, Refusal,
    identities::{Admitted, Audience},
};

impl Identities {
    /// Who asks, by the token in the headers; `None` where nobody has to say. A refusal is told of.
    pub(crate) fn operator(
        &self,
        headers: &HeaderMap,
        path: &str,
        peer: SocketAddr,
    ) -> Result<Option<Arc<Client>>, Refusal> {
        match self.admit(Audience::Operators, headers, &Extensions::new()) {
            Ok(Admitted::Client(client)) => Ok(Some(client)),
            Ok(Admitted::Anybody | Admitted::Worker(_)) => Ok(None),
            Err(refusal) => {
                self.tell_refused(path, Some(peer), &refusal);
                Err(refusal)
            }
        }
    }
}
