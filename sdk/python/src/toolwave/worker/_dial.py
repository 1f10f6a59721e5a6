"""Dials the coordinator and opens a session; says how long to wait before the next try."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from toolwave._channel import Route
from toolwave._errors import ConfigurationError
from toolwave._proto import worker_pb2 as pb
from toolwave.worker._session import SessionLost

log = logging.getLogger("toolwave.worker")

MAX_MESSAGE = 16 << 20
"""The largest message that either side sends."""
MIN_MESSAGE = 256 << 10
"""The largest frame that this worker makes."""
PROTOCOL = 1
OPEN_TIMEOUT = 10.0
"""Seconds for the connection, and for the answer to the first frame."""
_METHOD = "/toolwave.v1.WorkerService/OpenSession"
_IDENTITY = ("UNAUTHENTICATED", "PERMISSION_DENIED", "ALREADY_EXISTS")


class Refused(SessionLost):
    """The coordinator does not want this worker as it is."""


@dataclass
class Opened:
    """A session that has been accepted."""

    channel: grpc.aio.Channel
    call: Any
    first: pb.OpenSessionResponse
    asked_at: float

    async def close(self) -> None:
        self.call.cancel()
        await self.channel.close()


class Dialler:
    """A channel of its own for each session: certificates are read anew, and gRPC's own waits do not count."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._credentials = route.credentials()

    def _channel(self) -> grpc.aio.Channel:
        target = self._route.address.target
        options = [*self._route.options, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        try:
            self._credentials = self._route.credentials()
        except ConfigurationError as error:
            log.warning("files of TLS cannot be used; what they held before is used error=%s", error)
        if self._credentials is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, self._credentials, options=options)

    async def open(self, register: pb.Register) -> Opened:
        """Connects, registers and waits for the answer."""
        channel = self._channel()
        call: Any = None
        try:
            call = channel.stream_stream(
                _METHOD,
                request_serializer=pb.OpenSessionRequest.SerializeToString,
                response_deserializer=pb.OpenSessionResponse.FromString,
            )()
            asked_at = time.monotonic()
            first = await _answer(call, register)
            _check(first)
        except BaseException:
            if call is not None:
                call.cancel()
            await channel.close()
            raise
        return Opened(channel, call, first, asked_at)


async def _answer(call: Any, register: pb.Register) -> pb.OpenSessionResponse:
    # not wait_for: before Python 3.12 it loses a cancellation that comes together with the answer
    asking = asyncio.ensure_future(_ask(call, register))
    try:
        await asyncio.wait({asking}, timeout=OPEN_TIMEOUT)
        if not asking.done():
            raise SessionLost(f"the coordinator did not answer within {OPEN_TIMEOUT:g} s")
        return asking.result()
    finally:
        if not asking.done():
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _ask(call: Any, register: pb.Register) -> pb.OpenSessionResponse:
    try:
        await call.write(pb.OpenSessionRequest(register=register))
        first = await call.read()
    except grpc.RpcError as error:
        known: Any = error
        raise _lost(known.code(), known.details()) from None
    except asyncio.InvalidStateError:
        raise _lost(await call.code(), await call.details()) from None
    if first is grpc.aio.EOF:
        raise _lost(await call.code(), await call.details())
    answer: pb.OpenSessionResponse = first
    return answer


def _lost(code: grpc.StatusCode, details: str) -> SessionLost:
    kind = Refused if code.name in _IDENTITY else SessionLost
    return kind(f"{code.name}: {details}")


def _check(first: pb.OpenSessionResponse) -> None:
    if not first.HasField("registered"):
        raise SessionLost("the coordinator broke the protocol: the first frame does not answer register")
    registered = first.registered
    if registered.protocol != PROTOCOL:
        raise SessionLost(
            f"the coordinator broke the protocol: it answers with protocol version {registered.protocol}, "
            f"and this worker offered {PROTOCOL} to {PROTOCOL}; expected one of those"
        )
    if 0 < registered.max_message_bytes < MIN_MESSAGE:
        raise SessionLost(
            f"the coordinator takes messages of {registered.max_message_bytes} bytes; expected at least {MIN_MESSAGE}"
        )


class Backoff:
    """Waits between tries, each drawn from zero to a bound that grows: workers do not come back all at once."""

    FIRST = 0.1
    SECOND = 0.5
    LAST = 30.0

    def __init__(self) -> None:
        self._failures = 0

    @property
    def bound(self) -> float:
        if self._failures == 0:
            return self.FIRST
        return min(self.LAST, self.SECOND * (1 << min(self._failures - 1, 10)))

    def next_wait(self) -> float:
        """Seconds before the next try."""
        wait = random.uniform(0, self.bound)
        self._failures += 1
        return wait

    def reset(self) -> None:
        """A session has shown that it works."""
        self._failures = 0
