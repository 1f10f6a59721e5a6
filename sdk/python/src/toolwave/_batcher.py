"""The micro-batcher: calls made one by one, at about the same time, travel as one execution.

Callers know nothing of each other: text such as `${0.result}` in their parameters stays text, a call that is wrong
fails alone, and a caller that goes away disturbs nobody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

from typing_extensions import Self, TypedDict, Unpack

from toolwave import _request
from toolwave._async_client import AsyncClient
from toolwave._calls import ExecutionOptions
from toolwave._errors import InvalidRequestError, ToolwaveError
from toolwave._proto import execution_pb2 as pb
from toolwave._types import RetryPolicy, Schedule, Seconds, ToolCall, ToolResult

MAX_BATCH_BYTES = 8 << 20
"""Parameters of one execution; half of what a coordinator takes as one request."""
_CALL_AT_FAULT = re.compile(r"calls\[(\d+)\]")
_T = TypeVar("_T")


class CallOptions(TypedDict, total=False):
    """Of one call, and (the last two) of the execution it travels in."""

    priority: int
    timeout: Seconds
    queue_timeout: Seconds
    retry: RetryPolicy
    idempotency_key: str
    execution_timeout: Seconds
    """Calls of different execution timeouts travel in different executions."""


@dataclass
class _Waiting:
    call: ToolCall
    bytes: int
    future: asyncio.Future[ToolResult]


@dataclass
class _Batch:
    """Calls of the same execution options that have not left yet."""

    options: ExecutionOptions
    timer: asyncio.TimerHandle | None = None
    waiting: list[_Waiting] = field(default_factory=list)
    bytes: int = 0


class Batcher:
    """`await batcher.call("get_weather", {"city": "Oslo"})` from as many tasks as you like.

    Calls made within `window` seconds travel as one execution, and each returns as soon as its own call has ended.
    A caller that is cancelled leaves the others alone; when all callers of an execution have gone, it is cancelled.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        window: float = 0.002,
        max_batch: int = 1000,
        max_concurrency: int | Literal["auto"] = "auto",
        schedule: Schedule | None = None,
    ) -> None:
        if window < 0 or max_batch < 1:
            raise ValueError(f"window is {window} and max_batch {max_batch}; expected at least 0 and at least 1")
        self._client = client
        self._window = window
        self._max_batch = max_batch
        self._max_concurrency: int | Literal["auto"] = max_concurrency
        self._schedule: Schedule | None = schedule
        self._batches: dict[Seconds | None, _Batch] = {}
        self._executions: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def call(
        self,
        tool_name: str,
        parameters: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolResult:
        """Runs one call. Trouble of the call is in its result; an error is raised where it could not be sent."""
        if self._closed:
            raise ToolwaveError("the batcher is closed")
        execution_timeout = options.pop("execution_timeout", None)
        if execution_timeout is not None:
            _request.duration(execution_timeout, "execution_timeout")
        call = cast(ToolCall, {"tool_name": tool_name, "parameters": _literal(dict(parameters or {})), **options})
        # what cannot be sent is refused here, and not in the batch that it would spoil
        size = _request.add_call(pb.ExecuteParallelRequest(), call, 0).ByteSize()
        waiting = _Waiting(call, size, asyncio.get_running_loop().create_future())
        self._add(waiting, execution_timeout)
        return await waiting.future

    def _add(self, waiting: _Waiting, timeout: Seconds | None) -> None:
        batch = self._batches.get(timeout)
        if batch is not None and batch.bytes + waiting.bytes > MAX_BATCH_BYTES:
            self._send(timeout)
            batch = None
        if batch is None:
            options = ExecutionOptions(timeout=timeout, schedule=self._schedule)
            batch = self._batches[timeout] = _Batch(options)
            batch.timer = asyncio.get_running_loop().call_later(self._window, self._send, timeout)
        batch.waiting.append(waiting)
        batch.bytes += waiting.bytes
        if len(batch.waiting) >= self._max_batch:
            self._send(timeout)

    def _send(self, key: Seconds | None) -> None:
        batch = self._batches.pop(key, None)
        if batch is None:
            return
        if batch.timer is not None:
            batch.timer.cancel()
        waiting = [each for each in batch.waiting if not each.future.done()]
        if waiting:
            task = asyncio.get_running_loop().create_task(self._execute(waiting, batch.options))
            self._executions.add(task)
            task.add_done_callback(self._executions.discard)

    async def _execute(self, waiting: list[_Waiting], options: ExecutionOptions) -> None:
        left = len(waiting)
        task = asyncio.current_task()

        def gone(_: asyncio.Future[ToolResult]) -> None:
            nonlocal left
            left -= 1
            if left == 0 and task is not None and any(each.future.cancelled() for each in waiting):
                task.cancel()

        for each in waiting:
            each.future.add_done_callback(gone)
        try:
            await self._until_sent(waiting, options)
        except asyncio.CancelledError:
            _fail(waiting, ToolwaveError("the batcher ended before the call did"))
            raise
        except Exception as error:
            _fail(waiting, error)
        else:
            _fail(waiting, ToolwaveError("the stream of results ended without this call's"))

    async def _until_sent(self, waiting: list[_Waiting], options: ExecutionOptions) -> None:
        # each round takes at least one call out
        for _ in range(len(waiting)):
            try:
                return await self._stream(waiting, options)
            except InvalidRequestError as error:
                # nothing has run: those at fault fail, the others go again
                at_fault = {
                    int(found[1])
                    for violation in error.violations
                    if (found := _CALL_AT_FAULT.match(violation.field)) and int(found[1]) < len(waiting)
                }
                if not at_fault:
                    raise
                _fail([waiting[index] for index in at_fault], error)
                waiting = [
                    each for index, each in enumerate(waiting) if index not in at_fault and not each.future.done()
                ]
                if not waiting:
                    return None
        return None

    async def _stream(self, waiting: list[_Waiting], options: ExecutionOptions) -> None:
        calls = [each.call for each in waiting]
        async with aclosing(cast(Any, self._client.stream(calls, self._max_concurrency, **options))) as events:
            async for event in events:
                if event.kind == "result":
                    future = waiting[event.call_index].future
                    if not future.done():
                        future.set_result(event.result)

    async def flush(self) -> None:
        """Sends what waits, and returns when everything that was sent has ended."""
        for key in list(self._batches):
            self._send(key)
        if self._executions:
            await asyncio.wait(list(self._executions))

    async def close(self) -> None:
        """Takes no call from here on; what was made is sent and waited for. The client stays open."""
        self._closed = True
        await self.flush()


def _fail(waiting: list[_Waiting], error: BaseException) -> None:
    for each in waiting:
        if not each.future.done():
            each.future.set_exception(error)


def _literal(value: _T) -> _T:
    """The same with every `${` written so that it is text and no reference."""
    if isinstance(value, str):
        return cast(_T, value.replace("${", "$${")) if "${" in value else value
    if isinstance(value, dict):
        return cast(_T, {key: _literal(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return cast(_T, [_literal(item) for item in value])
    return value
