"""The worker against a scripted coordinator, for what a real one does not do on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from toolwave import Context, Worker, tool
from toolwave._proto import worker_pb2 as pb

PATIENCE = 30


class Scripted:
    """Serves OpenSession; a test takes sessions one by one, and says and hears frames itself."""

    def __init__(self) -> None:
        self.sessions: asyncio.Queue[ScriptedSession] = asyncio.Queue()
        self.address = ""

    async def open_session(self, frames: AsyncIterator[pb.OpenSessionRequest], context: Any) -> None:
        session = ScriptedSession(frames, context)
        await self.sessions.put(session)
        await session.ended.wait()

    async def next(self) -> ScriptedSession:
        return await asyncio.wait_for(self.sessions.get(), PATIENCE)


class ScriptedSession:
    def __init__(self, frames: AsyncIterator[pb.OpenSessionRequest], context: Any) -> None:
        self._frames = frames
        self._context = context
        self.ended = asyncio.Event()
        self.heard: list[pb.OpenSessionRequest] = []

    async def hear(self, until: Callable[[pb.OpenSessionRequest], Any]) -> pb.OpenSessionRequest:
        """Reads until a frame says what is asked for."""

        async def read() -> pb.OpenSessionRequest:
            async for frame in self._frames:
                self.heard.append(frame)
                if until(frame):
                    return frame
            raise AssertionError("the worker ended the stream")

        return await asyncio.wait_for(read(), PATIENCE)

    async def say(self, **fields: Any) -> None:
        await self.write(pb.OpenSessionResponse(**fields))

    async def write(self, frame: pb.OpenSessionResponse) -> None:
        await self._context.write(frame)

    async def accept(self, coordinator_id: str = "one", **fields: Any) -> pb.Register:
        frame = await self.hear(lambda frame: frame.HasField("register"))
        fields.setdefault("heartbeat_interval", Duration(seconds=60))
        fields.setdefault("self_fence", Duration(seconds=120))
        await self.say(registered=pb.Registered(coordinator_id=coordinator_id, session_id="s", protocol=1, **fields))
        return frame.register

    async def result(self, number: int) -> pb.AttemptReport:
        """The end of an attempt of this execution."""
        frame = await self.hear(lambda frame: any(each.attempt.execution == number for each in frame.results))
        return next(each for each in frame.results if each.attempt.execution == number)

    def end(self) -> None:
        self.ended.set()


@contextlib.asynccontextmanager
async def scripted(*tools: Any, **options: Any) -> AsyncIterator[tuple[Scripted, Worker]]:
    coordinator = Scripted()
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(
        coordinator.open_session,
        request_deserializer=pb.OpenSessionRequest.FromString,
        response_serializer=pb.OpenSessionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("toolwave.v1.WorkerService", {"OpenSession": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    worker = Worker(*tools, coordinator=f"127.0.0.1:{port}", name="scripted", **options)
    running = asyncio.create_task(worker.run())
    try:
        yield coordinator, worker
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.stop(None)


def attempt(execution: int) -> pb.AttemptRef:
    return pb.AttemptRef(execution=execution, call_index=0, attempt=1)


def dispatch(execution: int, name: str = "count", **fields: Any) -> pb.Dispatch:
    return pb.Dispatch(attempt=attempt(execution), tool_name=name, sequence=execution, **fields)


class Counted:
    """A tool that counts its calls, and ends when it may."""

    def __init__(self) -> None:
        self.calls = 0
        self.started = asyncio.Event()
        self.leave = asyncio.Event()

        @tool
        async def count() -> int:
            self.calls += 1
            self.started.set()
            await self.leave.wait()
            return self.calls

        self.tool = count


async def test_the_worker_says_what_it_is_and_lists_nothing_at_first() -> None:
    counted = Counted()
    async with scripted(counted.tool, slots=3, labels={"zone": "a"}) as (coordinator, _):
        register = await (await coordinator.next()).accept()
    assert (register.worker, register.slots, dict(register.labels)) == ("scripted", 3, {"zone": "a"})
    assert [each.name for each in register.tools] == ["count"] and register.instance_id
    assert register.coordinator_id == "" and not register.in_flight and not register.draining
    assert (register.min_protocol, register.max_protocol) == (1, 1)


async def test_the_worker_takes_no_version_that_it_did_not_offer_and_comes_in_with_one_that_it_did(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counted = Counted()
    async with scripted(counted.tool) as (coordinator, _):
        session = await coordinator.next()
        await session.hear(lambda frame: frame.HasField("register"))
        await session.say(registered=pb.Registered(coordinator_id="one", session_id="s", protocol=7))
        register = await (await coordinator.next()).accept()
    assert register.worker == "scripted"
    told = "it answers with protocol version 7, and this worker offered 1 to 1; expected one of those"
    assert told in caplog.text


async def test_what_the_coordinator_tells_of_others_is_passed_over_and_the_trace_reaches_the_tool() -> None:
    @tool
    async def trace(context: Context) -> list[str]:
        return [context.traceparent, context.tracestate]

    async with scripted(trace) as (coordinator, _):
        session = await coordinator.next()
        await session.accept()
        await session.say(coordinators=pb.Coordinators(addresses=["http://127.0.0.1:1"]))
        # a field that nobody has given a meaning yet
        unknown = pb.OpenSessionResponse.FromString(b"\xa2\x06\x02hi")
        assert unknown.ByteSize() > 0
        unknown.dispatches.append(dispatch(1, "trace", traceparent="00-a-b-01", tracestate="v=1"))
        await session.write(unknown)
        assert (await session.result(1)).result_json == b'["00-a-b-01","v=1"]'


async def test_an_attempt_that_is_dispatched_twice_runs_once() -> None:
    counted = Counted()
    async with scripted(counted.tool) as (coordinator, _):
        session = await coordinator.next()
        await session.accept()
        await session.say(dispatches=[dispatch(1), dispatch(1)])
        await counted.started.wait()
        await session.say(dispatches=[dispatch(1)])
        counted.leave.set()
        assert (await session.result(1)).result_json == b"1"
        # here too: it has ended and is not acknowledged
        await session.say(dispatches=[dispatch(1), dispatch(2)])
        assert (await session.result(2)).result_json == b"2"
    assert counted.calls == 2


async def test_results_are_numbered_and_kept_until_they_are_acknowledged() -> None:
    counted = Counted()
    counted.leave.set()
    async with scripted(counted.tool) as (coordinator, _):
        first = await coordinator.next()
        await first.accept()
        await first.say(dispatches=[dispatch(1)])
        assert (await first.result(1)).sequence == 1
        await first.say(dispatches=[dispatch(2)], acknowledged_results=1)
        assert (await first.result(2)).sequence == 2
        first.end()
        second = await coordinator.next()
        register = await second.accept()
        assert register.coordinator_id == "one" and list(register.in_flight) == [attempt(2)]
        report = await second.result(2)
        assert (report.sequence, report.result_json) == (1, b"2")
        second.end()
        third = await coordinator.next()
        # another coordinator, that knows none of them
        assert list((await third.accept("two")).in_flight) == [attempt(2)]
        await third.say(dispatches=[dispatch(2)])
        assert (await third.result(2)).result_json == b"3"


async def test_what_is_unwanted_after_a_reconnect_is_stopped_and_forgotten() -> None:
    runs, ended = Counted(), Counted()
    ended.leave.set()
    runs_tool = runs.tool
    runs_tool.name = "runs"
    async with scripted(runs_tool, ended.tool) as (coordinator, _):
        first = await coordinator.next()
        await first.accept()
        await first.say(dispatches=[dispatch(1, "runs"), dispatch(2)])
        await first.result(2)
        first.end()
        second = await coordinator.next()
        register = await second.accept(unwanted=[attempt(1), attempt(2)])
        assert {each.execution for each in register.in_flight} == {1, 2}
        report = await second.result(1)
        assert report.failure.code == "ABORTED" and report.sequence == 1
        assert not any(each.attempt.execution == 2 for frame in second.heard for each in frame.results)


async def test_an_abort_that_comes_before_its_dispatch_is_remembered() -> None:
    counted = Counted()
    async with scripted(counted.tool) as (coordinator, _):
        session = await coordinator.next()
        await session.accept()
        await session.say(aborts=[attempt(1)])
        await session.say(dispatches=[dispatch(1)])
        report = await session.result(1)
        assert report.failure.code == "ABORTED" and not report.HasField("execution_time")
    assert counted.calls == 0


async def test_what_cannot_run_is_refused_with_its_reason() -> None:
    counted = Counted()
    async with scripted(counted.tool, slots=1, max_parameters_bytes=10) as (coordinator, worker):
        session = await coordinator.next()
        await session.accept()
        await session.say(
            dispatches=[dispatch(1, "gone"), dispatch(2, parameters_json=b'{"a": "0123456789"}'), dispatch(3)]
        )
        refused = await session.result(2)
        codes = {each.attempt.execution: each.failure.code for frame in session.heard for each in frame.results}
        assert codes == {1: "TOOL_GONE", 2: "PARAMETERS_TOO_LARGE"}
        assert refused.failure.kind == pb.ATTEMPT_FAILURE_KIND_REFUSED
        await session.say(dispatches=[dispatch(4)])
        assert (await session.result(4)).failure.code == "WORKER_FULL"
        worker.drain()
        await session.hear(lambda frame: frame.HasField("draining"))
        await session.say(dispatches=[dispatch(5)])
        assert (await session.result(5)).failure.code == "WORKER_DRAINING"


async def test_parameters_in_pieces_must_come_in_order() -> None:
    @tool
    def size(text: str) -> int:
        return len(text)

    payload = b'{"text": "' + b"x" * 100 + b'"}'
    async with scripted(size) as (coordinator, _):
        session = await coordinator.next()
        await session.accept()
        await session.say(dispatches=[dispatch(1, "size", parameters_size=len(payload))])
        for offset in range(0, len(payload), 50):
            piece = pb.PayloadChunk(attempt=attempt(1), offset=offset, data=payload[offset : offset + 50])
            await session.say(chunks=[piece])
        assert (await session.result(1)).result_json == b"100"
        await session.say(dispatches=[dispatch(2, "size", parameters_size=len(payload))])
        await session.say(chunks=[pb.PayloadChunk(attempt=attempt(2), offset=7, data=b"x")])
        again = await coordinator.next()
        # 2 has not run, and that is told: its parameters will not arrive
        assert {each.execution for each in (await again.accept()).in_flight} == {1, 2}
        assert (await again.result(2)).failure.code == "PARAMETERS_LOST"


async def test_an_acknowledgement_of_what_was_not_sent_ends_the_session() -> None:
    async with scripted(Counted().tool) as (coordinator, _):
        session = await coordinator.next()
        await session.accept()
        await session.say(acknowledged_results=5)
        await (await coordinator.next()).accept()


async def test_heartbeats_list_what_is_in_flight_and_how_far_the_worker_has_read() -> None:
    counted = Counted()
    async with scripted(counted.tool) as (coordinator, _):
        session = await coordinator.next()
        await session.accept(heartbeat_interval=Duration(nanos=20_000_000))
        await session.hear(lambda frame: frame.HasField("heartbeat"))
        await session.say(dispatches=[dispatch(7)])
        frame = await session.hear(lambda frame: frame.heartbeat.dispatches_read == 7)
        assert list(frame.heartbeat.in_flight) == [attempt(7)]
        numbers = [frame.heartbeat.number for frame in session.heard if frame.HasField("heartbeat")]
        assert numbers == list(range(1, len(numbers) + 1))
        # told once, though it began before
        started = [each for frame in session.heard for each in frame.started]
        if not started:
            started = list((await session.hear(lambda frame: frame.started)).started)
        assert started == [attempt(7)]
        counted.leave.set()
        await session.result(7)
        frame = await session.hear(lambda frame: frame.HasField("heartbeat"))
        assert not frame.heartbeat.in_flight


async def test_a_silent_coordinator_is_left_and_refused_what_it_sends_late() -> None:
    counted = Counted()
    async with scripted(counted.tool) as (coordinator, _):
        session = await coordinator.next()
        await session.accept(self_fence=Duration(nanos=100_000_000))
        await session.say(dispatches=[dispatch(1, safe_to_repeat=True)])
        again = await coordinator.next()
        await again.accept()
        report = await again.result(1)
        assert report.failure.kind == pb.ATTEMPT_FAILURE_KIND_FENCED


async def test_a_coordinator_that_goes_away_is_come_back_to() -> None:
    async with scripted(Counted().tool) as (coordinator, _):
        session = await coordinator.next()
        await session.accept()
        await session.say(shutdown=pb.Shutdown(reconnect_after=Duration(nanos=10_000_000)))
        session.end()
        await (await coordinator.next()).accept()


async def test_goodbye_is_the_last_frame_and_comes_once_results_are_safe() -> None:
    counted = Counted()
    async with scripted(counted.tool) as (coordinator, worker):
        session = await coordinator.next()
        await session.accept()
        await session.say(dispatches=[dispatch(1)])
        await counted.started.wait()
        worker.drain()
        counted.leave.set()
        await session.result(1)
        assert not any(frame.HasField("goodbye") for frame in session.heard)
        await session.say(acknowledged_results=1)
        frame = await session.hear(lambda frame: frame.HasField("goodbye"))
        assert frame.goodbye.reason == "drained"
        session.end()
