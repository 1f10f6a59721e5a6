//! Who speaks, as the connection or the token proves it: what a client may name, and for whom; what a worker may
//! offer. The listener verifies certificates; here it is only read whom they name.

mod audit;
mod config;
mod credentials;
mod gate;
mod identities;
mod jwt;
mod names;
mod operators;
mod peer;
mod refusal;
mod signatures;
mod tokens;
mod uri;
mod verified;
mod workers;

use std::sync::{Arc, LazyLock};

use tonic::Extensions;

pub use config::{Auth, ClientCertificate, Jwt, JwtKey, WorkerIdentity as WorkerIdentityEntry};
pub(crate) use gate::Gated;
pub(crate) use identities::{Audience, Identities};
pub use names::{BadPattern, NamePatterns};
pub(crate) use peer::Peer;
pub(crate) use refusal::Refusal;
pub(crate) use workers::WorkerIdentity;

/// The tenant of everybody where nobody has to say who they are.
pub const DEFAULT_TENANT: &str = "default";

/// A client, as its token or its certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whose its executions are, and whose limits they count against.
    pub tenant: Arc<str>,
    /// Who it is within its tenant, for the audit: the name of a token, the `sub` of a JWT, the URI of a
    /// certificate.
    pub subject: Arc<str>,
    /// The tools that it may name.
    pub tools: NamePatterns,
    /// It may use `AdminService`.
    pub operator: bool,
}

/// The client where a coordinator asks nobody who they are.
static OPEN: LazyLock<Arc<Client>> = LazyLock::new(|| {
    Arc::new(Client {
        tenant: DEFAULT_TENANT.into(),
        subject: "".into(),
        tools: NamePatterns::all(),
        operator: true,
    })
});

impl Client {
    /// Who sent a request: what the listener's check of it left in its extensions. Where there is no such check
    /// everybody is the operator of the default tenant.
    pub(crate) fn of(extensions: &Extensions) -> Arc<Self> {
        extensions.get::<Arc<Self>>().unwrap_or(&OPEN).clone()
    }
}
