"""The trace that a caller is in, for the coordinator to go on with: the headers of W3C Trace Context."""

from __future__ import annotations

import importlib
import re
from typing import Any

from toolwave._errors import ParameterError

Metadata = tuple[tuple[str, str], ...]

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_HEADERS = ("traceparent", "tracestate")


def _propagator() -> Any:
    """OpenTelemetry's, where it is installed; it is no dependency."""
    try:
        module = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
    except ImportError:
        return None
    return module.TraceContextTextMapPropagator()


_PROPAGATOR = _propagator()


def metadata(token: Metadata | None, traceparent: str | None) -> Metadata | None:
    """What goes with a request: the token, and the trace that was given or that is current in OpenTelemetry."""
    trace = _current() if traceparent is None else _given(traceparent)
    return (token or ()) + trace if trace else token


def _given(traceparent: Any) -> Metadata:
    if not isinstance(traceparent, str) or not _TRACEPARENT.fullmatch(traceparent):
        raise ParameterError(
            "traceparent", "is malformed; expected such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        )
    return (("traceparent", traceparent),)


def _current() -> Metadata:
    if _PROPAGATOR is None:
        return ()
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return tuple((name, carrier[name]) for name in _HEADERS if carrier.get(name))
