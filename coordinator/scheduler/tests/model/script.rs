//! A script: how the world is set up, and what happens in it. Any numbers decode into a valid script, so that
//! proptest can shrink them and a plain generator can make many.

use std::{fmt, time::Duration};

use toolwave_scheduler::{
    AttemptEnd, AttemptFailure, CallRate, CallSpec, CancelReason, Config, ExecutionKey, OnFailure,
    Preparation, RetryPolicy, Schedule, Submission, TenantKey, TenantLimits, Time, ToolKey, ToolSpec,
    plan::{Edge, Need, Plan},
};

use crate::common::{ms, s};

/// Tools that are declared from the start; one more is called at times and never declared.
pub(crate) const TOOLS: u32 = 3;

/// Tenants that submit.
const TENANTS: u32 = 3;

/// A whole run.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) config: Config,
    pub(crate) tools: Vec<ToolSpec>,
    /// By their keys.
    pub(crate) tenants: Vec<TenantLimits>,
    pub(crate) processes: Vec<Host>,
    pub(crate) steps: Vec<Step>,
}

/// A worker as its operator set it up.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) slots: u32,
    pub(crate) tools: Vec<ToolKey>,
}

/// One thing that happens. `at` picks a process, a call or an execution among those there are.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Everything that is on its way arrives, and everything asked is answered.
    Pump,
    Submit {
        shape: u32,
        calls: u32,
    },
    /// A running attempt ends.
    End {
        at: u16,
        end: AttemptEnd,
    },
    Advance(Duration),
    /// Some messages arrive.
    Deliver {
        at: u16,
        down: u8,
        up: u8,
    },
    Resolve {
        at: u16,
        reject: bool,
    },
    /// The stream ends; the worker finds out now or later, and what was on its way is lost.
    Break {
        at: u16,
    },
    Crash {
        at: u16,
    },
    /// A new process under the name of one that crashed, or that is still there.
    Restart {
        at: u16,
    },
    Reconnect {
        at: u16,
    },
    /// What the worker says is lost from now on; it hears and works on.
    HalfOpen {
        at: u16,
    },
    /// Stops or goes on: no heartbeats, nothing read, nothing ends.
    Hang {
        at: u16,
    },
    Drain {
        at: u16,
        draining: bool,
    },
    Goodbye {
        at: u16,
    },
    Cancel {
        at: u16,
        reason: CancelReason,
    },
    ToolsChanged {
        at: u16,
        tools: u32,
    },
    /// The worker divides its slots otherwise: so many, at most all, are for this coordinator.
    SlotsChanged {
        at: u16,
        slots: u32,
    },
    Redeclare {
        tool: u32,
        spec: ToolSpec,
    },
    /// A report, or the answer to a `Resolve`, comes twice.
    Duplicate {
        at: u16,
    },
    /// A word of a session that ended comes after all.
    Stale {
        at: u16,
    },
    Heartbeat {
        at: u16,
    },
    /// The worker refuses the next dispatches that it reads.
    Refuse {
        at: u16,
        count: u8,
    },
    /// The worker loses an attempt without a word.
    Lose {
        at: u16,
    },
    /// The limits of the whole coordinator become others.
    LimitsChanged {
        max_in_flight: usize,
        max_queued_calls: usize,
    },
    /// Time passes and no timer fires before the next event.
    Lag(Duration),
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.config)?;
        for (tool, spec) in self.tools.iter().enumerate() {
            writeln!(f, "tool {tool}: {spec:?}")?;
        }
        for (tenant, limits) in self.tenants.iter().enumerate() {
            writeln!(f, "tenant {tenant}: {limits:?}")?;
        }
        for (host, process) in self.processes.iter().enumerate() {
            writeln!(f, "host {host}: {process:?}")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Script ===

impl Script {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let steps: Vec<(u8, u16, u32)> = (0..rng.usize(5..90))
            .map(|_| (rng.u8(0..Step::KINDS), rng.u16(..), rng.u32(..)))
            .collect();
        Self::decode(rng.u64(..), &steps)
    }

    pub(crate) fn decode(setup: u64, steps: &[(u8, u16, u32)]) -> Self {
        let mut rng = fastrand::Rng::with_seed(setup);
        let mut config = Config {
            seed: setup,
            startup_grace: Duration::ZERO,
            ..Config::default()
        };
        if rng.u8(..4) == 0 {
            config.startup_grace = s(20);
        }
        if rng.bool() {
            config.max_in_flight = rng.usize(1..5);
        }
        if rng.u8(..6) == 0 {
            config.max_queued_calls = rng.usize(1..12);
        }
        if rng.u8(..3) == 0 {
            config.max_refusals = rng.u32(..3);
            config.ejection_threshold = rng.u32(1..4);
        }
        if rng.u8(..3) == 0 {
            config.abort_confirmation = s(rng.u64(1..4));
        }
        let tools = (0..TOOLS).map(|_| tool_spec(&mut rng)).collect();
        let tenants = (0..TENANTS).map(|_| tenant_limits(&mut rng)).collect();
        let processes = (0..rng.usize(1..5))
            .map(|_| Host {
                slots: rng.u32(..20).clamp(1, 4) % 4 + u32::from(rng.u8(..12) > 0),
                tools: some_tools(rng.u32(1..8)),
            })
            .collect();
        Self {
            config,
            tools,
            tenants,
            processes,
            steps: steps
                .iter()
                .map(|&(kind, at, more)| Step::decode(kind, at, more))
                .collect(),
        }
    }
}

/// The tools whose bits are set.
pub(crate) fn some_tools(bits: u32) -> Vec<ToolKey> {
    (0..TOOLS)
        .filter(|tool| bits & (1 << tool) != 0)
        .map(ToolKey)
        .collect()
}

fn tool_spec(rng: &mut fastrand::Rng) -> ToolSpec {
    let mut spec = ToolSpec::default();
    if rng.u8(..3) == 0 {
        spec.max_concurrency = rng.u32(1..4);
    }
    if rng.u8(..3) == 0 {
        spec.max_concurrency_per_worker = rng.u32(1..3);
    }
    if rng.u8(..6) == 0 {
        spec.rate_per_second = f64::from(rng.u32(1..20)) / 2.0;
        spec.rate_burst = rng.u32(1..4);
    }
    spec
}

fn tenant_limits(rng: &mut fastrand::Rng) -> TenantLimits {
    let mut limits = TenantLimits {
        weight: rng.u32(1..4),
        ..TenantLimits::default()
    };
    if rng.u8(..3) == 0 {
        limits.max_in_flight = Some(rng.u32(0..4));
    }
    if rng.u8(..3) == 0 {
        limits.max_queued_calls = Some(rng.u32(0..12));
    }
    if rng.u8(..3) == 0 {
        limits.rate = Some(CallRate {
            per_second: f64::from(rng.u32(0..20)) / 2.0,
            burst: rng.u32(1..6),
        });
    }
    limits
}

// === impl Step ===

impl Step {
    /// Numbers that decode into a step; the lower, the more benign.
    pub(crate) const KINDS: u8 = 65;

    pub(crate) fn decode(kind: u8, at: u16, more: u32) -> Self {
        let bit = more & 1 == 1;
        match kind {
            0..=13 => Self::Pump,
            14..=20 => Self::Submit {
                shape: more,
                calls: u32::from(at % 7) + 1,
            },
            21..=30 => Self::End {
                at,
                end: attempt_end(more),
            },
            31..=34 => Self::Advance(ms(u64::from(more % 1000))),
            35..=37 => Self::Advance(ms(u64::from(more % 12_000))),
            38..=41 => Self::Deliver {
                at,
                down: (more % 4) as u8,
                up: (more / 4 % 4) as u8,
            },
            42 => Self::Resolve {
                at,
                reject: more.is_multiple_of(4),
            },
            43 | 44 => Self::Break { at },
            45 => Self::Crash { at },
            46 | 47 => Self::Restart { at },
            48 | 49 => Self::Reconnect { at },
            50 => Self::HalfOpen { at },
            51 => Self::Hang { at },
            52 => Self::Drain { at, draining: bit },
            53 => Self::Goodbye { at },
            54 => Self::Cancel {
                at,
                reason: if bit {
                    CancelReason::Requested
                } else {
                    CancelReason::ClientGone
                },
            },
            55 => Self::ToolsChanged { at, tools: more % 8 },
            56 => Self::Redeclare {
                tool: u32::from(at) % TOOLS,
                spec: tool_spec(&mut fastrand::Rng::with_seed(u64::from(more))),
            },
            57 => Self::Duplicate { at },
            58 => Self::Stale { at },
            59 => Self::Heartbeat { at },
            60 => Self::Refuse {
                at,
                count: (more % 3) as u8 + 1,
            },
            61 => Self::Lose { at },
            62 => Self::SlotsChanged { at, slots: more % 5 },
            63 => Self::LimitsChanged {
                max_in_flight: (more % 6) as usize + 1,
                max_queued_calls: match usize::from(at % 24) {
                    0 => Config::default().max_queued_calls,
                    few => few,
                },
            },
            _ => Self::Lag(ms(u64::from(more % 6000))),
        }
    }
}

fn attempt_end(more: u32) -> AttemptEnd {
    let retry_after = (more & 0x100 != 0).then(|| ms(u64::from(more >> 9) % 3000));
    AttemptEnd::Failed(match more % 14 {
        0..=4 => return AttemptEnd::Succeeded,
        5..=7 => AttemptFailure::ToolError {
            retryable: true,
            retry_after,
        },
        8 => AttemptFailure::ToolError {
            retryable: false,
            retry_after: None,
        },
        9 => AttemptFailure::BrokenContract,
        10 => AttemptFailure::ResultTooLarge,
        11 => AttemptFailure::TimedOut,
        // Stopped by its worker, which fenced itself.
        12 => AttemptFailure::Aborted,
        _ => AttemptFailure::WorkerLost,
    })
}

/// The execution that a `Submit` step makes.
pub(crate) fn submission(
    execution: ExecutionKey,
    shape: u32,
    calls: u32,
    now: Time,
    tenants: &[TenantLimits],
) -> Submission {
    let mut rng = fastrand::Rng::with_seed(u64::from(shape));
    let tenant = rng.u32(..TENANTS);
    let mut limits = tenants[tenant as usize];
    // An operator changes them on the way.
    if rng.u8(..6) == 0 {
        limits.max_in_flight = Some(rng.u32(1..5));
    }
    let density = rng.u8(..4);
    let mut edges = Vec::new();
    for to in 1..calls {
        for from in 0..to {
            if rng.u8(..6) < density {
                let need = if rng.u8(..4) == 0 {
                    Need::End
                } else {
                    Need::Success
                };
                edges.push(Edge { from, to, need });
            }
        }
    }
    let specs = (0..calls).map(|_| call_spec(&mut rng)).collect();
    Submission {
        execution,
        tenant: TenantKey(tenant),
        limits,
        plan: Plan::new(calls, &edges).expect("edges go from earlier calls to later ones"),
        calls: specs,
        max_concurrency: [None, Some(1), Some(2), Some(5)][rng.usize(..4)],
        schedule: if rng.u8(..3) == 0 {
            Schedule::Barrier
        } else {
            Schedule::Pipelined
        },
        on_failure: if rng.u8(..4) == 0 {
            OnFailure::FailFast
        } else {
            OnFailure::Continue
        },
        deadline: now + [s(5), s(30), s(300), s(300)][rng.usize(..4)],
    }
}

fn call_spec(rng: &mut fastrand::Rng) -> CallSpec {
    let tool = if rng.u8(..25) == 0 {
        TOOLS
    } else {
        rng.u32(..TOOLS)
    };
    let undeclared = tool == TOOLS;
    CallSpec {
        tool: ToolKey(tool),
        priority: rng.u8(..4),
        timeout: [s(1), s(5), s(30)][rng.usize(..3)],
        queue_timeout: (rng.u8(..5) == 0).then(|| s(rng.u64(1..6))),
        retry: RetryPolicy {
            max_attempts: rng.u32(1..5),
            max_backoff: s(2),
            ..RetryPolicy::default()
        },
        safe_to_repeat: rng.bool(),
        preparation: match rng.u8(..12) {
            0..=3 => Preparation::Resolve,
            4 => Preparation::Rejected,
            _ if undeclared => Preparation::Resolve,
            _ => Preparation::Ready,
        },
    }
}
