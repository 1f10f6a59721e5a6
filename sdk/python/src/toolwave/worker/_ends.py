"""How attempts end, as the wire has it; what is over its limits is cut, or left out and said so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration

from toolwave._encode import encode_result
from toolwave._errors import ToolError
from toolwave._proto import worker_pb2 as pb
from toolwave._request import duration

Key = tuple[int, int, int]
"""Execution, index of the call, number of the attempt."""

MAX_MESSAGE = 8 << 10
MAX_DETAILS = 64 << 10
MAX_CODE = 128
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

REFUSED = pb.ATTEMPT_FAILURE_KIND_REFUSED
TOOL_ERROR = pb.ATTEMPT_FAILURE_KIND_TOOL_ERROR
BROKEN_CONTRACT = pb.ATTEMPT_FAILURE_KIND_BROKEN_CONTRACT


@dataclass(frozen=True)
class Ended:
    """An attempt that ended. `execution_time` is None for one that never started."""

    key: Key
    end: bytes | pb.AttemptFailure
    execution_time: float | None


def reference(key: Key) -> pb.AttemptRef:
    """The attempt's name on the wire."""
    return pb.AttemptRef(execution=key[0], call_index=key[1], attempt=key[2])


def key_of(attempt: pb.AttemptRef) -> Key:
    """The attempt's name here."""
    return (attempt.execution, attempt.call_index, attempt.attempt)


def shortened(text: str, limit: int) -> str:
    """At most so many bytes of the text, cut between characters."""
    encoded = text.encode("utf-8", "replace")
    return encoded[:limit].decode("utf-8", "ignore") if len(encoded) > limit else encoded.decode()


def failure(kind: pb.AttemptFailureKind, code: str, message: str) -> pb.AttemptFailure:
    """A failure of the worker's own making."""
    return pb.AttemptFailure(kind=kind, code=code, message=shortened(message, MAX_MESSAGE))


def refused(key: Key, code: str, message: str) -> Ended:
    """Refused before its start: it has not run."""
    return Ended(key, failure(REFUSED, code, message), None)


def aborted() -> pb.AttemptFailure:
    """Stopped because the coordinator asked for it."""
    return failure(pb.ATTEMPT_FAILURE_KIND_ABORTED, "ABORTED", "stopped on request")


def fenced() -> pb.AttemptFailure:
    """Stopped because someone else may have been given it."""
    return failure(pb.ATTEMPT_FAILURE_KIND_FENCED, "WORKER_FENCED", "stopped because the coordinator did not answer")


def worker_stopped() -> pb.AttemptFailure:
    """Stopped because the drain's time was over."""
    return failure(
        pb.ATTEMPT_FAILURE_KIND_FENCED,
        "WORKER_STOPPED",
        "stopped because the worker had to end before the attempt did",
    )


def timed_out(timeout: float) -> pb.AttemptFailure:
    """It ran past its timeout, and has stopped."""
    return failure(pb.ATTEMPT_FAILURE_KIND_TIMED_OUT, "TIMED_OUT", f"ran longer than {timeout:g} s")


def too_large(size: int, limit: int) -> pb.AttemptFailure:
    """A result that cannot be taken."""
    return failure(
        pb.ATTEMPT_FAILURE_KIND_RESULT_TOO_LARGE,
        "RESULT_TOO_LARGE",
        f"the result has {size} bytes; expected at most {limit}",
    )


def result(value: Any, limit: int) -> bytes | pb.AttemptFailure:
    """What a tool returned, as JSON text."""
    try:
        text = encode_result(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return failure(BROKEN_CONTRACT, "BROKEN_OUTPUT", f"the tool returned what is no JSON: {error}")
    return too_large(len(text), limit) if len(text) > limit else text


def raised(error: BaseException) -> pb.AttemptFailure:
    """What a tool raised. An exception is a tool's way to fail; one that ends programs is a broken contract."""
    if isinstance(error, ToolError):
        return _tool_error(error)
    name = type(error).__name__
    code = shortened(_WORD.sub("_", name).upper(), MAX_CODE)
    kind = TOOL_ERROR if isinstance(error, Exception) else BROKEN_CONTRACT
    try:
        text = str(error)
    except Exception:
        text = ""
    return failure(kind, code, f"{name}: {text}" if text else name)


def _tool_error(error: ToolError) -> pb.AttemptFailure:
    message = str(error.message)
    details = b""
    if error.details is not None:
        try:
            details = encode_result(error.details).encode()
        except (TypeError, ValueError, RecursionError):
            message = shortened(message, MAX_MESSAGE - 64) + " (details that are no JSON are left out)"
        if len(details) > MAX_DETAILS:
            message = shortened(message, MAX_MESSAGE - 64) + f" (details of {len(details)} bytes are left out)"
            details = b""
    made = failure(TOOL_ERROR, shortened(str(error.code) or "TOOL_ERROR", MAX_CODE), message)
    made.retryable = bool(error.retryable)
    if error.retry_after is not None:
        made.retry_after.CopyFrom(duration(max(0.0, float(error.retry_after)), "retry_after"))
    made.details_json = details
    return made


def proto_seconds(seconds: float) -> Duration:
    """A time that was measured."""
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
