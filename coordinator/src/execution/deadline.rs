//! The deadline of an RPC, read from its `grpc-timeout` header: tonic ignores one that it cannot read, and
//! answers an expired one with the wrong code.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, codegen::http::HeaderMap};

use super::{text::quoted, violations::Violations};
use crate::error::{Reason, RequestError};

const HEADER: &str = "grpc-timeout";
/// The least and the most time kept back so that a partial answer arrives before the client gives up.
const MARGIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// When a request came, among its extensions where it has a deadline.
#[derive(Clone, Copy)]
pub(crate) struct Received(Instant);

// === impl Received ===

impl Received {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }
}

/// How long the execution of this RPC may take from now on; `None` where the client sets no deadline.
///
/// # Errors
/// The header cannot be read, or the deadline passed while the message was on its way.
pub(super) fn of<T>(request: &Request<T>) -> Result<Option<Duration>, RequestError> {
    let Some(timeout) = read(request.metadata().as_ref())? else {
        return Ok(None);
    };
    let spent = request
        .extensions()
        .get::<Received>()
        .map_or(Duration::ZERO, |received| received.0.elapsed());
    let left = (timeout - margin(timeout)).saturating_sub(spent);
    if left.is_zero() {
        return Err(RequestError::DeadlinePassed);
    }
    Ok(Some(left))
}

/// How long an RPC with these headers may go unanswered: a quarter of what is kept back remains.
///
/// # Errors
/// The header cannot be read, or the deadline has passed.
pub(crate) fn answer_within(headers: &HeaderMap) -> Result<Option<Duration>, RequestError> {
    let timeout = read(headers)?;
    Ok(timeout.map(|timeout| timeout - margin(timeout) / 4))
}

fn read(headers: &HeaderMap) -> Result<Option<Duration>, RequestError> {
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
    Ok(Some(timeout))
}

/// What is kept back: a twentieth; of a deadline too short for the least, a half.
fn margin(timeout: Duration) -> Duration {
    (timeout / 20).clamp(MARGIN.0, MARGIN.1).min(timeout / 2)
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

    fn request(text: &str) -> Request<()> {
        let mut request = Request::new(());
        let value = text.parse().expect("ASCII");
        request.metadata_mut().insert(HEADER, value);
        request
    }

    fn of(text: &str) -> Result<Option<Duration>, Reason> {
        super::of(&request(text)).map_err(|error| error.reason())
    }

    #[test]
    fn a_margin_is_kept_back_for_the_answer() {
        assert_eq!(of("100S"), Ok(Some(Duration::from_secs(99))));
        assert_eq!(of("10S"), Ok(Some(Duration::from_millis(9_500))));
        assert_eq!(of("100m"), Ok(Some(Duration::from_millis(80))));
        assert_eq!(of("10m"), Ok(Some(Duration::from_millis(5))));
        assert_eq!(of("99999999H").map(|timeout| timeout.is_some()), Ok(true));
        assert!(matches!(super::of(&Request::new(())), Ok(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_counts_from_when_the_request_came() {
        let mut request = request("10S");
        request.extensions_mut().insert(Received::now());
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(matches!(super::of(&request), Ok(Some(left)) if left == Duration::from_millis(5_500)));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(matches!(super::of(&request), Err(RequestError::DeadlinePassed)));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused() {
        for bad in ["abc", "-1S", "99999999999S", "10", "1X", "S", "", "1 S", "+1S"] {
            assert_eq!(of(bad), Err(Reason::BadDeadline), "{bad}");
        }
    }

    #[test]
    fn an_expired_deadline_is_its_own_error() {
        assert_eq!(of("0n"), Err(Reason::DeadlineExpired));
        assert_eq!(of("0H"), Err(Reason::DeadlineExpired));
    }
}
