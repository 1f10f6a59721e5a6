"""What goes into a client and comes out of it. Plain dictionaries where people write or print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Union

from typing_extensions import NotRequired, Required, TypedDict

Seconds = Union[float, int, timedelta]
"""A length of time: seconds, or a timedelta."""

Schedule = Literal["pipelined", "barrier"]
OnFailure = Literal["continue", "fail_fast"]
OutcomeName = Literal[
    "SUCCEEDED",
    "FAILED",
    "REJECTED",
    "TIMED_OUT",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "SKIPPED",
    "UNAVAILABLE",
    "UNKNOWN",
]

WaitReason = Literal[
    "NO_WORKER",
    "SLOTS",
    "COORDINATOR_LIMIT",
    "EXECUTION_LIMIT",
    "TENANT_LIMIT",
    "TOOL_LIMIT",
    "TOOL_RATE",
    "TOOL_WORKER_LIMIT",
    "BACKOFF",
    "TURN",
    "UNSPECIFIED",
]
"""What held a call back: the workers' slots, a limit, its tool's rate. TURN is none of the others."""


class RetryPolicy(TypedDict, total=False):
    """When a failed attempt is followed by another. What is left out takes the coordinator's default."""

    max_attempts: int
    initial_backoff: Seconds
    max_backoff: Seconds
    multiplier: float


class ToolCall(TypedDict, total=False):
    """One call. `parameters` may hold references such as `${search.result}` to the results of other calls."""

    tool_name: Required[str]
    parameters: Mapping[str, Any]
    """Default: {}."""
    parameters_json: str | bytes
    """Instead of `parameters`: the object as JSON text, sent as it is. Text that is broken fails this call alone."""
    id: str
    """Unique in the execution; default: the index in decimal."""
    depends_on: Sequence[str]
    priority: int
    """0 to 3; higher starts first."""
    timeout: Seconds
    """Execution time of one attempt."""
    queue_timeout: Seconds
    retry: RetryPolicy
    idempotency_key: str


class Violation(TypedDict):
    """What is wrong with one parameter. `path` is a JSON Pointer; "" is the whole object."""

    path: str
    description: str


class CallFailure(TypedDict):
    """Why a call, or one attempt of it, did not succeed."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None
    details: Any
    root_call_id: str | None
    may_have_run: bool
    violations: list[Violation]


class Attempt(TypedDict):
    """One try of a call on one worker. Times are seconds since 1970."""

    number: int
    worker: str
    started_at: float | None
    ended_at: float | None
    failure: CallFailure | None
    late: bool
    dispatched_at: float | None
    """When the coordinator sent it to the worker."""


class ToolResult(TypedDict):
    """How a call ended. The first four are all that most callers look at."""

    tool_name: str
    success: bool
    result: Any
    """None where the call did not succeed."""
    error: str | None
    id: str
    outcome: OutcomeName
    error_code: str | None
    retryable: bool
    """The same call may succeed later, the tool says."""
    retry_after: float | None
    details: Any
    violations: list[Violation]
    may_have_run: bool
    root_call_id: str | None
    """The call whose failure is the cause of this one's (SKIPPED, FAIL_FAST)."""
    wave: int
    attempts: list[Attempt]
    queue_time: float
    execution_time: float
    omitted_result_bytes: NotRequired[int]
    """Only there when the result was larger than the client takes, and was left out."""


@dataclass(frozen=True)
class Wait:
    """What ready calls waited for."""

    reason: WaitReason
    subject: str
    """The tool, the tenant or the worker where the limit is theirs; else empty."""
    time: float
    """Seconds, summed over the calls."""
    calls: int


@dataclass(frozen=True)
class Analysis:
    """Why an execution took as long as it did. Times are seconds."""

    critical_path: list[int]
    """The chain of calls that the end waited for, first to last: indices into the calls."""
    critical_path_execution: float
    """What the calls of that chain took to execute; the rest of the duration was waiting."""
    waits: list[Wait]
    """Longest first. Their sum may exceed the duration."""
    retries: int
    retry_time: float
    """Backoffs, and attempts that failed and were followed by another."""
    lower_bound: float
    """With any number of slots it takes this long."""
    peak_in_flight: int
    saved_by_one_more_slot: float | None
    """An estimate of what one more call in flight at once would have saved; None of executions too large for it."""


@dataclass(frozen=True)
class Summary:
    """An execution as a whole. Times are seconds."""

    execution_id: str
    calls: int
    waves: int
    outcomes: dict[OutcomeName, int]
    duration: float
    sequential_duration: float
    """What the calls would have taken one after another."""
    attempts: int
    at: float | None = None
    """When the event came about, in seconds since 1970; None outside streams."""
    analysis: Analysis | None = None
    """None from a coordinator that does not tell."""
    kind: Literal["summary"] = "summary"


@dataclass(frozen=True)
class Resubmission:
    """A coordinator did not take an execution, or did not answer it, and another was asked."""

    address: str
    reason: str
    may_have_run: bool
    """Calls of it may have run there, and run twice."""


@dataclass(frozen=True)
class Execution:
    """All results, in request order, and the summary."""

    results: list[ToolResult]
    summary: Summary
    resubmissions: list[Resubmission] = field(default_factory=list)
    """Coordinators that were asked before the one that answered."""


@dataclass(frozen=True)
class Planned:
    """The first event. `waves[i]` holds indices into the calls."""

    at: float
    execution_id: str
    waves: list[list[int]]
    kind: Literal["planned"] = "planned"


@dataclass(frozen=True)
class Started:
    """An attempt began on a worker."""

    at: float
    call_index: int
    attempt: int
    worker: str
    kind: Literal["started"] = "started"


@dataclass(frozen=True)
class Progressed:
    """How far an attempt is; `fraction` is 0 to 1, or None where nobody knows."""

    at: float
    call_index: int
    attempt: int
    fraction: float | None
    message: str
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True)
class Retried:
    """An attempt failed and another follows, after `backoff` seconds at the earliest."""

    at: float
    call_index: int
    attempt: int
    failure: CallFailure
    backoff: float
    kind: Literal["retried"] = "retried"


@dataclass(frozen=True)
class Ended:
    """A call ended; comes once for each."""

    at: float | None
    call_index: int
    result: ToolResult
    kind: Literal["result"] = "result"


Event = Union[Planned, Started, Progressed, Retried, Ended, Summary]


@dataclass(frozen=True)
class Edge:
    """`to` waits for `source`; both are indices into the calls."""

    source: int
    to: int
    origin: Literal["REFERENCE", "DEPENDS_ON", "EFFECT", "UNSPECIFIED"]
    detail: str


@dataclass(frozen=True)
class Plan:
    """What would run, in which order."""

    waves: list[list[int]]
    edges: list[Edge]
    rejected: list[Ended]
    """Calls that would be REJECTED as they stand."""
    critical_path_calls: int


@dataclass(frozen=True)
class Cancellation:
    """What became of a request to cancel."""

    execution_id: str
    already_ended: bool


@dataclass(frozen=True)
class Effect:
    """What a call of a tool touches: `key` is a template such as `file:{path}`."""

    mode: Literal["reads", "writes"]
    key: str


@dataclass(frozen=True)
class Tool:
    """A tool that workers of the cluster host."""

    name: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    effects: list[Effect]
    read_only: bool
    idempotent: bool
    honours_idempotency_key: bool
    timeout: float | None
    max_concurrency: int
    max_concurrency_per_worker: int
    rate_per_second: float
    rate_burst: int
    max_result_bytes: int
    labels: dict[str, str]
    workers: int
    """Connected workers that host it."""
    queued: int
    in_flight: int
