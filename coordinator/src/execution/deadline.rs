//! The deadline of an RPC, read from its `grpc-timeout` header: tonic ignores one that it cannot read, and
//! answers an expired one with the wrong code.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

use super::{text::quoted, violations::Violations};
use crate::error::{Reason, RequestError};

const HEADER: &str = "grpc-timeout";
/// The least and the most time kept back so that a partial answer arrives before the client gives up.
const MARGIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How long the execution of an RPC with these headers may take; `None` where the client sets no deadline.
///
/// # Errors
/// The header cannot be read, or the deadline has passed.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Duration>, RequestError> {
    let Some(header) = headers.get(HEADER) else {
        return Ok(None);
    };
    let text = header.to_str().unwrap_or_default();
    let Some(timeout) = parse(text) else {
        let what = format!(
            "{} must be 1 to 8 digits and one of H, M, S, m, u, n",
            quoted(text)
        );
        return Err(RequestError::Invalid(Violations::one(
            Reason::BadDeadline,
            HEADER,
            what,
        )));
    };
    if timeout.is_zero() {
        return Err(RequestError::DeadlineExpired);
    }
    Ok(Some(less_margin(timeout)))
}

/// A twentieth is kept back; of a deadline too short for the least margin, a half.
fn less_margin(timeout: Duration) -> Duration {
    let margin = (timeout / 20).clamp(MARGIN.0, MARGIN.1);
    timeout - margin.min(timeout / 2)
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Duration>, Reason> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, text.parse().expect("ASCII"));
        of(&headers).map_err(|error| error.reason())
    }

    #[test]
    fn a_margin_is_kept_back_for_the_answer() {
        assert_eq!(read("100S"), Ok(Some(Duration::from_secs(99))));
        assert_eq!(read("10S"), Ok(Some(Duration::from_millis(9_500))));
        assert_eq!(read("100m"), Ok(Some(Duration::from_millis(80))));
        assert_eq!(read("10m"), Ok(Some(Duration::from_millis(5))));
        assert_eq!(read("99999999H").map(|timeout| timeout.is_some()), Ok(true));
        assert!(matches!(of(&HeaderMap::new()), Ok(None)));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused() {
        for bad in ["abc", "-1S", "99999999999S", "10", "1X", "S", "", "1 S", "+1S"] {
            assert_eq!(read(bad), Err(Reason::BadDeadline), "{bad}");
        }
    }

    #[test]
    fn an_expired_deadline_is_its_own_error() {
        assert_eq!(read("0n"), Err(Reason::DeadlineExpired));
        assert_eq!(read("0H"), Err(Reason::DeadlineExpired));
    }
}
