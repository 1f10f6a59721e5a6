//! Instants and spans as the protocol has them, made fit for subtraction and for people. Reads no clock.

use std::time::Duration;

use prost_types::Timestamp;

/// Nanoseconds since 1970. Whatever a coordinator sends fits.
pub(crate) fn nanos(at: &Timestamp) -> i128 {
    i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos)
}

/// From one instant to another; nothing where the order is wrong or an end is missing.
pub(crate) fn elapsed(from: Option<&Timestamp>, to: Option<&Timestamp>) -> Duration {
    match (from, to) {
        (Some(from), Some(to)) => span(nanos(to) - nanos(from)),
        _ => Duration::ZERO,
    }
}

/// A span of so many nanoseconds; a negative one is none.
pub(crate) fn span(nanos: i128) -> Duration {
    let nanos = u128::try_from(nanos).unwrap_or_default();
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanos % 1_000_000_000) as u32)
}

/// `2026-11-23T11:52:18.120Z`, for scripts. None where the year has not four digits: nothing reads such an instant.
pub(crate) fn rfc3339(at: &Timestamp) -> Option<String> {
    let since = span(nanos(at));
    let at = std::time::UNIX_EPOCH.checked_add(since)?;
    // humantime writes no year after 9999
    (nanos_are_writable(since)).then(|| humantime::format_rfc3339_millis(at).to_string())
}

fn nanos_are_writable(since: Duration) -> bool {
    const YEAR_10000: u64 = 253_402_300_800;
    since.as_secs() < YEAR_10000
}

/// `2026-11-23 11:52:18`, for people, in UTC.
pub(crate) fn shown(at: Option<&Timestamp>) -> String {
    let text = at.and_then(rfc3339).unwrap_or_default();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => "-".to_owned(),
    }
}

/// A long time in two units, as `3 h 12 min`.
pub(crate) fn long(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: i32) -> Timestamp {
        Timestamp { seconds, nanos }
    }

    #[test]
    fn instants_of_any_size_are_written_or_left_out() {
        assert_eq!(shown(Some(&at(1_795_434_738, 0))), "2026-11-23 11:52:18");
        assert_eq!(shown(None), "-");
        assert_eq!(shown(Some(&at(i64::MAX, i32::MAX))), "-");
        assert_eq!(rfc3339(&at(253_402_300_800, 0)), None);
        assert_eq!(
            rfc3339(&at(i64::MIN, 0)).as_deref(),
            Some("1970-01-01T00:00:00.000Z")
        );
    }

    #[test]
    fn a_span_is_never_negative_and_never_overflows() {
        assert_eq!(elapsed(Some(&at(5, 0)), Some(&at(3, 0))), Duration::ZERO);
        assert_eq!(
            elapsed(Some(&at(1, 500)), Some(&at(2, 0))),
            Duration::from_nanos(999_999_500)
        );
        assert!(elapsed(Some(&at(i64::MIN, 0)), Some(&at(i64::MAX, 0))) > Duration::from_secs(u64::MAX / 2));
    }

    #[test]
    fn long_times_have_two_units() {
        let shown = |seconds| long(Duration::from_secs(seconds));
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(61), "1 min 1 s");
        assert_eq!(shown(11_520), "3 h 12 min");
        assert_eq!(shown(200_000), "2 d 7 h");
    }
}
