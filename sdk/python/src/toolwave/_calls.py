"""What both clients share: the methods of the service, and the options of an execution. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from typing_extensions import TypedDict

from toolwave import _request
from toolwave._errors import ParameterError
from toolwave._proto import execution_pb2 as pb
from toolwave._types import OnFailure, RetryPolicy, Schedule, Seconds, ToolCall

DEFAULT_CONCURRENCY = 5
DEFAULT_MAX_MESSAGE_BYTES = 64 << 20
ANSWER_MARGIN = 10.0
"""Seconds that the RPC may take beyond the execution's timeout: the answer comes before them, or nobody is there."""

_SERVICE = "/toolwave.v1.ExecutionService/"
METHODS: dict[str, tuple[str, Any, Any]] = {
    "execute": (
        f"{_SERVICE}ExecuteParallel",
        pb.ExecuteParallelRequest.SerializeToString,
        pb.ExecuteParallelResponse.FromString,
    ),
    "plan": (
        f"{_SERVICE}PlanExecution",
        pb.PlanExecutionRequest.SerializeToString,
        pb.PlanExecutionResponse.FromString,
    ),
    "cancel": (
        f"{_SERVICE}CancelExecution",
        pb.CancelExecutionRequest.SerializeToString,
        pb.CancelExecutionResponse.FromString,
    ),
    "list_tools": (
        f"{_SERVICE}ListTools",
        pb.ListToolsRequest.SerializeToString,
        pb.ListToolsResponse.FromString,
    ),
}
STREAM: tuple[str, Any, Any] = (
    f"{_SERVICE}ExecuteParallelStream",
    pb.ExecuteParallelStreamRequest.SerializeToString,
    pb.ExecuteParallelStreamResponse.FromString,
)


class ExecutionOptions(TypedDict, total=False):
    """How an execution runs, beside its calls."""

    timeout: Seconds | None
    schedule: Schedule | None
    on_failure: OnFailure | None
    idempotency_key: str | None
    retry: RetryPolicy | None
    traceparent: str | None


def execution_request(
    tool_calls: Iterable[ToolCall],
    max_concurrency: int | Literal["auto"] | None,
    options: ExecutionOptions,
    max_response_bytes: int,
) -> pb.ExecuteParallelRequest:
    """The request, checked as far as can be checked here."""
    unknown = options.keys() - ExecutionOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(("max_concurrency", *ExecutionOptions.__annotations__))
        raise TypeError(f"unknown options {', '.join(sorted(unknown))}; expected {known}")
    return _request.execution(
        tool_calls,
        max_concurrency,
        timeout=options.get("timeout"),
        schedule=options.get("schedule"),
        on_failure=options.get("on_failure"),
        idempotency_key=options.get("idempotency_key"),
        retry=options.get("retry"),
        max_response_bytes=max_response_bytes,
    )


def rpc_deadline(request: pb.ExecuteParallelRequest) -> float | None:
    """The RPC's own deadline: none where the execution has no timeout, so that the coordinator's default counts."""
    if not request.HasField("timeout"):
        return None
    timeout = request.timeout
    return max(0.0, timeout.seconds + timeout.nanos / 1e9) + ANSWER_MARGIN


def cancel_request(execution_id: str | None, idempotency_key: str | None) -> pb.CancelExecutionRequest:
    """Exactly one of both."""
    if (execution_id is None) == (idempotency_key is None):
        raise ParameterError("target", "expected execution_id or idempotency_key, and not both")
    if execution_id is not None:
        return pb.CancelExecutionRequest(execution_id=execution_id)
    return pb.CancelExecutionRequest(idempotency_key=idempotency_key)
