"""The life of a worker: the session that is open or to be opened, the fence, the drain.

A stream that ends never ends the worker; it dials again, and what runs goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toolwave._channel import Route
from toolwave._proto import worker_pb2 as pb
from toolwave._tool import HostedTool
from toolwave.worker._dial import MAX_MESSAGE, PROTOCOL, Backoff, Dialler, Opened, Refused
from toolwave.worker._ends import Ended, Key, key_of, reference
from toolwave.worker._executor import Executor
from toolwave.worker._session import Session, SessionLost
from toolwave.worker._unacknowledged import Unacknowledged

log = logging.getLogger("toolwave.worker")

CUT_GRACE = 2.0
"""Seconds after the drain's time: for attempts to stop, and for their ends to be acknowledged."""
LEAVE_TIMEOUT = 2.0
"""Seconds for the coordinator to close the stream after goodbye."""


@dataclass(frozen=True)
class Settings:
    """What a worker goes by; checked."""

    name: str
    slots: int
    labels: dict[str, str]
    drain_timeout: float
    max_parameters_bytes: int
    max_result_bytes: int
    build: str


class Service:
    """`run` serves until `drain` was asked for and what runs has ended, or the drain's time is over."""

    def __init__(
        self,
        settings: Settings,
        tools: dict[str, HostedTool[..., Any]],
        route: Route,
        on_registered: Callable[[bool], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._declared = [tool.declaration() for _, tool in sorted(tools.items())]
        self._dialler = Dialler(route)
        self._on_registered = on_registered
        self._results = Unacknowledged()
        self._executor = Executor(
            tools,
            settings.slots,
            settings.max_parameters_bytes,
            settings.max_result_bytes,
            self._on_ended,
            self._on_progress,
        )
        self._instance_id = str(uuid.uuid4())
        self._coordinator_id = ""
        self._session: Session | None = None
        self._backoff = Backoff()
        self._fence_at: float | None = None
        self._fence_timer: asyncio.TimerHandle | None = None
        self._silent: asyncio.Event = asyncio.Event()
        self._draining = False
        self._cutting = False
        self._over = asyncio.Event()
        self._refusal_told: str | None = None

    async def run(self) -> None:
        serving = asyncio.ensure_future(self._serve())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({serving, over}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                # it ends by a goodbye, or by a mistake of this package, which must be seen
                serving.result()
            elif self._session is not None and not self._lost():
                # without goodbye the coordinator knows that something is missing
                self._session.outbox.goodbye = "drained"
                self._session.wake()
                _, pending = await asyncio.wait({serving}, timeout=LEAVE_TIMEOUT)
                if pending:
                    log.warning("the coordinator did not close the stream after goodbye")
            log.info("drained lost=%d executed=%d", self._lost(), self._executor.executed)
        finally:
            for task in (serving, over):
                task.cancel()
            await asyncio.gather(serving, over, return_exceptions=True)
            if self._fence_timer is not None:
                self._fence_timer.cancel()
            self._executor.close()

    def _lost(self) -> int:
        return self._executor.running + len(self._results)

    # === the link ===

    async def _serve(self) -> None:
        while not self._over.is_set():
            asked: float | None = None
            try:
                opened = await self._dialler.open(self._register())
                try:
                    asked = await self._hold(opened)
                finally:
                    self._session = None
                    self._on_registered(False)
                    await opened.close()
                    if self._draining:
                        self._check_over()
                if self._over.is_set():
                    return
            except SessionLost as error:
                self._tell_lost(error)
            # a coordinator asks all its workers at once; the next one should not meet all of them at once
            wait = self._backoff.next_wait() + (asked or 0.0) * random.uniform(0.8, 1.2)
            await asyncio.sleep(wait)

    def _register(self) -> pb.Register:
        settings = self._settings
        return pb.Register(
            worker=settings.name,
            instance_id=self._instance_id,
            min_protocol=PROTOCOL,
            max_protocol=PROTOCOL,
            build=settings.build,
            slots=settings.slots,
            labels=settings.labels,
            tools=self._declared,
            coordinator_id=self._coordinator_id,
            in_flight=[reference(key) for key in (*self._executor.keys(), *self._results.keys())],
            draining=self._executor.is_draining,
            max_message_bytes=MAX_MESSAGE,
            max_parameters_bytes=settings.max_parameters_bytes,
        )

    async def _hold(self, opened: Opened) -> float | None:
        """One session from its answer to its end; returns what the coordinator said of the time after it."""
        registered = opened.first.registered
        log.info(
            "registered worker=%s session_id=%s coordinator_id=%s unwanted=%d",
            self._settings.name,
            registered.session_id,
            registered.coordinator_id,
            len(registered.unwanted),
        )
        self._settle(registered)
        session = Session(opened.call, registered, opened.asked_at, self._executor, self._results, self)
        self._session = session
        if self._executor.is_draining:
            session.outbox.draining = "the worker is draining"
        self._silent.clear()
        self._refusal_told = None
        self._arm_fence(session.fence_at)
        self._on_registered(True)
        rest = pb.OpenSessionResponse()
        rest.CopyFrom(opened.first)
        rest.ClearField("registered")
        reader = asyncio.ensure_future(self._read(session, rest))
        writer = asyncio.ensure_future(session.write())
        silence = asyncio.ensure_future(self._silent.wait())
        tasks: set[asyncio.Future[Any]] = {reader, writer, silence}
        try:
            await asyncio.wait({reader, silence}, return_when=asyncio.FIRST_COMPLETED)
            if silence.done():
                self._tell_lost(SessionLost(f"the coordinator was silent for {session.self_fence:g} s"))
                return session.reconnect_after
            try:
                reader.result()
            except SessionLost as lost:
                if not self._over.is_set():
                    self._tell_lost(lost)
            return session.reconnect_after
        finally:
            session.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, session: Session, first: pb.OpenSessionResponse) -> None:
        session.handle(first)
        await session.read()

    def _settle(self, registered: pb.Registered) -> None:
        """What `Registered` says of the attempts that were listed."""
        known, self._coordinator_id = self._coordinator_id, registered.coordinator_id
        if known in ("", self._coordinator_id):
            unwanted: set[Key] = {key_of(attempt) for attempt in registered.unwanted}
            self._results.begin_session()
            self._results.forget(unwanted)
            self._executor.stop_unwanted(unwanted)
        else:
            self._results.forget_all()
            self._executor.orphan_all()
        for ended in self._executor.begin_session():
            self._results.push(ended)

    def _tell_lost(self, error: SessionLost) -> None:
        text = str(error)
        if not isinstance(error, Refused):
            self._refusal_told = None
            log.warning("no session error=%r in_flight=%d", text, self._executor.running)
        elif self._refusal_told != text:
            self._refusal_told = text
            log.error(
                "the coordinator refuses this worker; it tries on, and says nothing more until that changes "
                "worker=%s error=%r",
                self._settings.name,
                text,
            )

    # === what the session and the executor tell ===

    def on_heartbeat_answered(self) -> None:
        if self._session is not None:
            self._fence_at = self._session.fence_at
            self._backoff.reset()

    def on_operator_drains(self, draining: bool) -> None:
        self._executor.operator_drains = draining
        log.info("the operator decided on draining draining=%s", draining)

    def on_handled(self) -> None:
        if self._draining:
            self._check_over()

    def _on_ended(self, ended: Ended | None) -> None:
        if ended is not None:
            self._results.push(ended)
            if self._session is not None:
                self._session.wake()
        if self._draining:
            self._check_over()

    def _on_progress(self, key: Key, fraction: float | None, message: str) -> None:
        if self._session is not None:
            self._session.outbox.progress(key, fraction, message)
            self._session.wake()

    # === the fence ===

    def _arm_fence(self, at: float) -> None:
        self._fence_at = at
        if self._fence_timer is not None:
            self._fence_timer.cancel()
        self._fence_timer = self._loop.call_at(at, self._check_fence)

    def _check_fence(self) -> None:
        self._fence_timer = None
        if self._fence_at is None:
            return
        if self._fence_at > time.monotonic():
            self._arm_fence(self._fence_at)
            return
        self._fence_at = None
        self._executor.fence()
        log.warning("fenced: the coordinator is silent in_flight=%d", self._executor.running)
        self._silent.set()

    # === the drain ===

    def drain(self) -> None:
        """Takes no attempt from here on; `run` returns when what runs has ended."""
        if self._draining:
            return
        log.info("draining in_flight=%d", self._executor.running)
        self._draining = True
        self._executor.ending = True
        self._loop.call_later(self._settings.drain_timeout, self._cut)
        if self._session is not None:
            self._session.outbox.draining = "the worker ends"
            self._session.wake()
        self._check_over()

    def _cut(self) -> None:
        if self._over.is_set():
            return
        if self._executor.running:
            log.warning("the drain's time is over: attempts are stopped running=%d", self._executor.running)
        self._executor.stop_all()
        self._loop.call_later(CUT_GRACE, self._over.set)
        self._check_over()

    def _check_over(self) -> None:
        if not self._executor.is_idle:
            return
        if not self._results:
            self._over.set()
        elif self._session is not None:
            # the last results would else be acknowledged with the next heartbeat
            self._session.ask_for_acknowledgement()
