"""Hosts functions as tools: `serve(...)` for a program that does nothing else, `Worker` inside one of your own."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from toolwave._channel import DEFAULT_ADDRESS, Options, Tls, route
from toolwave._errors import ConfigurationError, ToolDefinitionError, WorkerError
from toolwave._tool import HostedTool, as_tool
from toolwave._types import Seconds
from toolwave.worker._dial import MAX_MESSAGE
from toolwave.worker._service import Service, Settings

__all__ = ["Worker", "serve"]

log = logging.getLogger("toolwave.worker")

DEFAULT_SLOTS = 16
DEFAULT_DRAIN_TIMEOUT = 30.0
DEFAULT_MAX_PAYLOAD = 8 << 20
STRAY_TIMEOUT = 1.0
"""Seconds for tasks that go on after the worker has drained."""
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_numbers = itertools.count()


class Worker:
    """A worker with these tools. `run` serves until `drain`; trouble with the coordinator never ends it.

    It has a session with one coordinator: of a name that has several addresses, with the one that answers first.

    Tools that are `async` run in the loop that `run` runs in, and must not block it: heartbeats come from there too.
    Others run in threads, one for each slot.
    """

    def __init__(
        self,
        *tools: HostedTool[..., Any] | Callable[..., Any],
        coordinator: str = DEFAULT_ADDRESS,
        name: str | None = None,
        slots: int = DEFAULT_SLOTS,
        tls: Tls | bool | None = None,
        labels: Mapping[str, str] | None = None,
        drain_timeout: Seconds = DEFAULT_DRAIN_TIMEOUT,
        max_parameters_bytes: int = DEFAULT_MAX_PAYLOAD,
        max_result_bytes: int = DEFAULT_MAX_PAYLOAD,
        channel_options: Options = (),
    ) -> None:
        from toolwave import __version__

        self.name = _default_name() if name is None else name
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"name: {self.name!r} is not allowed; expected 1 to 128 bytes of [A-Za-z0-9._:-]")
        if isinstance(slots, bool) or not isinstance(slots, int) or slots < 0:
            raise ConfigurationError(f"slots: {slots!r} is not allowed; expected 0 or more")
        if isinstance(coordinator, str) and "," in coordinator:
            raise ConfigurationError(
                f"coordinator: {coordinator!r} is several addresses; expected one: a Python worker has one coordinator"
            )
        self._tools = _named(tools)
        self._route = route(coordinator, tls, MAX_MESSAGE, channel_options)
        self._settings = Settings(
            name=self.name,
            slots=slots,
            labels=dict(labels or {}),
            drain_timeout=drain_timeout.total_seconds() if isinstance(drain_timeout, timedelta) else drain_timeout,
            max_parameters_bytes=max_parameters_bytes,
            max_result_bytes=max_result_bytes,
            build=f"python-{__version__}",
        )
        self._lock = threading.Lock()
        self._service: Service | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain = False
        self._is_registered = False
        self._registered = asyncio.Event()

    @property
    def is_registered(self) -> bool:
        """It has a session."""
        return self._is_registered

    async def registered(self) -> None:
        """Waits until it has a session. In the loop that `run` runs in."""
        await self._registered.wait()

    def _on_registered(self, registered: bool) -> None:
        self._is_registered = registered
        if registered:
            self._registered.set()
        else:
            self._registered.clear()

    async def run(self) -> None:
        """Serves until `drain` is called and what runs has ended. Cancelling it ends the session at once."""
        with self._lock:
            if self._service is not None:
                raise WorkerError("the worker runs already, or has run; expected a new one")
            self._loop = asyncio.get_running_loop()
            self._service = Service(self._settings, self._tools, self._route, self._on_registered)
            if self._drain:
                return
        await self._service.run()

    def drain(self) -> None:
        """Takes no attempt from here on; `run` returns when what runs has ended. May be called from any thread."""
        with self._lock:
            self._drain = True
            if self._service is None or self._loop is None:
                return
            loop, service = self._loop, self._service
        loop.call_soon_threadsafe(service.drain)

    def serve(self) -> None:
        """Runs until SIGTERM or SIGINT, then drains; a second signal ends the process at once."""
        asyncio_runner(self)


def serve(
    *tools: HostedTool[..., Any] | Callable[..., Any],
    coordinator: str = DEFAULT_ADDRESS,
    name: str | None = None,
    slots: int = DEFAULT_SLOTS,
    tls: Tls | bool | None = None,
    labels: Mapping[str, str] | None = None,
    drain_timeout: Seconds = DEFAULT_DRAIN_TIMEOUT,
    max_parameters_bytes: int = DEFAULT_MAX_PAYLOAD,
    max_result_bytes: int = DEFAULT_MAX_PAYLOAD,
) -> None:
    """Hosts the tools until SIGTERM or SIGINT; what runs then ends first. Blocks; call it in the main thread."""
    worker = Worker(
        *tools,
        coordinator=coordinator,
        name=name,
        slots=slots,
        tls=tls,
        labels=labels,
        drain_timeout=drain_timeout,
        max_parameters_bytes=max_parameters_bytes,
        max_result_bytes=max_result_bytes,
    )
    worker.serve()


def asyncio_runner(worker: Worker) -> None:
    """A loop for one worker, that ends even when a tool ignores that it was cancelled."""
    loop = asyncio.new_event_loop()
    asked: list[int] = []

    def on_signal(number: int) -> None:
        if asked:
            log.warning("asked to end again: ends at once signal=%d", number)
            logging.shutdown()
            os._exit(128 + number)
        asked.append(number)
        log.info("asked to end signal=%d", number)
        worker.drain()

    try:
        asyncio.set_event_loop(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, on_signal, int(number))
            except NotImplementedError:
                # no signal handlers of loops on this system
                signal.signal(number, lambda number, _: loop.call_soon_threadsafe(on_signal, number))
        loop.run_until_complete(worker.run())
        stray = asyncio.all_tasks(loop)
        for task in stray:
            task.cancel()
        if stray:
            loop.run_until_complete(asyncio.wait(stray, timeout=STRAY_TIMEOUT))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _named(tools: tuple[Any, ...]) -> dict[str, HostedTool[..., Any]]:
    named: dict[str, HostedTool[..., Any]] = {}
    for given in tools:
        tool = as_tool(given)
        if tool.name in named and named[tool.name] is not tool:
            raise ToolDefinitionError(f"two tools are named {tool.name!r}; expected names that differ")
        named[tool.name] = tool
    size = sum(tool.declaration().ByteSize() for tool in named.values())
    if size > MAX_MESSAGE // 2:
        raise ToolDefinitionError(f"the declarations have {size} bytes; expected at most {MAX_MESSAGE // 2}")
    return named


def _default_name() -> str:
    """The host's name and the process's number, and a number for each further worker of the process."""
    host = re.sub(r"[^A-Za-z0-9._-]", "", socket.gethostname())[:96] or "worker"
    number = next(_numbers)
    return f"{host}-{os.getpid()}" + (f"-{number}" if number else "")
