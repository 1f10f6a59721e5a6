//! Backoff: exponential with full jitter.

use std::time::Duration;

use crate::RetryPolicy;

/// The wait before the attempt after `failures` failures, drawn from zero to a bound that grows with them.
pub(crate) fn backoff(policy: &RetryPolicy, failures: u32, rng: &mut fastrand::Rng) -> Duration {
    bound(policy, failures).mul_f64(rng.f64())
}

/// `initial_backoff × multiplier ^ (failures − 1)`, at most `max_backoff`.
fn bound(policy: &RetryPolicy, failures: u32) -> Duration {
    let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = policy.initial_backoff.as_secs_f64() * policy.multiplier.powi(exponent);
    // The comparison comes first: a product past the range of Duration must not reach its constructor.
    if seconds < policy.max_backoff.as_secs_f64() {
        Duration::from_secs_f64(seconds)
    } else {
        policy.max_backoff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_maximum() {
        let policy = RetryPolicy::default();
        let bounds: Vec<u128> = [1, 2, 3, 8, 9, 1000, u32::MAX]
            .iter()
            .map(|&n| bound(&policy, n).as_millis())
            .collect();
        assert_eq!(bounds, [200, 400, 800, 25_600, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn the_wait_is_drawn_from_the_whole_range() {
        let mut rng = fastrand::Rng::with_seed(1);
        let waits: Vec<Duration> = (0..1000)
            .map(|_| backoff(&RetryPolicy::default(), 1, &mut rng))
            .collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(200)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(20)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(180)));
    }
}
