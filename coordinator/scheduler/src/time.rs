//! The scheduler's clock face: instants that come in with events. Never read from a clock here.

use std::{fmt, num::NonZeroU64, ops::Add, time::Duration};

/// An instant: nanoseconds since an origin that the driver chooses (its start). Kept as one more than that, so
/// that an `Option` of it takes no more room: every call and every attempt has some.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(NonZeroU64);

impl Time {
    /// The origin.
    pub const ZERO: Self = Self(NonZeroU64::MIN);
    /// Later than every instant that is reached.
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// The instant `since_origin` after the origin; saturates after 584 years.
    #[must_use]
    pub fn from_duration(since_origin: Duration) -> Self {
        Self::ZERO + since_origin
    }

    /// The time since the origin.
    #[must_use]
    pub fn since_origin(self) -> Duration {
        self.since(Self::ZERO)
    }

    /// Nanoseconds since `earlier`; none when that is later.
    #[inline]
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }

    /// The time since `earlier`; zero when that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&(self.0.get() - 1)).finish()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.since_origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_as_the_time_since_the_origin() {
        assert_eq!((Time::ZERO + Duration::from_millis(1500)).to_string(), "1.5s");
    }

    #[test]
    fn debug_shows_the_nanoseconds_since_the_origin() {
        assert_eq!(
            format!("{:?}", [Time::ZERO, Time::ZERO + Duration::from_nanos(7)]),
            "[Time(0), Time(7)]"
        );
    }

    #[test]
    fn an_optional_instant_takes_no_more_room() {
        assert_eq!(size_of::<Option<Time>>(), size_of::<u64>());
    }

    #[test]
    fn times_beyond_the_range_are_the_last_one() {
        assert_eq!(Time::ZERO + Duration::MAX, Time::MAX);
        assert_eq!(Time::from_duration(Duration::MAX), Time::MAX);
        assert_eq!(Time::ZERO.since(Time::MAX), Duration::ZERO);
    }
}
