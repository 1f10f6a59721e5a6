"""Runs attempts: takes dispatches while slots are free, stops what is no longer wanted, and says how each ended.

It outlives sessions and knows nothing of them. Everything but the tools themselves happens in the loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from toolwave._proto import worker_pb2 as pb
from toolwave._tool import HostedTool
from toolwave.worker import _ends
from toolwave.worker._ends import Ended, Key
from toolwave.worker._running import End, Running
from toolwave.worker._threads import Threads

MAX_TOMBSTONES = 1024
"""Aborts that came before their dispatches: both travel in one stream, what is so much older will not come."""
PROGRESS = 64
"""Progress that waits for the loop; the oldest is dropped."""


class ChunkError(Exception):
    """Pieces of parameters come in order and without gaps."""


class _Arriving:
    """An attempt whose parameters come in pieces. It takes a slot, and starts with the last piece."""

    __slots__ = ("data", "dispatch")

    def __init__(self, dispatch: pb.Dispatch) -> None:
        self.dispatch = dispatch
        self.data = bytearray()

    def add(self, chunk: pb.PayloadChunk) -> bool:
        """True with the last piece."""
        size, here = self.dispatch.parameters_size, len(self.data)
        if chunk.offset != here or not chunk.data or here + len(chunk.data) > size:
            raise ChunkError(
                f"a chunk of {len(chunk.data)} bytes came at {chunk.offset} of parameters of {size} bytes; "
                f"expected it at {here}"
            )
        self.data += chunk.data
        return len(self.data) == size


class Executor:
    """`on_ended` hears of every end (None: of one that nobody is told of), `on_progress` of progress."""

    def __init__(
        self,
        tools: dict[str, HostedTool[..., Any]],
        slots: int,
        max_parameters_bytes: int,
        max_result_bytes: int,
        on_ended: Callable[[Ended | None], None],
        on_progress: Callable[[Key, float | None, str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tools = tools
        self._slots = slots
        self._max_parameters_bytes = max_parameters_bytes
        self._max_result_bytes = max_result_bytes
        self._on_ended = on_ended
        self._on_progress = on_progress
        self._threads = Threads(slots)
        self._running: set[Running] = set()
        self._by_key: dict[Key, Running] = {}
        self._arriving: dict[Key, _Arriving] = {}
        self._tombstones: dict[Key, None] = {}
        self._performed: deque[tuple[Running, End, float]] = deque()
        self._progress: deque[tuple[Key, float | None, str]] = deque(maxlen=PROGRESS)
        self._woken = False
        self.ending = False
        self.operator_drains = False
        self.fenced = False
        self.executed = 0

    # === dispatches ===

    def dispatch(self, key: Key, dispatch: pb.Dispatch) -> Ended | bool:
        """How it ended at once, or whether it runs now."""
        if key in self._tombstones:
            del self._tombstones[key]
            return Ended(key, _ends.aborted(), None)
        refusal = self._refusal(key, dispatch)
        if refusal is not None:
            return refusal
        if not dispatch.parameters_json and dispatch.parameters_size > 0:
            self._arriving[key] = _Arriving(dispatch)
            return False
        self._start(key, dispatch, dispatch.parameters_json)
        return True

    def chunk(self, key: Key, chunk: pb.PayloadChunk) -> Ended | bool:
        """Takes a piece of parameters that were announced; the last one starts the attempt."""
        arriving = self._arriving.get(key)
        if arriving is None:
            # refused or aborted while its parameters were on their way
            return False
        if not arriving.add(chunk):
            return False
        del self._arriving[key]
        refusal = self._refusal(key, arriving.dispatch)
        if refusal is not None:
            return refusal
        self._start(key, arriving.dispatch, bytes(arriving.data))
        return True

    def _refusal(self, key: Key, dispatch: pb.Dispatch) -> Ended | None:
        if self.is_draining:
            return _ends.refused(key, "WORKER_DRAINING", "the worker is draining")
        if self.fenced:
            return _ends.refused(key, "WORKER_FENCED", "the worker has lost its coordinator")
        if dispatch.tool_name not in self._tools:
            name = _ends.shortened(dispatch.tool_name, 128)
            return _ends.refused(key, "TOOL_GONE", f"the worker hosts no tool `{name}`")
        size = max(dispatch.parameters_size, len(dispatch.parameters_json))
        if size > self._max_parameters_bytes:
            limit = self._max_parameters_bytes
            return _ends.refused(
                key, "PARAMETERS_TOO_LARGE", f"the parameters have {size} bytes; expected at most {limit}"
            )
        if len(self._running) + len(self._arriving) >= self._slots:
            return _ends.refused(key, "WORKER_FULL", f"all {self._slots} slots are taken")
        return None

    def _start(self, key: Key, dispatch: pb.Dispatch, parameters: bytes) -> None:
        self.executed += 1
        tool = self._tools[dispatch.tool_name]
        limit = min(self._max_result_bytes, tool.max_result_bytes or self._max_result_bytes)
        running = Running(key, dispatch, tool, limit, self._tell_progress)
        self._running.add(running)
        self._by_key[key] = running
        running.timer = self._loop.call_later(running.timeout, self._time_out, running)
        if tool.is_async:
            running.task = self._loop.create_task(running.perform_async(parameters))
            running.task.add_done_callback(partial(self._task_done, running))
        else:
            self._threads.submit(partial(self._perform, running, parameters))

    def _time_out(self, running: Running) -> None:
        running.stop(_ends.timed_out(running.timeout))

    # === ends ===

    def _perform(self, running: Running, parameters: bytes) -> None:
        """In a thread."""
        end = running.perform(parameters)
        self._performed.append((running, end, time.monotonic()))
        self._wake()

    def _tell_progress(self, key: Key, fraction: float | None, message: str) -> None:
        """In any thread."""
        self._progress.append((key, fraction, message))
        self._wake()

    def _wake(self) -> None:
        # one wake-up serves all that comes before the loop has its turn
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:
                # the loop is closed: nobody is left to be told
                return

    def _collect(self) -> None:
        # first: what is added from here on wakes the loop again
        self._woken = False
        while self._progress:
            self._on_progress(*self._progress.popleft())
        while self._performed:
            running, end, at = self._performed.popleft()
            self._conclude(running, running.stopped or end, at)

    def _task_done(self, running: Running, task: asyncio.Task[End]) -> None:
        end: End | None = running.stopped
        if end is None:
            end = _ends.worker_stopped() if task.cancelled() else task.result()
        self._conclude(running, end, time.monotonic())

    def _conclude(self, running: Running, end: End, at: float) -> None:
        if running.timer is not None:
            running.timer.cancel()
        self._running.discard(running)
        if running.orphaned:
            self._on_ended(None)
            return
        del self._by_key[running.key]
        self._on_ended(Ended(running.key, end, at - running.started))

    # === stopping ===

    def abort(self, key: Key) -> Ended | None:
        """Its end, where it had not started; else the end comes when it has stopped. An unknown one is remembered."""
        if self._arriving.pop(key, None) is not None:
            return Ended(key, _ends.aborted(), None)
        running = self._by_key.get(key)
        if running is not None:
            running.stop(_ends.aborted())
            return None
        self._tombstones[key] = None
        if len(self._tombstones) > MAX_TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]
        return None

    def fence(self) -> None:
        """Starts nothing from here on, and stops what someone else may run again."""
        self.fenced = True
        for running in list(self._running):
            if running.safe_to_repeat:
                running.stop(_ends.fenced())

    def stop_all(self) -> None:
        """Stops everything: the worker cannot wait any longer."""
        for running in list(self._running):
            running.stop(_ends.worker_stopped())

    def stop_unwanted(self, unwanted: Collection[Key]) -> None:
        """Their ends are told, since they free slots."""
        for key in unwanted:
            running = self._by_key.get(key)
            if running is not None:
                running.stop(_ends.aborted())

    def orphan_all(self) -> None:
        """The coordinator of everything here is gone; another may use the same names for other attempts."""
        self._by_key.clear()
        self._arriving.clear()
        for running in list(self._running):
            running.orphaned = True
            running.stop(_ends.aborted())

    def begin_session(self) -> list[Ended]:
        """What was on its way in the last session will not arrive."""
        self.fenced = False
        self._tombstones.clear()
        lost = [
            _ends.refused(key, "PARAMETERS_LOST", "the session ended before the parameters had arrived")
            for key in self._arriving
        ]
        self._arriving.clear()
        return lost

    def close(self) -> None:
        """Nothing is started any more."""
        self._threads.close()

    # === what is here ===

    def __contains__(self, key: Key) -> bool:
        """It runs, or its parameters are on their way."""
        return key in self._by_key or key in self._arriving

    def keys(self) -> Iterator[Key]:
        yield from self._by_key
        yield from self._arriving

    @property
    def is_draining(self) -> bool:
        return self.ending or self.operator_drains

    @property
    def is_idle(self) -> bool:
        """Nothing runs, not even what has lost its coordinator."""
        return not self._running and not self._arriving

    @property
    def running(self) -> int:
        return len(self._running)
