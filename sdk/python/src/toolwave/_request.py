"""Requests from the shapes that callers write; what cannot be sent is refused here, with its path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

from google.protobuf.duration_pb2 import Duration

from toolwave._errors import ParameterError
from toolwave._json import NotJson, encode
from toolwave._proto import execution_pb2 as pb
from toolwave._proto import tool_pb2
from toolwave._types import OnFailure, RetryPolicy, Schedule, Seconds, ToolCall

_CALL_KEYS = frozenset(ToolCall.__annotations__)
_PLAIN_KEYS = frozenset(("tool_name", "parameters", "parameters_json"))
_RETRY_KEYS = frozenset(RetryPolicy.__annotations__)
_SCHEDULES = {
    None: pb.SCHEDULE_UNSPECIFIED,
    "pipelined": pb.SCHEDULE_PIPELINED_WAVES,
    "barrier": pb.SCHEDULE_BARRIER_WAVES,
}
_ON_FAILURE = {
    None: pb.ON_FAILURE_UNSPECIFIED,
    "continue": pb.ON_FAILURE_CONTINUE,
    "fail_fast": pb.ON_FAILURE_FAIL_FAST,
}


def duration(value: Seconds, path: str) -> Duration:
    """A length of time as the wire has it. Whether it is in bounds the coordinator says."""
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        raise ParameterError(path, f"is of type {type(value).__name__}; expected seconds or a timedelta")
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not abs(seconds) < 1e11:
        raise ParameterError(path, f"is {seconds} seconds; expected at most a day")
    whole = int(seconds)
    nanos = round((seconds - whole) * 1e9)
    if abs(nanos) == 1_000_000_000:
        whole, nanos = whole + (1 if nanos > 0 else -1), 0
    return Duration(seconds=whole, nanos=nanos)


def retry_policy(policy: RetryPolicy, path: str) -> tool_pb2.RetryPolicy:
    """A policy as the wire has it."""
    if not isinstance(policy, Mapping):
        raise ParameterError(path, f"is of type {type(policy).__name__}; expected a dict")
    _known(policy, _RETRY_KEYS, path)
    made = tool_pb2.RetryPolicy(
        max_attempts=_checked(policy.get("max_attempts", 0), int, f"{path}.max_attempts"),
        multiplier=float(_checked(policy.get("multiplier", 0.0), (int, float), f"{path}.multiplier")),
    )
    if "initial_backoff" in policy:
        made.initial_backoff.CopyFrom(duration(policy["initial_backoff"], f"{path}.initial_backoff"))
    if "max_backoff" in policy:
        made.max_backoff.CopyFrom(duration(policy["max_backoff"], f"{path}.max_backoff"))
    return made


def _checked(value: Any, kind: type | tuple[type, ...], path: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        names = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
        raise ParameterError(path, f"is of type {type(value).__name__}; expected {names}")
    return value


def _known(given: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    if not given.keys() <= known:
        unknown = sorted(str(key) for key in given.keys() - known)
        raise ParameterError(path, f"has unknown keys {', '.join(unknown)}; expected {', '.join(sorted(known))}")


def _parameters(call: Mapping[str, Any], path: Callable[[], str]) -> bytes:
    if "parameters_json" in call:
        if "parameters" in call:
            raise ParameterError(path(), "has both parameters and parameters_json; expected one of them")
        text = call["parameters_json"]
        if isinstance(text, str):
            return text.encode("utf-8", "surrogatepass") or b" "
        return bytes(_checked(text, (bytes, bytearray), f"{path()}.parameters_json")) or b" "
    parameters = call.get("parameters")
    if parameters is None:
        return b"{}"
    if not isinstance(parameters, Mapping):
        raise ParameterError(
            f"{path()}.parameters", f"is of type {type(parameters).__name__}; expected an object, that is a dict"
        )
    try:
        return encode(parameters if isinstance(parameters, dict) else dict(parameters), lambda: f"{path()}.parameters")
    except NotJson as error:
        raise ParameterError(error.path, error.problem) from None


def add_call(request: pb.ExecuteParallelRequest, call: Mapping[str, Any], index: int) -> pb.Call:
    """Appends one call to the request."""

    def path() -> str:
        return f"calls[{index}]"

    if not isinstance(call, Mapping):
        raise ParameterError(path(), f"is of type {type(call).__name__}; expected a dict with tool_name and parameters")
    if not call.keys() <= _CALL_KEYS:
        _known(call, _CALL_KEYS, path())
    name = call.get("tool_name")
    if not isinstance(name, str):
        raise ParameterError(f"{path()}.tool_name", "is missing; expected the tool's name")
    made = request.calls.add(tool_name=name, parameters_json=_parameters(call, path))
    if not call.keys() <= _PLAIN_KEYS:
        _add_options(made, call, path())
    return made


def _add_options(made: pb.Call, call: Mapping[str, Any], path: str) -> None:
    for key in ("id", "idempotency_key"):
        value = call.get(key)
        if value is not None:
            setattr(made, key, _checked(value, str, f"{path}.{key}"))
    depends_on = call.get("depends_on")
    if depends_on is not None:
        if isinstance(depends_on, str) or not isinstance(depends_on, Iterable):
            raise ParameterError(f"{path}.depends_on", "is no list; expected a list of ids")
        made.depends_on.extend(
            _checked(each, str, f"{path}.depends_on[{index}]") for index, each in enumerate(depends_on)
        )
    if call.get("priority") is not None:
        made.priority = _checked(call["priority"], int, f"{path}.priority")
    if call.get("timeout") is not None:
        made.timeout.CopyFrom(duration(call["timeout"], f"{path}.timeout"))
    if call.get("queue_timeout") is not None:
        made.queue_timeout.CopyFrom(duration(call["queue_timeout"], f"{path}.queue_timeout"))
    if call.get("retry") is not None:
        made.retry.CopyFrom(retry_policy(call["retry"], f"{path}.retry"))


def execution(
    tool_calls: Iterable[ToolCall],
    max_concurrency: int | Literal["auto"] | None,
    *,
    timeout: Seconds | None,
    schedule: Schedule | None,
    on_failure: OnFailure | None,
    idempotency_key: str | None,
    retry: RetryPolicy | None,
    max_response_bytes: int,
) -> pb.ExecuteParallelRequest:
    """The request of an execution."""
    request = pb.ExecuteParallelRequest(
        max_response_bytes=max_response_bytes,
        result_form=pb.RESULT_FORM_JSON,
        schedule=_choice(_SCHEDULES, schedule, "schedule"),
        on_failure=_choice(_ON_FAILURE, on_failure, "on_failure"),
    )
    if max_concurrency == "auto":
        request.max_concurrency_auto = True
    elif max_concurrency is not None:
        value = _checked(max_concurrency, int, "max_concurrency")
        if not 0 <= value < 1 << 32:
            raise ParameterError("max_concurrency", f"is {value}; expected at least 1, or 'auto'")
        request.max_concurrency = value
    if timeout is not None:
        request.timeout.CopyFrom(duration(timeout, "timeout"))
    if idempotency_key is not None:
        request.idempotency_key = _checked(idempotency_key, str, "idempotency_key")
    if retry is not None:
        request.retry.CopyFrom(retry_policy(retry, "retry"))
    for index, call in enumerate(tool_calls):
        add_call(request, call, index)
    return request


def _choice(choices: Mapping[str | None, Any], value: str | None, path: str) -> Any:
    try:
        return choices[value]
    except (KeyError, TypeError):
        words = ", ".join(repr(word) for word in choices if word is not None)
        raise ParameterError(path, f"is {value!r}; expected one of {words}") from None
