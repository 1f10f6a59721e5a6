"""One session: reads every frame as it comes, keeps heartbeats and their answers, and writes what waits.

It decides nothing about attempts: the executor does, and what they ended with is in `Unacknowledged`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from typing import Any

import grpc.aio

from toolwave._proto import worker_pb2 as pb
from toolwave.worker._ends import Ended, Key, key_of, reference
from toolwave.worker._executor import ChunkError, Executor
from toolwave.worker._outbox import Outbox
from toolwave.worker._unacknowledged import Unacknowledged

log = logging.getLogger("toolwave.worker")

DEFAULT_HEARTBEAT_INTERVAL = 2.0
DEFAULT_SELF_FENCE = 8.0
MAX_UNANSWERED = 64
"""Heartbeats without an answer that are remembered; the fence closes long before."""


class SessionLost(Exception):
    """The session is over; another is opened."""


def _length(message: Any, field: str) -> float | None:
    """A duration above zero, in seconds."""
    value = getattr(message, field)
    seconds: float = value.seconds + value.nanos / 1e9
    return seconds if seconds > 0 else None


class Session:
    """Begins with the answer to `register`. `run` returns never: it raises `SessionLost`, or is cancelled."""

    def __init__(
        self,
        call: Any,
        registered: pb.Registered,
        asked_at: float,
        executor: Executor,
        results: Unacknowledged,
        service: Any,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._call = call
        self._executor = executor
        self._results = results
        self._service = service
        limit = registered.max_result_bytes or 1 << 62
        self.outbox = Outbox(results, executor.__contains__, limit)
        self._interval = _length(registered, "heartbeat_interval") or DEFAULT_HEARTBEAT_INTERVAL
        self.self_fence = _length(registered, "self_fence") or DEFAULT_SELF_FENCE
        self._heard = asked_at
        self._heartbeats = 0
        self._unanswered: deque[tuple[int, float]] = deque(maxlen=MAX_UNANSWERED)
        self._dispatches_read = 0
        self._asked_for_acknowledgement = False
        self.reconnect_after: float | None = None
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._started_timer: asyncio.TimerHandle | None = None
        # at once: it tells the coordinator that its answer to register was heard
        self._heartbeat()

    @property
    def fence_at(self) -> float:
        """When the coordinator has been silent for too long."""
        return self._heard + self.self_fence

    def wake(self) -> None:
        """Something may be ready for a frame."""
        self._ready.set()

    # === reading ===

    async def read(self) -> None:
        """Handles frames until the stream ends, which it tells by an error."""
        while True:
            try:
                frame = await self._call.read()
            except grpc.RpcError as error:
                known: Any = error
                raise SessionLost(f"the stream broke: {known.code().name}: {known.details()}") from None
            if frame is grpc.aio.EOF:
                code, details = await self._call.code(), await self._call.details()
                raise SessionLost(f"the coordinator ended the stream: {code.name}: {details}")
            self.handle(frame)

    def handle(self, frame: pb.OpenSessionResponse) -> None:
        """One frame, in the order of its fields."""
        if frame.HasField("registered"):
            raise SessionLost("the coordinator broke the protocol: it answered register twice")
        for dispatch in frame.dispatches:
            self._dispatch(dispatch)
        for chunk in frame.chunks:
            try:
                key = key_of(chunk.attempt)
                self._accepted(key, self._executor.chunk(key, chunk))
            except ChunkError as error:
                raise SessionLost(f"the coordinator broke the protocol: {error}") from None
        for attempt in frame.aborts:
            key = key_of(attempt)
            # the end of one that has ended is on its way
            if key not in self._results and (ended := self._executor.abort(key)) is not None:
                self._results.push(ended)
        if not self._results.acknowledge(frame.acknowledged_results):
            number = frame.acknowledged_results
            raise SessionLost(
                f"the coordinator broke the protocol: it acknowledged result {number}, which was not sent"
            )
        if frame.heartbeat_answer:
            self._answered(frame.heartbeat_answer)
            self._service.on_heartbeat_answered()
        if frame.HasField("shutdown"):
            self.reconnect_after = _length(frame.shutdown, "reconnect_after") or 0.0
        if frame.HasField("set_draining"):
            self._service.on_operator_drains(frame.set_draining.draining)
        if self._results.has_untold:
            self.wake()
        self._service.on_handled()

    def _dispatch(self, dispatch: pb.Dispatch) -> None:
        if dispatch.sequence > self._dispatches_read:
            self._dispatches_read = dispatch.sequence
        key = key_of(dispatch.attempt)
        if key in self._results or key in self._executor:
            log.warning("an attempt was dispatched twice and runs once execution=%s call_index=%s attempt=%s", *key)
            return
        self._accepted(key, self._executor.dispatch(key, dispatch))

    def _accepted(self, key: Key, accepted: Ended | bool) -> None:
        if isinstance(accepted, Ended):
            self._results.push(accepted)
        elif accepted:
            self.outbox.started(time.monotonic(), key)
            if self._started_timer is None:
                self._await_started()

    def _await_started(self) -> None:
        """What was started is told once it has run for a while."""
        due = self.outbox.next_due()
        self._started_timer = None
        if due is not None:
            self._started_timer = self._loop.call_at(due, self._tell_started)

    def _tell_started(self) -> None:
        self._started_timer = None
        self.wake()

    def _answered(self, number: int) -> None:
        while self._unanswered and self._unanswered[0][0] <= number:
            self._heard = self._unanswered.popleft()[1]

    # === writing ===

    async def write(self) -> None:
        """Sends what waits, frame by frame; returns after a goodbye."""
        while True:
            frame = self._next_frame()
            if frame is None:
                self._ready.clear()
                if self.outbox.next_due() is not None and self._started_timer is None:
                    self._await_started()
                await self._ready.wait()
                continue
            try:
                await self._call.write(frame)
                if frame.HasField("goodbye"):
                    await self._call.done_writing()
                    return
            except (grpc.RpcError, asyncio.InvalidStateError) as error:
                raise SessionLost(f"the stream broke: {type(error).__name__}") from None

    def _next_frame(self) -> pb.OpenSessionRequest | None:
        now = time.monotonic()
        # frames that say nothing are passed over; what made them ready is gone then
        while self.outbox.is_ready(now):
            frame = self.outbox.next_frame(now)
            if frame is not None:
                if frame.HasField("heartbeat"):
                    # Without those whose end this frame or one before it tells: the coordinator takes ends first,
                    # and what is listed after its end would be stopped, and keep a slot.
                    in_flight = [*self._executor.keys(), *self._results.untold(), *self.outbox.told_in_part()]
                    frame.heartbeat.in_flight.extend(map(reference, in_flight))
                return frame
        return None

    def _heartbeat(self) -> None:
        now = time.monotonic()
        self._heartbeats += 1
        self._unanswered.append((self._heartbeats, now))
        self.outbox.heartbeat = pb.Heartbeat(number=self._heartbeats, dispatches_read=self._dispatches_read)
        if self._timer is not None:
            self._timer.cancel()
        # ±20 %, so that the heartbeats of many workers spread
        self._timer = self._loop.call_later(self._interval * random.uniform(0.8, 1.2), self._heartbeat)
        self.wake()

    def ask_for_acknowledgement(self) -> None:
        """The next heartbeat goes out now, once in a session: its answer acknowledges what has been sent."""
        if not self._asked_for_acknowledgement:
            self._asked_for_acknowledgement = True
            self._heartbeat()

    def close(self) -> None:
        """Ends the stream, whatever its state."""
        for timer in (self._timer, self._started_timer):
            if timer is not None:
                timer.cancel()
        self._call.cancel()
