//! The address of a coordinator, checked before anything is dialled. Knows nothing of connections.

use std::net::IpAddr;

use tonic::transport::Uri;

/// The port that a coordinator listens on unless told otherwise; named in hints only, never assumed.
const USUAL_PORT: u16 = 7420;

/// `http://HOST:PORT` or `https://HOST:PORT`, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    host: String,
    port: u16,
    tls: bool,
}

/// What is no address of a coordinator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct AddressError {
    /// As it was given, without what may be a password.
    pub address: String,
    /// What is wrong with it and, where that is not plain from it, what would be right.
    pub reason: String,
}

// === impl Address ===

impl Address {
    /// Checks the text, so that a slip is named here rather than met as a time-out.
    ///
    /// # Errors
    /// Says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (shown, password) = without_password(text);
        let wrong = |reason: String| AddressError {
            address: shown.clone(),
            reason,
        };
        let Some((scheme, rest)) = shown.split_once("://") else {
            return Err(wrong(format!("it has no scheme; expected http://{shown}")));
        };
        let tls = match scheme {
            "http" => false,
            "https" => true,
            other => {
                return Err(wrong(format!(
                    "`{other}` is no scheme of a coordinator; expected http://{rest} or https://{rest}"
                )));
            }
        };
        if password {
            return Err(wrong(format!(
                "it holds a user's name; expected {scheme}://HOST:PORT, and credentials elsewhere"
            )));
        }
        let uri: Uri = text
            .parse()
            .map_err(|error| wrong(format!("{error}; expected {scheme}://HOST:PORT")))?;
        match uri.path_and_query().map(|path| path.as_str()) {
            None | Some("/") => {}
            // It may hold a credential.
            Some(_) if uri.query().is_some() => {
                return Err(wrong(format!(
                    "what follows `?` is too much; expected {scheme}://HOST:PORT"
                )));
            }
            Some(path) => {
                return Err(wrong(format!(
                    "`{path}` is too much; expected {scheme}://HOST:PORT"
                )));
            }
        }
        let host = uri.host().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(wrong(format!("it names no host; expected {scheme}://HOST:PORT")));
        }
        match uri.port_u16() {
            Some(0) => Err(wrong("nothing listens on port 0".to_owned())),
            Some(port) => Ok(Self {
                host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
                uri,
                port,
                tls,
            }),
            // The URI type reads what is no port as none.
            None if uri
                .authority()
                .is_some_and(|authority| authority.as_str() != host) =>
            {
                Err(wrong(format!(
                    "its port is none of 1 to 65535; expected {scheme}://{host}:{USUAL_PORT}"
                )))
            }
            None => Err(wrong(format!(
                "it has no port; expected {scheme}://{host}:{USUAL_PORT}"
            ))),
        }
    }

    /// It begins with `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// What is said to it stays on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => {
                let host = self.host.trim_end_matches('.');
                host.eq_ignore_ascii_case("localhost")
            }
        }
    }

    /// The host's name, or its IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As requests name it.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// For whoever dials: TLS is put on top elsewhere.
    pub(crate) fn dialled(&self) -> Result<Uri, tonic::codegen::http::Error> {
        let bracket = self.host.contains(':');
        let (open, close) = if bracket { ("[", "]") } else { ("", "") };
        Uri::builder()
            .scheme("http")
            .authority(format!("{open}{}{close}:{}", self.host, self.port))
            .path_and_query("/")
            .build()
    }
}

/// The text with the part before `@` masked, and whether there was one.
fn without_password(text: &str) -> (String, bool) {
    let start = text.find("://").map_or(0, |at| at + 3);
    // No path belongs here, and a password may hold what one begins with.
    match text[start..].rfind('@') {
        Some(at) => (format!("{}***{}", &text[..start], &text[start + at..]), true),
        None => (text.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        Address::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn host_and_port_are_taken_with_and_without_tls() {
        for text in [
            "http://127.0.0.1:7420",
            "http://[::1]:7420",
            "http://coordinator.example:1/",
        ] {
            assert!(!Address::parse(text).expect(text).is_tls());
        }
        let address = Address::parse("https://[::1]:7420").unwrap();
        assert!(address.is_tls());
        assert_eq!(address.host(), "::1");
        assert_eq!(address.dialled().unwrap().to_string(), "http://[::1]:7420/");
    }

    #[test]
    fn each_slip_is_named_with_what_would_be_right() {
        for (text, named) in [
            ("htp://localhost:7420", "`htp` is no scheme"),
            ("http://localhost", "http://localhost:7420"),
            ("https://localhost", "https://localhost:7420"),
            ("localhost:7420", "http://localhost:7420"),
            ("http://localhost:0", "port 0"),
            ("http://localhost:99999", "none of 1 to 65535"),
            ("http://localhost:7420/v1", "`/v1` is too much"),
            ("http://", "expected http://"),
            ("http://a b:1", "expected http://HOST:PORT"),
        ] {
            assert!(reason(text).contains(named), "{text}: {}", reason(text));
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for text in [
            "http://user:secret@host:1",
            "ftp://secret@host:1",
            "user:secret@host:1",
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
        assert!(reason("http://user:secret@host:1").contains("user's name"));
    }

    #[test]
    fn loopback_is_what_stays_on_this_machine() {
        for (text, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]:1", true),
            ("http://LOCALHOST:1", true),
            ("http://localhost.example:1", false),
            ("http://10.0.0.1:1", false),
            ("http://0.0.0.0:1", false),
        ] {
            assert_eq!(
                Address::parse(text).expect(text).is_loopback(),
                loopback,
                "{text}"
            );
        }
    }
}
