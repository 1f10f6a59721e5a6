"""Answers of the wire as what callers see. What every call goes through is kept short."""

from __future__ import annotations

import json
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from toolwave._proto import execution_pb2 as pb
from toolwave._proto import tool_pb2
from toolwave._types import (
    Analysis,
    Attempt,
    CallFailure,
    Cancellation,
    Edge,
    Effect,
    Ended,
    Event,
    Execution,
    OutcomeName,
    Plan,
    Planned,
    Progressed,
    Resubmission,
    Retried,
    Started,
    Summary,
    Tool,
    ToolResult,
    Wait,
    WaitReason,
)

_OUTCOMES = {number: cast(OutcomeName, name.removeprefix("OUTCOME_")) for name, number in pb.Outcome.items()}
_ORIGINS = {number: name.removeprefix("EDGE_ORIGIN_") for name, number in pb.EdgeOrigin.items()}
_WAIT_REASONS = {number: cast(WaitReason, name.removeprefix("WAIT_REASON_")) for name, number in pb.WaitReason.items()}
_DECODER = json.JSONDecoder()


def outcome(number: int) -> OutcomeName:
    """An outcome that this version does not know reads as UNKNOWN: it may or may not have run."""
    return _OUTCOMES.get(cast(Any, number), "UNKNOWN")


def _json(text: bytes) -> Any:
    return _DECODER.decode(text.decode())


def seconds(value: Duration) -> float:
    """0 for one that is not set."""
    return value.seconds + value.nanos / 1e9


def _instant(value: Timestamp) -> float:
    return value.seconds + value.nanos / 1e9


def failure(error: pb.CallError) -> CallFailure:
    """Why a call or an attempt did not succeed."""
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "retry_after": seconds(error.retry_after) if error.HasField("retry_after") else None,
        "details": _details(error.details_json),
        "root_call_id": error.root_call_id or None,
        "may_have_run": error.may_have_run,
        "violations": [
            {"path": violation.path, "description": violation.description} for violation in error.violations
        ],
    }


def _details(text: bytes) -> Any:
    if not text:
        return None
    try:
        return _json(text)
    except ValueError:
        # another worker's business; the result itself is not lost for it
        return text.decode("utf-8", "replace")


def _attempt(attempt: pb.Attempt) -> Attempt:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": _instant(attempt.started_at) if attempt.HasField("started_at") else None,
        "ended_at": _instant(attempt.ended_at) if attempt.HasField("ended_at") else None,
        "failure": failure(attempt.failure) if attempt.HasField("failure") else None,
        "late": attempt.late,
        "dispatched_at": _instant(attempt.dispatched_at) if attempt.HasField("dispatched_at") else None,
    }


def result(message: pb.CallResult) -> ToolResult:
    """One call's result."""
    success = message.success
    text = message.result_json
    made: ToolResult = {
        "tool_name": message.tool_name,
        "success": success,
        "result": _DECODER.decode(text.decode()) if text else None,
        "error": None,
        "id": message.id,
        "outcome": "SUCCEEDED" if success else outcome(message.outcome),
        "error_code": None,
        "retryable": False,
        "retry_after": None,
        "details": None,
        "violations": [],
        "may_have_run": False,
        "root_call_id": None,
        "wave": message.wave,
        "attempts": [_attempt(attempt) for attempt in message.attempts],
        "queue_time": seconds(message.queue_time),
        "execution_time": seconds(message.execution_time),
    }
    if not success:
        why = failure(message.error)
        made["error"] = why["message"] or why["code"]
        made["error_code"] = why["code"]
        made["retryable"] = why["retryable"]
        made["retry_after"] = why["retry_after"]
        made["details"] = why["details"]
        made["violations"] = why["violations"]
        made["may_have_run"] = why["may_have_run"]
        made["root_call_id"] = why["root_call_id"]
    elif message.omitted_result_bytes:
        made["omitted_result_bytes"] = message.omitted_result_bytes
    return made


def summary(message: pb.ExecutionSummary, at: float | None = None) -> Summary:
    """An execution as a whole."""
    return Summary(
        execution_id=message.execution_id,
        calls=message.calls,
        waves=message.waves,
        outcomes={outcome(each.outcome): each.count for each in message.outcomes},
        duration=seconds(message.duration),
        sequential_duration=seconds(message.sequential_duration),
        attempts=message.attempts,
        at=at,
        analysis=_analysis(message.analysis) if message.HasField("analysis") else None,
    )


def _analysis(message: pb.ExecutionAnalysis) -> Analysis:
    return Analysis(
        critical_path=list(message.critical_path),
        critical_path_execution=seconds(message.critical_path_execution),
        waits=[
            # a reason that this version does not know is none that it could name
            Wait(_WAIT_REASONS.get(cast(Any, wait.reason), "UNSPECIFIED"), wait.subject, seconds(wait.time), wait.calls)
            for wait in message.waits
        ],
        retries=message.retries,
        retry_time=seconds(message.retry_time),
        lower_bound=seconds(message.lower_bound),
        peak_in_flight=message.peak_in_flight,
        saved_by_one_more_slot=(
            seconds(message.saved_by_one_more_slot) if message.HasField("saved_by_one_more_slot") else None
        ),
    )


def execution(message: pb.ExecuteParallelResponse, resubmissions: list[Resubmission]) -> Execution:
    """All results, in order, and the summary."""
    return Execution([result(each) for each in message.results], summary(message.summary), resubmissions)


def event(message: pb.ExecutionEvent) -> Event | None:
    """None for a kind that this version does not know."""
    at = _instant(message.at)
    kind = message.WhichOneof("kind")
    if kind == "result":
        return Ended(at, message.result.call_index, result(message.result.result))
    if kind == "planned":
        return Planned(at, message.planned.execution_id, [list(wave.calls) for wave in message.planned.waves])
    if kind == "started":
        return Started(at, message.started.call_index, message.started.attempt, message.started.worker)
    if kind == "progress":
        progress = message.progress
        fraction = progress.fraction if progress.HasField("fraction") else None
        return Progressed(at, progress.call_index, progress.attempt, fraction, progress.message)
    if kind == "retried":
        retried = message.retried
        return Retried(at, retried.call_index, retried.attempt, failure(retried.failure), seconds(retried.backoff))
    if kind == "summary":
        return summary(message.summary, at)
    return None


def plan(message: pb.PlanExecutionResponse) -> Plan:
    """What would run."""
    return Plan(
        waves=[list(wave.calls) for wave in message.waves],
        edges=[
            Edge(edge.source, edge.to, cast(Any, _ORIGINS.get(edge.origin, "UNSPECIFIED")), edge.detail)
            for edge in map(_Edge, message.edges)
        ],
        rejected=[Ended(None, each.call_index, result(each.result)) for each in message.rejected],
        critical_path_calls=message.critical_path_calls,
    )


class _Edge:
    """`from` is a word of Python's own, so that the field has no attribute."""

    def __init__(self, edge: pb.Edge) -> None:
        self.source: int = getattr(edge, "from")
        self.to = edge.to
        self.origin = edge.origin
        self.detail = edge.detail


def cancellation(message: pb.CancelExecutionResponse) -> Cancellation:
    """What became of a request to cancel."""
    return Cancellation(message.execution_id, message.already_ended)


def tool(listed: pb.ListedTool) -> Tool:
    """A tool of the cluster."""
    declared = listed.tool
    return Tool(
        name=declared.name,
        description=declared.description,
        input_schema=_json(declared.input_schema_json) if declared.input_schema_json else {"type": "object"},
        output_schema=_json(declared.output_schema_json) if declared.output_schema_json else None,
        effects=[
            Effect("writes" if effect.mode == tool_pb2.EFFECT_MODE_WRITES else "reads", effect.key_template)
            for effect in declared.effects
        ],
        read_only=declared.read_only,
        idempotent=declared.idempotent,
        honours_idempotency_key=declared.honours_idempotency_key,
        timeout=seconds(declared.timeout) if declared.HasField("timeout") else None,
        max_concurrency=declared.max_concurrency,
        max_concurrency_per_worker=declared.max_concurrency_per_worker,
        rate_per_second=declared.rate_per_second,
        rate_burst=declared.rate_burst,
        max_result_bytes=declared.max_result_bytes,
        labels=dict(declared.labels),
        workers=listed.workers,
        queued=listed.queued,
        in_flight=listed.in_flight,
    )
