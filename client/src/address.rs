//! The address of a coordinator, checked before anything is dialled. Knows nothing of connections.

use tonic::transport::Uri;

use crate::ClientError;

/// The port that a coordinator listens on unless told otherwise; named in hints only, never assumed.
const USUAL_PORT: u16 = 7420;

/// Takes `http://host:port` and nothing else, so that a slip is named here rather than met as a time-out.
pub(crate) fn parse(text: &str) -> Result<Uri, ClientError> {
    let wrong = |reason: String| ClientError::Address {
        address: text.to_owned(),
        reason,
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(wrong(format!("it has no scheme; expected http://{text}")));
    };
    match scheme {
        "http" => {}
        "https" => {
            return Err(wrong(format!(
                "this client speaks plaintext HTTP/2 and a coordinator serves it; expected http://{rest}"
            )));
        }
        other => {
            return Err(wrong(format!(
                "`{other}` is no scheme of a coordinator; expected http://{rest}"
            )));
        }
    }
    let uri: Uri = text
        .parse()
        .map_err(|error| wrong(format!("{error}; expected http://HOST:PORT")))?;
    match uri.path_and_query().map(|path| path.as_str()) {
        None | Some("/") => {}
        Some(path) => return Err(wrong(format!("`{path}` is too much; expected http://HOST:PORT"))),
    }
    let host = uri.host().unwrap_or_default();
    if host.is_empty() {
        return Err(wrong("it names no host; expected http://HOST:PORT".to_owned()));
    }
    match uri.port_u16() {
        Some(0) => Err(wrong("nothing listens on port 0".to_owned())),
        Some(_) => Ok(uri),
        // The URI type reads what is no port as none.
        None if uri
            .authority()
            .is_some_and(|authority| authority.as_str() != host) =>
        {
            Err(wrong(format!(
                "its port is none of 1 to 65535; expected http://{host}:{USUAL_PORT}"
            )))
        }
        None => Err(wrong(format!(
            "it has no port; expected http://{host}:{USUAL_PORT}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn reason(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn host_and_port_are_taken() {
        for text in [
            "http://127.0.0.1:7420",
            "http://[::1]:7420",
            "http://coordinator.example:1/",
        ] {
            assert_eq!(parse(text).expect(text).scheme_str(), Some("http"));
        }
    }

    #[test]
    fn each_slip_is_named_with_what_would_be_right() {
        assert!(reason("htp://localhost:7420").contains("`htp` is no scheme"));
        assert!(reason("https://localhost:7420").contains("plaintext"));
        assert!(reason("http://localhost").contains("http://localhost:7420"));
        assert!(reason("localhost:7420").contains("http://localhost:7420"));
        assert!(reason("http://localhost:0").contains("port 0"));
        assert!(reason("http://localhost:99999").contains("none of 1 to 65535"));
        assert!(reason("http://localhost:7420/v1").contains("`/v1` is too much"));
        assert!(reason("http://").contains("expected http://"));
    }
}
