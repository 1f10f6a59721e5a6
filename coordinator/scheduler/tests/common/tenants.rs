//! What must be true of tenants: what they may have in flight, queued and admitted, and that each is known just as
//! long as something of it is left. The rate is kept here as a bucket of tokens that fills.

use std::time::Duration;

use toolwave_scheduler::{
    CallRate, ExecutionKey, Scheduler, Submission, TenantKey, TenantLimit, TenantLimits, Time,
};

use super::{
    entities::State,
    shadow::{Shadow, Verdict, ensure},
};

/// Of a token, for what rounding does.
const TOLERANCE: f64 = 1e-5;

/// A tenant, as it last submitted with success.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) limits: TenantLimits,
    /// Tokens there were at that time; below zero: a debt.
    tokens: f64,
    at: Time,
}

/// A refusal that is due.
#[derive(Debug)]
pub(crate) struct OwnRefusal {
    limit: TenantLimit,
    retry_after: Option<Duration>,
}

impl Tenant {
    fn tokens(&self, now: Time, rate: &CallRate) -> f64 {
        let filled = self.tokens + now.since(self.at).as_secs_f64() * rate.per_second;
        filled.min(f64::from(rate.burst))
    }
}

impl OwnRefusal {
    pub(crate) fn check(
        &self,
        execution: ExecutionKey,
        limit: TenantLimit,
        retry_after: Option<Duration>,
    ) -> Verdict {
        let close = match (self.retry_after, retry_after) {
            (Some(expected), Some(told)) => expected.abs_diff(told) < Duration::from_micros(50),
            (expected, told) => expected == told,
        };
        ensure!(
            self.limit == limit && close,
            "S2: {execution:?} is refused for {limit:?} until {retry_after:?}, expected {self:?}"
        );
        Ok(())
    }
}

impl Shadow {
    /// Why the tenant's own limits refuse a submission now.
    pub(crate) fn refusal_of(&self, submission: &Submission) -> Option<OwnRefusal> {
        let limits = &submission.limits;
        let calls = submission.calls.len();
        let refusal = |limit, retry_after| Some(OwnRefusal { limit, retry_after });
        if limits.max_in_flight == Some(0) {
            return refusal(TenantLimit::InFlight, None);
        }
        if let Some(most) = limits.max_queued_calls {
            if calls > most as usize {
                return refusal(TenantLimit::QueuedCalls, None);
            }
            if self.queued_of(submission.tenant) + calls > most as usize {
                return refusal(TenantLimit::QueuedCalls, Some(Duration::from_secs(1)));
            }
        }
        let rate = limits.rate.as_ref()?;
        if rate.per_second == 0.0 {
            return refusal(TenantLimit::CallsPerSecond, None);
        }
        let missing = self.missing(submission, rate);
        let wait = Duration::from_secs_f64(missing.max(0.0) / rate.per_second);
        (missing > TOLERANCE)
            .then(|| refusal(TenantLimit::CallsPerSecond, Some(wait)))
            .flatten()
    }

    /// Tokens that its bucket lacks for a submission.
    fn missing(&self, submission: &Submission, rate: &CallRate) -> f64 {
        let burst = f64::from(rate.burst);
        let needed = (submission.calls.len() as f64).min(burst);
        let there = self
            .tenants
            .get(&submission.tenant)
            .map_or(burst, |tenant| tenant.tokens(self.now, rate));
        needed - there
    }

    /// It was rightly admitted; takes it in.
    pub(crate) fn check_admission(&mut self, submission: &Submission) -> Verdict {
        let own = self.refusal_of(submission);
        ensure!(
            own.is_none(),
            "S2: {:?} is admitted, expected {own:?}",
            submission.execution
        );
        let now = self.now;
        let tokens = submission.limits.rate.as_ref().map_or(0.0, |rate| {
            let full = f64::from(rate.burst);
            let known = self.tenants.get(&submission.tenant);
            known.map_or(full, |tenant| tenant.tokens(now, rate)) - submission.calls.len() as f64
        });
        let tenant = Tenant {
            limits: submission.limits,
            tokens,
            at: now,
        };
        self.tenants.insert(submission.tenant, tenant);
        Ok(())
    }

    /// Calls of a tenant that are accepted and not in flight.
    fn queued_of(&self, tenant: TenantKey) -> usize {
        self.executions
            .values()
            .filter(|execution| !execution.ended && execution.submission.tenant == tenant)
            .flat_map(|execution| &execution.calls)
            .filter(|call| !matches!(call.state, State::Done(_) | State::InFlight(_)))
            .count()
    }

    /// The scheduler forgets a tenant: nothing of it is left.
    pub(crate) fn forgotten(&mut self, tenant: TenantKey) -> Verdict {
        ensure!(
            !self.is_busy(tenant, true) && !self.is_ahead(tenant, TOLERANCE),
            "S2: {tenant:?} is forgotten, and something of it is left: {:?}",
            self.tenants.get(&tenant)
        );
        self.tenants.remove(&tenant);
        Ok(())
    }

    /// Something of it runs. `surely`: leaves out what may count or not.
    fn is_busy(&self, tenant: TenantKey, surely: bool) -> bool {
        let of = |execution| {
            self.executions
                .get(&execution)
                .is_some_and(|execution| execution.submission.tenant == tenant)
        };
        self.executions
            .values()
            .any(|execution| !execution.ended && execution.submission.tenant == tenant)
            || self.counted(surely, |_, call| of(call.execution)) > 0
    }

    /// It was admitted more than its rate allows in the long run.
    fn is_ahead(&self, tenant: TenantKey, tolerance: f64) -> bool {
        self.tenants.get(&tenant).is_some_and(|tenant| {
            let rate = tenant.limits.rate.as_ref();
            rate.is_some_and(|rate| tenant.tokens(self.now, rate) < f64::from(rate.burst) - tolerance)
        })
    }

    /// Every tenant of which something is left is known, and no other is.
    pub(crate) fn check_tenants(&self, scheduler: &Scheduler) -> Verdict {
        let known = scheduler.totals().tenants;
        let must = self
            .tenants
            .keys()
            .filter(|&&tenant| self.is_busy(tenant, true) || self.is_ahead(tenant, TOLERANCE))
            .count();
        ensure!(
            (must..=self.tenants.len()).contains(&known),
            "M1: {must} to {} tenants are busy, {known} are known",
            self.tenants.len()
        );
        // What is left out of `must` is only what may count or not, or is about to be forgotten by its timer.
        let next = scheduler.next_timeout().unwrap_or(Time::MAX);
        for &tenant in self.tenants.keys() {
            let rests = !self.is_busy(tenant, false);
            let due = next <= self.now + Duration::from_micros(50);
            ensure!(
                !rests || due || self.is_ahead(tenant, 0.0),
                "M1: nothing is left of {tenant:?}, and it is not forgotten"
            );
        }
        Ok(())
    }
}
