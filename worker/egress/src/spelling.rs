//! URLs as people write them: what has two readings is refused.

use reqwest::Url;

/// Why a text is not taken as a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misspelled {
    /// It is no URL.
    #[error("{0}")]
    Invalid(String),
    /// It is one that nobody is sent to, or whose host is read otherwise than it is written.
    #[error("{0}")]
    Denied(String),
}

/// Takes URLs whose host is spelled as it will be read, so that what is checked is what is meant.
///
/// # Errors
/// Says what has two readings, or no permitted one.
pub fn url(text: &str) -> Result<Url, Misspelled> {
    let invalid = |reason: &str| Misspelled::Invalid(reason.to_owned());
    let denied = |reason: &str| Misspelled::Denied(reason.to_owned());
    if text
        .chars()
        .any(|character| character.is_control() || character.is_whitespace() || character == '\\')
    {
        return Err(invalid(
            "it holds spaces, control characters or backslashes; percent-encode them",
        ));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(invalid(
            "it is not absolute; one that is: https://example.com/path",
        ));
    };
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err(denied("only http and https are spoken"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(denied(
            "a user or password before the host is not taken; send an authorization header",
        ));
    }
    if authority.contains('%') {
        return Err(denied("zones and percent-encoding are not taken in a host"));
    }
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let written = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    if !written.eq_ignore_ascii_case(host) {
        return Err(denied(&format!("its host would be read as {host}: write that")));
    }
    Ok(url)
}
