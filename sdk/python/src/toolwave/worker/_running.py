"""One attempt while it runs: its tool, its timeout, why it was stopped, and how its end follows from that."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from toolwave._context import Context
from toolwave._proto import worker_pb2 as pb
from toolwave._tool import HostedTool, InvalidParameters
from toolwave.worker import _ends
from toolwave.worker._ends import Key

log = logging.getLogger("toolwave.worker")

DEFAULT_TIMEOUT = 30.0
"""For a dispatch that names none."""
_DECODER = json.JSONDecoder()
End = bytes | pb.AttemptFailure


class Running:
    """An attempt that has started. Only the loop's thread changes it."""

    __slots__ = (
        "context",
        "key",
        "max_result_bytes",
        "orphaned",
        "safe_to_repeat",
        "started",
        "stopped",
        "task",
        "timeout",
        "timer",
        "tool",
    )

    def __init__(
        self,
        key: Key,
        dispatch: pb.Dispatch,
        tool: HostedTool[..., Any],
        max_result_bytes: int,
        progress: Callable[[Key, float | None, str], None],
    ) -> None:
        self.key = key
        self.tool = tool
        self.safe_to_repeat = dispatch.safe_to_repeat
        self.max_result_bytes = max_result_bytes
        self.started = time.monotonic()
        timeout = dispatch.timeout.seconds + dispatch.timeout.nanos / 1e9
        self.timeout = timeout if timeout > 0 else DEFAULT_TIMEOUT
        self.stopped: pb.AttemptFailure | None = None
        """How it ends instead, once it has stopped; the first reason stands."""
        self.orphaned = False
        """Its coordinator is gone: it keeps its slot until it has stopped, and nobody is told."""
        self.task: asyncio.Task[End] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.context: Context | None = None
        if tool.wants_context:
            self.context = Context(
                tool_name=tool.name,
                execution_id=dispatch.execution_id,
                call_id=dispatch.call_id,
                attempt=key[2],
                idempotency_key=dispatch.idempotency_key,
                deadline=self.started + self.timeout,
                traceparent=dispatch.traceparent,
                tracestate=dispatch.tracestate,
                progress=lambda fraction, message: progress(key, fraction, message),
            )

    def stop(self, reason: pb.AttemptFailure) -> None:
        """Asks it to stop; its end comes when it has."""
        if self.stopped is not None or (self.task is not None and self.task.done()):
            return
        self.stopped = reason
        if self.context is not None:
            self.context._cancel()
        if self.task is not None:
            self.task.cancel()

    def _arguments(self, parameters: bytes) -> dict[str, Any]:
        return self.tool.arguments(_DECODER.decode(parameters.decode()) if parameters else {}, self.context)

    def perform(self, parameters: bytes) -> End:
        """Runs a tool that blocks. In a thread of its own."""
        try:
            return _ends.result(self.tool.function(**self._arguments(parameters)), self.max_result_bytes)
        except InvalidParameters as error:
            return _ends.failure(_ends.TOOL_ERROR, "INVALID_PARAMETERS", str(error))
        except BaseException as error:
            return self._raised(error)

    async def perform_async(self, parameters: bytes) -> End:
        """Runs a tool that awaits."""
        try:
            return _ends.result(await self.tool.function(**self._arguments(parameters)), self.max_result_bytes)
        except InvalidParameters as error:
            return _ends.failure(_ends.TOOL_ERROR, "INVALID_PARAMETERS", str(error))
        except asyncio.CancelledError as error:
            if self.stopped is not None:
                raise
            return self._raised(error)
        except BaseException as error:
            return self._raised(error)

    def _raised(self, error: BaseException) -> pb.AttemptFailure:
        made = _ends.raised(error)
        # at debug: a traceback may show what the tool was called with
        log.debug("a tool raised tool=%s code=%s", self.tool.name, made.code, exc_info=error)
        return made
