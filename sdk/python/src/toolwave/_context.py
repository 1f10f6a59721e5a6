"""What a running attempt knows of itself. Made by the worker, handed to tools that ask for it by annotation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

ProgressSink = Callable[[float | None, str], None]


class Context:
    """A parameter annotated with this class gets it; it is no part of the tool's schema. Safe in any thread.

    `Context()` makes one that belongs to no attempt, to call a tool's function by hand.
    """

    __slots__ = (
        "_cancelled",
        "_event",
        "_progress",
        "attempt",
        "call_id",
        "deadline",
        "execution_id",
        "idempotency_key",
        "tool_name",
        "traceparent",
        "tracestate",
    )

    def __init__(
        self,
        *,
        tool_name: str = "",
        execution_id: str = "",
        call_id: str = "",
        attempt: int = 1,
        idempotency_key: str = "",
        deadline: float = float("inf"),
        traceparent: str = "",
        tracestate: str = "",
        progress: ProgressSink | None = None,
    ) -> None:
        self.tool_name = tool_name
        self.execution_id = execution_id
        self.call_id = call_id
        self.attempt = attempt
        """From 1."""
        self.idempotency_key = idempotency_key
        """The same for every attempt of the call: hand it on to what you call. Empty: none."""
        self.deadline = deadline
        """When the attempt times out, as `time.monotonic()` tells the time."""
        self.traceparent = traceparent
        """The trace that the call is part of, as W3C Trace Context has it: hand it on to what you call. Empty: none."""
        self.tracestate = tracestate
        """Goes with `traceparent`."""
        self._progress = progress
        self._cancelled = False
        self._event: threading.Event | None = None

    @property
    def remaining(self) -> float:
        """Seconds until the attempt times out."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def cancelled(self) -> bool:
        """True once nobody wants the attempt any more, or its time is over: a blocking tool asks between steps."""
        return self._cancelled

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Blocks the thread until the attempt is cancelled, or for so many seconds. Returns `cancelled`."""
        if self._event is None:
            self._event = threading.Event()
        if self._cancelled:
            # cancel() may have come before it could see the event
            self._event.set()
        return self._event.wait(timeout)

    def progress(self, fraction: float | None = None, message: str = "") -> None:
        """Tells watchers how far the attempt is: 0 to 1, or None. Dropped when the stream is busy."""
        if self._progress is not None:
            self._progress(None if fraction is None else float(fraction), message)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._event is not None:
            self._event.set()
