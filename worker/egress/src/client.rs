//! The client: it resolves a name once, connects to what was checked, and uses no way around that.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{
    ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use crate::policy::Policy;

const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// Finds the addresses of a name. Port 0 stands for the port of the URL.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver.
#[must_use]
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.collect())
        })
    })
}

/// A client whose names are resolved by `lookup` and whose addresses are checked by `policy`: no proxy, no redirects,
/// no retries, no referer, no decompression, connections within 10 s.
///
/// A host that is written as an address is not resolved: whoever sends a request checks its URL with
/// [`Policy::check`] first, as [`Exchange`](crate::Exchange) does.
pub fn client(policy: &Policy, lookup: Lookup) -> ClientBuilder {
    // An error says that the process has a provider already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientBuilder::new()
        .user_agent(concat!("toolwave/", env!("CARGO_PKG_VERSION")))
        // A proxy would resolve names itself, past the check.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_gzip()
        .dns_resolver(Arc::new(CheckedResolver {
            policy: policy.clone(),
            lookup,
        }))
        .connect_timeout(MAX_CONNECT_TIME)
        .pool_idle_timeout(MAX_IDLE_TIME)
        .pool_max_idle_per_host(4)
}

/// Resolves names for the client, and lets none through of which any address is refused: a name cannot mean one
/// address when it is checked and another when it is used.
struct CheckedResolver {
    policy: Policy,
    lookup: Lookup,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let policy = self.policy.clone();
        let found = (self.lookup)(host.clone());
        Box::pin(async move {
            let found = found.await?;
            for address in &found {
                policy.check_address(&host, address.ip(), None)?;
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}
