//! Tenants: what each may have queued, in flight and admitted, and whose turn it is. A tenant of which nothing is
//! left is forgotten, once what it was admitted ahead of its rate is paid off.

use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::{
    Action, CallRate, Refusal, TenantKey, TenantLimit, TenantLimits, TenantStatus, Time, WaitReason,
    timers::{Armed, Timer, Timers},
    track::Track,
};

/// What one turn of a tenant of weight 1 counts; of a heavier one it counts less.
const TURN: u64 = 1 << 16;
/// When an execution refused for queued calls is worth another try.
const QUEUE_RETRY: Duration = Duration::from_secs(1);

/// Tenants with an execution, with attempts in flight, or ahead of their rate.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    tenants: FxHashMap<TenantKey, Tenant>,
    /// Of which nothing was left at some time since [`Self::settle`].
    idle: Vec<TenantKey>,
    /// The turn last taken by any tenant.
    clock: u64,
    /// How many have a `max_in_flight`.
    limited: usize,
}

#[derive(Debug)]
struct Tenant {
    limits: TenantLimits,
    executions: usize,
    in_flight: usize,
    /// Calls accepted, not ended and not in flight.
    queued: usize,
    /// Of these, the ready ones.
    ready: usize,
    /// The rate limit's memory: when the next call would be admitted if calls came evenly spread.
    next_call: Time,
    timer: Option<Armed>,
    turn: u64,
    /// The turn last taken by an execution of it.
    clock: u64,
    /// When it was at `max_in_flight`.
    limited: Track,
}

impl Tenants {
    /// Why these calls are not admitted now; nothing is counted.
    pub(crate) fn refusal(
        &self,
        key: TenantKey,
        now: Time,
        calls: usize,
        limits: &TenantLimits,
    ) -> Option<Refusal> {
        let tenant = self.tenants.get(&key);
        let refused = |limit, retry_after| Some(Refusal::TenantLimit { limit, retry_after });
        // What could never start is not queued.
        if limits.max_in_flight == Some(0) {
            return refused(TenantLimit::InFlight, None);
        }
        if let Some(most) = limits.max_queued_calls.map(|most| most as usize) {
            let queued = tenant.map_or(0, |tenant| tenant.queued);
            if calls > most {
                return refused(TenantLimit::QueuedCalls, None);
            }
            if queued + calls > most {
                return refused(TenantLimit::QueuedCalls, Some(QUEUE_RETRY));
            }
        }
        let rate = limits.rate.as_ref()?;
        let Some(interval) = interval(rate) else {
            return refused(TenantLimit::CallsPerSecond, None);
        };
        let next_call = tenant.map_or(Time::ZERO, |tenant| tenant.next_call);
        let opens = opens_at(next_call, interval, rate.burst, calls);
        (opens > now)
            .then(|| refused(TenantLimit::CallsPerSecond, Some(opens.since(now))))
            .flatten()
    }

    /// An execution of so many calls is admitted. True: limits changed, and what waited may start.
    pub(crate) fn admit(&mut self, key: TenantKey, now: Time, calls: usize, limits: TenantLimits) -> bool {
        let tenant = self.tenants.entry(key).or_insert_with(|| {
            self.limited += usize::from(limits.max_in_flight.is_some());
            Tenant::new(limits)
        });
        tenant.executions += 1;
        tenant.queued += calls;
        if let Some(interval) = limits.rate.as_ref().and_then(interval) {
            tenant.next_call = tenant.next_call.max(now) + times(interval, calls);
        }
        let changed = tenant.limits != limits;
        if changed {
            self.limited += usize::from(limits.max_in_flight.is_some());
            self.limited -= usize::from(tenant.limits.max_in_flight.is_some());
            tenant.limits = limits;
            tenant.note_limit(now);
        }
        changed
    }

    /// A submission of it was refused: where nothing is known of it, it is to be forgotten.
    pub(crate) fn refused(&mut self, key: TenantKey) {
        if self.tenants.get(&key).is_none_or(Tenant::is_idle) {
            self.idle.push(key);
        }
    }

    /// An execution of it has ended.
    pub(crate) fn finish(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.executions -= 1;
            if tenant.is_idle() {
                self.idle.push(key);
            }
        }
    }

    /// A call of it is ready. `turn` is that of its execution, `first` says that this had no ready call. What was
    /// idle, or is new, has saved no turns: it goes behind those that wait already. What has ready calls keeps
    /// its turn, or whoever gets new calls often would never have one.
    pub(crate) fn queue(&mut self, key: TenantKey, turn: &mut u64, first: bool) {
        let clock = self.clock;
        if let Some(tenant) = self.tenants.get_mut(&key) {
            if tenant.ready == 0 {
                tenant.turn = tenant.turn.max(clock + tenant.stride());
            }
            tenant.ready += 1;
            if first {
                *turn = (*turn).max(tenant.clock + 1);
            }
        }
    }

    /// A ready call of it is not ready any more.
    pub(crate) fn unqueue(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.ready -= 1;
        }
    }

    /// A call of it that was not in flight has ended.
    pub(crate) fn leave(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.queued -= 1;
        }
    }

    /// A call of it that was in flight waits for another attempt.
    pub(crate) fn come_back(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.queued += 1;
        }
    }

    /// A ready call of it is dispatched: it takes its turn, and so does its execution.
    pub(crate) fn take_turn(&mut self, now: Time, key: TenantKey, turn: &mut u64) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.ready -= 1;
            tenant.queued -= 1;
            tenant.in_flight += 1;
            tenant.note_limit(now);
            self.clock = self.clock.max(tenant.turn);
            tenant.turn += tenant.stride();
            tenant.clock = tenant.clock.max(*turn);
            *turn += 1;
        }
    }

    /// An attempt of it does not count any more.
    pub(crate) fn release(&mut self, now: Time, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.in_flight -= 1;
            tenant.note_limit(now);
            if tenant.is_idle() {
                self.idle.push(key);
            }
        }
    }

    /// Its timer fired.
    pub(crate) fn rested(&mut self, key: TenantKey) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.timer = None;
            self.idle.push(key);
        }
    }

    /// Forgets those of which nothing is left, or sees to it that they are forgotten.
    pub(crate) fn settle(&mut self, now: Time, timers: &mut Timers, out: &mut Vec<Action>) {
        while let Some(key) = self.idle.pop() {
            if let Some(tenant) = self.tenants.get_mut(&key) {
                if !tenant.is_idle() {
                    continue;
                }
                if tenant.limits.rate.is_some() && tenant.next_call > now {
                    timers.arm(&mut tenant.timer, tenant.next_call, Timer::Tenant(key));
                    continue;
                }
                timers.cancel(&mut tenant.timer);
                self.limited -= usize::from(tenant.limits.max_in_flight.is_some());
                self.tenants.remove(&key);
            }
            out.push(Action::ForgetTenant { tenant: key });
        }
    }

    /// Nothing is to be settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.idle.is_empty()
    }

    /// Turns taken; `None`: no other attempt of it may start.
    pub(crate) fn open_turn(&self, key: TenantKey) -> Option<u64> {
        match self.tenants.get(&key) {
            Some(tenant) => tenant.is_below_limit().then_some(tenant.turn),
            None => Some(0),
        }
    }

    /// Attempts that may be in flight beside those that are; `None`: any number.
    pub(crate) fn places(&self, key: TenantKey) -> Option<usize> {
        let tenant = self.tenants.get(&key)?;
        let limit = tenant.limits.max_in_flight? as usize;
        Some(limit.saturating_sub(tenant.in_flight))
    }

    /// No tenant has a `max_in_flight`, as in most coordinators.
    pub(crate) fn limit_none(&self) -> bool {
        self.limited == 0
    }

    /// When it was at its limit; `None`: it has none.
    pub(crate) fn limited(&self, key: TenantKey) -> Option<&Track> {
        if self.limit_none() {
            return None;
        }
        let tenant = self.tenants.get(&key)?;
        tenant.limits.max_in_flight?;
        Some(&tenant.limited)
    }

    /// All of them, in no order.
    pub(crate) fn statuses(&self, now: Time) -> impl Iterator<Item = TenantStatus> + '_ {
        self.tenants.iter().map(move |(&key, tenant)| TenantStatus {
            tenant: key,
            limits: tenant.limits,
            in_flight: tenant.in_flight,
            queued: tenant.queued,
            rate_used: tenant.rate_used(now),
        })
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.tenants.len()
    }
}

impl Tenant {
    fn new(limits: TenantLimits) -> Self {
        Self {
            limits,
            executions: 0,
            in_flight: 0,
            queued: 0,
            ready: 0,
            next_call: Time::ZERO,
            timer: None,
            turn: 0,
            clock: 0,
            limited: Track::default(),
        }
    }

    /// Its attempts in flight, or its limit, changed.
    fn note_limit(&mut self, now: Time) {
        if self.limits.max_in_flight.is_none() && self.limited.now().is_none() {
            return;
        }
        let is_at_limit = !self.is_below_limit();
        self.limited
            .set(now, is_at_limit.then_some(WaitReason::TenantLimit));
    }

    /// How much of its burst is used.
    fn rate_used(&self, now: Time) -> Option<f64> {
        let rate = self.limits.rate.as_ref()?;
        let burst = times(interval(rate)?, rate.burst.max(1) as usize);
        Some(self.next_call.since(now).as_secs_f64() / burst.as_secs_f64())
    }

    /// Nothing of it is left.
    fn is_idle(&self) -> bool {
        self.executions == 0 && self.in_flight == 0
    }

    fn is_below_limit(&self) -> bool {
        self.limits
            .max_in_flight
            .is_none_or(|limit| self.in_flight < limit as usize)
    }

    /// What a turn of it counts.
    fn stride(&self) -> u64 {
        TURN / u64::from(self.limits.weight.clamp(1, TenantLimits::HEAVIEST))
    }
}

/// Time between calls; `None`: none is ever admitted.
fn interval(rate: &CallRate) -> Option<Duration> {
    (rate.per_second > 0.0)
        .then(|| Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::MAX))
}

/// When so many calls are admitted together. Up to `burst` come ahead of their time; what is larger than that
/// waits until nothing is owed, and leaves a debt.
fn opens_at(next_call: Time, interval: Duration, burst: u32, calls: usize) -> Time {
    let burst = burst.max(1) as usize;
    let early = times(interval, burst - calls.min(burst));
    Time::from_duration(next_call.since_origin().saturating_sub(early))
}

fn times(interval: Duration, count: usize) -> Duration {
    interval.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn opens_after(next_call_ms: u64, burst: u32, calls: usize) -> u128 {
        let next_call = Time::from_duration(Duration::from_millis(next_call_ms));
        opens_at(next_call, INTERVAL, burst, calls)
            .since_origin()
            .as_millis()
    }

    #[test]
    fn calls_are_admitted_ahead_of_their_time_by_what_the_burst_leaves() {
        assert_eq!(
            opens_after(1000, 5, 5),
            1000,
            "the whole burst: nothing may be owed"
        );
        assert_eq!(opens_after(1000, 5, 1), 600);
        assert_eq!(opens_after(1000, 1, 1), 1000);
        assert_eq!(opens_after(1000, 0, 1), 1000, "a burst of none is one of one");
    }

    #[test]
    fn more_than_the_burst_waits_until_nothing_is_owed() {
        assert_eq!(opens_after(1000, 5, 6), 1000);
        assert_eq!(opens_after(0, 5, 1_000_000), 0);
    }

    #[test]
    fn a_rate_of_nothing_admits_nothing_and_a_tiny_one_does_not_overflow() {
        let rate = |per_second| CallRate { per_second, burst: 1 };
        assert_eq!(interval(&rate(0.0)), None);
        assert_eq!(interval(&rate(10.0)), Some(INTERVAL));
        assert_eq!(interval(&rate(f64::MIN_POSITIVE)), Some(Duration::MAX));
        assert_eq!(times(Duration::MAX, 7), Duration::MAX);
    }
}
