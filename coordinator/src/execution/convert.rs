//! Small values between the wire and the domain: durations, instants, policies, words of enums.

use std::time::{Duration, SystemTime};

use toolwave_proto::v1;
use toolwave_scheduler::{Outcome, RetryPolicy};

use super::limits::{LONGEST, MOST_ATTEMPTS};

/// The largest factor that a backoff grows by; more is a slip, and would overflow.
const LARGEST_MULTIPLIER: f64 = 100.0;

/// A duration that is zero or more, and at most [`LONGEST`].
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn duration(wire: &prost_types::Duration) -> Result<Duration, String> {
    let (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) =
        (u64::try_from(wire.seconds), u32::try_from(wire.nanos))
    else {
        return Err(format!(
            "{} s and {} ns are no duration: seconds must not be negative, nanos be 0 to 999999999",
            wire.seconds, wire.nanos
        ));
    };
    let duration = Duration::new(seconds, nanos);
    if duration > LONGEST {
        return Err(format!("{seconds} s are too long: at most 24 hours are allowed"));
    }
    Ok(duration)
}

/// A duration above zero, and at most [`LONGEST`].
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn timeout(wire: &prost_types::Duration) -> Result<Duration, String> {
    match duration(wire)? {
        Duration::ZERO => Err("a timeout of 0 can never be kept: leave it out, or set more".into()),
        timeout => Ok(timeout),
    }
}

/// A policy with the defaults filled in.
///
/// # Errors
/// The field that is wrong, and why.
pub fn retry_policy(wire: &v1::RetryPolicy) -> Result<RetryPolicy, (&'static str, String)> {
    let default = RetryPolicy::default();
    let max_attempts = match wire.max_attempts {
        0 => default.max_attempts,
        attempts @ 1..=MOST_ATTEMPTS => attempts,
        more => {
            return Err((
                "max_attempts",
                format!("{more} attempts are too many: 1 to {MOST_ATTEMPTS} are allowed"),
            ));
        }
    };
    let multiplier = match wire.multiplier {
        0.0 => default.multiplier,
        factor if (1.0..=LARGEST_MULTIPLIER).contains(&factor) => factor,
        factor => {
            return Err((
                "multiplier",
                format!("{factor} must be 1 to {LARGEST_MULTIPLIER}, or 0 for 2"),
            ));
        }
    };
    let initial = wire
        .initial_backoff
        .as_ref()
        .map(duration)
        .transpose()
        .map_err(|why| ("initial_backoff", why))?;
    let max = wire
        .max_backoff
        .as_ref()
        .map(duration)
        .transpose()
        .map_err(|why| ("max_backoff", why))?;
    // A bound that is left out adapts to the one that is set.
    let (initial_backoff, max_backoff) = match (initial, max) {
        (None, None) => (default.initial_backoff, default.max_backoff),
        (Some(initial), None) => (initial, default.max_backoff.max(initial)),
        (None, Some(max)) => (default.initial_backoff.min(max), max),
        (Some(initial), Some(max)) if initial > max => {
            return Err((
                "initial_backoff",
                format!("{initial:?} is longer than max_backoff, {max:?}"),
            ));
        }
        (Some(initial), Some(max)) => (initial, max),
    };
    Ok(RetryPolicy {
        max_attempts,
        initial_backoff,
        max_backoff,
        multiplier,
    })
}

/// To the wire. What is too long for it is cut to its longest.
#[must_use]
pub fn to_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: duration.subsec_nanos() as i32,
    }
}

/// To the wire. Instants before 1970 are none that this process can have seen.
#[must_use]
pub fn to_timestamp(at: SystemTime) -> prost_types::Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    prost_types::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos() as i32,
    }
}

/// To the wire.
#[must_use]
pub fn to_outcome(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Succeeded => v1::Outcome::Succeeded,
        Outcome::Failed => v1::Outcome::Failed,
        Outcome::Rejected => v1::Outcome::Rejected,
        Outcome::TimedOut => v1::Outcome::TimedOut,
        Outcome::DeadlineExceeded => v1::Outcome::DeadlineExceeded,
        Outcome::Cancelled => v1::Outcome::Cancelled,
        Outcome::Skipped => v1::Outcome::Skipped,
        Outcome::Unavailable => v1::Outcome::Unavailable,
        Outcome::Unknown => v1::Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(seconds: i64, nanos: i32) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos }
    }

    #[test]
    fn only_sane_durations_pass() {
        assert_eq!(timeout(&wire(1, 5)), Ok(Duration::new(1, 5)));
        assert_eq!(timeout(&wire(86_400, 0)), Ok(LONGEST));
        for bad in [
            (0, 0),
            (-1, 0),
            (0, -1),
            (1, 1_000_000_000),
            (90_000, 0),
            (i64::MAX, 0),
            (i64::MIN, i32::MIN),
        ] {
            assert!(timeout(&wire(bad.0, bad.1)).is_err(), "{bad:?}");
        }
        assert_eq!(duration(&wire(0, 0)), Ok(Duration::ZERO));
    }

    #[test]
    fn policies_fill_in_what_is_left_out() {
        let none = v1::RetryPolicy::default();
        assert_eq!(retry_policy(&none), Ok(RetryPolicy::default()));
        let short = v1::RetryPolicy {
            max_backoff: Some(wire(0, 1_000_000)),
            ..none
        };
        assert_eq!(
            retry_policy(&short).map(|policy| policy.initial_backoff),
            Ok(Duration::from_millis(1))
        );
        let long = v1::RetryPolicy {
            initial_backoff: Some(wire(60, 0)),
            ..none
        };
        assert_eq!(
            retry_policy(&long).map(|policy| policy.max_backoff),
            Ok(Duration::from_secs(60))
        );
    }

    #[test]
    fn policies_that_contradict_themselves_are_refused() {
        let none = v1::RetryPolicy::default();
        let field = |policy: &v1::RetryPolicy| retry_policy(policy).map_err(|(field, _)| field);
        assert_eq!(
            field(&v1::RetryPolicy {
                max_attempts: 11,
                ..none
            }),
            Err("max_attempts")
        );
        for multiplier in [0.5, -1.0, f64::NAN, f64::INFINITY, 101.0] {
            assert_eq!(field(&v1::RetryPolicy { multiplier, ..none }), Err("multiplier"));
        }
        let crossed = v1::RetryPolicy {
            initial_backoff: Some(wire(2, 0)),
            max_backoff: Some(wire(1, 0)),
            ..none
        };
        assert_eq!(field(&crossed), Err("initial_backoff"));
        assert_eq!(
            field(&v1::RetryPolicy {
                max_backoff: Some(wire(-2, 0)),
                ..none
            }),
            Err("max_backoff")
        );
    }
}
