//! Which addresses a host's name has now. It keeps nothing: whoever asks again hears what has changed.

use std::{fmt, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

/// A name server that says nothing must not hold up who asks.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up: the system's way, unless another was given. Cheap to clone.
#[derive(Clone, Default)]
pub struct Resolver(Option<Arc<dyn Fn(String, u16) -> Looking + Send + Sync>>);

impl Resolver {
    /// The system's: its hosts file, then DNS.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Asks `lookup` for the addresses of a host and a port, at once.
    #[must_use]
    pub fn by(lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(move |host, port| {
            let found = lookup(&host, port);
            Box::pin(std::future::ready(found))
        })))
    }

    /// All addresses, A and AAAA, each once and in order. An IP address is its own, and nobody is asked.
    ///
    /// # Errors
    /// The name has none, or nobody says so within 5 s.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let lookup = async {
            match &self.0 {
                Some(lookup) => lookup(host.to_owned(), port).await,
                None => tokio::net::lookup_host((host, port)).await.map(Iterator::collect),
            }
        };
        let mut found = tokio::time::timeout(LOOKUP_TIMEOUT, lookup)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer about the name"))??;
        found.sort_unstable();
        found.dedup();
        match found.is_empty() {
            false => Ok(found),
            true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = self.0.is_none();
        f.debug_struct("Resolver")
            .field("system", &system)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_has_each_of_its_addresses_once_and_an_ip_address_is_its_own() {
        let resolver = Resolver::by(|_, port| {
            let address = |last| SocketAddr::from(([10, 0, 0, last], port));
            Ok(vec![address(2), address(1), address(2)])
        });
        let found = resolver.resolve("coordinators", 7421).await.unwrap();
        assert_eq!(
            found,
            ["10.0.0.1:7421".parse().unwrap(), "10.0.0.2:7421".parse().unwrap()]
        );
        assert_eq!(
            resolver.resolve("::1", 7).await.unwrap(),
            ["[::1]:7".parse().unwrap()]
        );
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error() {
        let resolver = Resolver::by(|_, _| Ok(Vec::new()));
        assert_eq!(
            resolver.resolve("nobody", 1).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
