"""Several coordinators: which errors make a client ask another, and what is never sent twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from closing import Closing
from cluster import Coordinator, Process, rust_worker, terminate

from toolwave import AsyncClient, Client, ConfigurationError, Execution, NotFoundError, ToolCall, UnavailableError
from toolwave._errors import from_rpc
from toolwave._failover import Carrying, Resubmit, Turns
from toolwave._proto import execution_pb2 as pb


class Two:
    """Two coordinators that share nothing, and a worker of both."""

    def __init__(self, folder: Path) -> None:
        self.coordinators = [Coordinator(folder / name, startup_grace="20s") for name in "ab"]
        self.addresses = ",".join(coordinator.address for coordinator in self.coordinators)
        urls = ",".join(f"http://{coordinator.address}" for coordinator in self.coordinators)
        self.worker = rust_worker(urls.removeprefix("http://"), slots=8)
        self.worker.wait_for("registered", count=2)

    def processes(self) -> list[Process]:
        return [self.worker, *self.coordinators]

    def restart(self, at: int, folder: Path) -> None:
        """Ends one in order and starts another where it was."""
        old = self.coordinators[at]
        assert terminate(old) == 0, old.log
        self.coordinators[at] = Coordinator(folder, address=old.address, startup_grace="20s")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    cluster = Two(tmp_path)
    yield cluster
    for process in cluster.processes():
        process.kill()


def echo() -> list[ToolCall]:
    return [{"tool_name": "echo", "parameters": {"n": n}} for n in range(3)]


def slow(keyed: bool) -> list[ToolCall]:
    call: ToolCall = {"tool_name": "sleep", "parameters": {"milliseconds": 1500}}
    if keyed:
        call["idempotency_key"] = "key"
    return [call]


class Asking:
    """One of both clients, the blocking one in a thread: what holds of one holds of the other."""

    def __init__(self, kind: str, addresses: str, first: int | None = None, **options: Any) -> None:
        self.client: Any = AsyncClient(addresses, **options) if kind == "async" else Client(addresses, **options)
        if first is not None:
            self.client._turns._current = first

    @property
    def asked(self) -> int:
        """Which of the coordinators was asked last."""
        return self.client._turns.current

    async def __aenter__(self) -> Asking:
        return self

    async def __aexit__(self, *_: object) -> None:
        closed = await self._called(self.client.close)
        assert closed is None

    async def _called(self, method: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(self.client, AsyncClient):
            return await method(*arguments, **options)
        return await asyncio.to_thread(method, *arguments, **options)

    async def execute(self, calls: list[ToolCall], **options: Any) -> Execution:
        return await self._called(self.client.execute, calls, **options)

    async def cancel(self, **target: str) -> Any:
        return await self._called(self.client.cancel, **target)

    async def kinds(self, calls: list[ToolCall]) -> list[str]:
        """Of the events of a stream."""
        if isinstance(self.client, AsyncClient):
            return [event.kind async for event in self.client.stream(calls)]
        return await asyncio.to_thread(lambda: [event.kind for event in self.client.stream(calls)])


BOTH = pytest.mark.parametrize("kind", ["async", "blocking"])


async def runs(client: AsyncClient) -> bool:
    """Something is in flight at this coordinator."""
    listed = await client._call("list_tools", pb.ListToolsRequest())
    return any(tool.in_flight for tool in listed.tools)


async def test_coordinators_are_restarted_one_by_one_and_no_request_fails(two: Two, tmp_path: Path) -> None:
    stop = asyncio.Event()

    async def ask(client: AsyncClient) -> int:
        answers = 0
        while not stop.is_set():
            holds(await client.execute(echo(), timeout=60))
            answers += 1
        return answers

    def ask_blocking(client: Client) -> int:
        answers = 0
        while not stop.is_set():
            holds(client.execute(echo(), timeout=60))
            answers += 1
        return answers

    def holds(execution: Execution) -> None:
        assert all(result["success"] for result in execution.results)
        assert not any(again.may_have_run for again in execution.resubmissions)

    first, second, blocking = AsyncClient(two.addresses), AsyncClient(two.addresses), Client(two.addresses)
    async with first, second:
        load = [asyncio.create_task(ask(client)) for client in (first, second) for _ in range(3)]
        load += [asyncio.create_task(asyncio.to_thread(ask_blocking, blocking)) for _ in range(2)]
        for at in range(2):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(two.restart, at, tmp_path / f"again{at}")
            # one that is back has its worker before the other goes
            async with AsyncClient(two.coordinators[at].address, patience=30) as alone:
                assert (await alone.execute_tools_parallel(echo(), timeout=60))[0]["success"]
        stop.set()
        assert all(answers > 0 for answers in await asyncio.gather(*load))
    await asyncio.to_thread(blocking.close)


MAY_RUN_AGAIN = pytest.mark.parametrize(
    ("resubmit", "keyed", "carries_on"),
    [("never", True, False), ("keyed", False, False), ("keyed", True, True), ("always", False, True)],
)


@BOTH
@MAY_RUN_AGAIN
async def test_when_a_coordinator_is_killed_another_takes_over_where_the_caller_says_so(
    two: Two, kind: str, resubmit: Resubmit, keyed: bool, carries_on: bool
) -> None:
    async with Asking(kind, two.addresses, resubmit=resubmit) as client:
        assert (await client.execute(echo())).results[0]["success"]
        killed = client.asked
        execution = asyncio.create_task(client.execute(slow(keyed)))
        async with AsyncClient(two.coordinators[killed].address) as there:
            while not await runs(there):
                await asyncio.sleep(0.01)
        two.coordinators[killed].signal(signal.SIGKILL)
        if carries_on:
            answer = await execution
            assert answer.results[0]["success"]
            assert [again.may_have_run for again in answer.resubmissions] == [True]
        else:
            with pytest.raises(UnavailableError):
                await execution
        # what comes next is nobody's risk
        after = await client.execute(echo())
        assert all(result["success"] for result in after.results) and client.asked != killed
        assert not any(again.may_have_run for again in after.resubmissions)


@BOTH
async def test_what_meets_a_connection_that_closes_in_order_is_sent_to_another(kind: str, cluster: Coordinator) -> None:
    with Closing(seen=False) as closing:
        async with Asking(kind, f"{closing.address},{cluster.address}", first=0) as client:
            answer = await client.execute(echo())
            assert all(result["success"] for result in answer.results)
            assert [again.address for again in answer.resubmissions] == [closing.address]
            assert not answer.resubmissions[0].may_have_run
        assert closing.requests == 1


@BOTH
async def test_a_stream_that_meets_a_connection_that_closes_in_order_goes_to_another(
    kind: str, cluster: Coordinator
) -> None:
    with Closing(seen=False) as closing:
        async with Asking(kind, f"{closing.address},{cluster.address}", first=0) as client:
            kinds = await client.kinds(echo())
            assert (kinds[0], kinds[-1], kinds.count("result")) == ("planned", "summary", 3)
        assert closing.requests == 1


@BOTH
async def test_a_stream_of_one_coordinator_whose_connection_closes_in_order_ends_with_an_error(kind: str) -> None:
    with Closing(seen=False) as closing:
        async with Asking(kind, closing.address) as client:
            with pytest.raises(UnavailableError):
                await client.kinds(echo())
        assert closing.requests == 1


@BOTH
@MAY_RUN_AGAIN
async def test_what_a_server_has_seen_is_sent_to_another_only_where_the_caller_says_so(
    kind: str, resubmit: Resubmit, keyed: bool, carries_on: bool
) -> None:
    for streams in (False, True):
        with Closing(seen=True) as first, Closing(seen=True) as second:
            addresses = f"{first.address},{second.address}"
            async with Asking(kind, addresses, first=0, resubmit=resubmit, patience=1) as client:
                with pytest.raises(UnavailableError):
                    await (client.kinds(slow(keyed)) if streams else client.execute(slow(keyed)))
            assert (first.requests, second.requests) == (1, 1 if carries_on else 0)


@BOTH
async def test_to_cancel_is_asked_of_the_coordinator_that_was_asked_last_and_of_no_other(
    kind: str, cluster: Coordinator
) -> None:
    async with Asking(kind, f"127.0.0.1:1,{cluster.address}", first=0) as client:
        with pytest.raises(UnavailableError):
            await client.cancel(execution_id="nobody's")
        assert (await client.execute(echo())).results[0]["success"]
        with pytest.raises(NotFoundError):
            await client.cancel(execution_id="nobody's")


def test_the_blocking_client_asks_another_and_says_so(two: Two) -> None:
    with Client(two.addresses) as client:
        assert client.execute(echo()).resubmissions == []
        asked = client._turns._current
        assert terminate(two.coordinators[asked]) == 0
        execution = client.execute(echo())
        assert all(result["success"] for result in execution.results)
        assert [again.may_have_run for again in execution.resubmissions] in ([], [False])
        assert client._turns._current != asked
        assert {tool.name for tool in client.list_tools()} >= {"echo"}
        assert [event.kind for event in client.stream(echo())][-1] == "summary"


def test_without_a_coordinator_a_request_waits_as_long_as_it_may(tmp_path: Path) -> None:
    with Client("127.0.0.1:1,127.0.0.1:2", patience=0.5) as client:
        asked_at = time.monotonic()
        with pytest.raises(UnavailableError, match="no coordinator"):
            client.list_tools()
        assert time.monotonic() - asked_at < 20


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="never, keyed or always"):
        Client("127.0.0.1:1", resubmit="often")  # type: ignore[arg-type]


class Failed(grpc.RpcError):
    """What grpc raises, in short."""

    def __init__(self, details: str, trailers: tuple[tuple[str, str], ...] = ()) -> None:
        self._details = details
        self._trailers = trailers

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._trailers


@pytest.mark.parametrize(
    ("error", "options", "may_have_run"),
    [
        (Failed("connections to all backends failing; last error: refused"), (), False),
        (Failed("failed to connect to all addresses; last error: refused"), (), False),
        # a server's own words, and what broke after it was sent
        (Failed("failed to connect to all addresses; last error: refused", (("date", "today"),)), (), True),
        (Failed("Socket closed"), (), True),
        # grpc may have sent it before
        (Failed("connections to all backends failing"), (("grpc.service_config", "{}"),), True),
    ],
)
def test_only_what_grpc_had_no_connection_for_was_certainly_not_sent(
    error: Failed, options: tuple[tuple[str, str], ...], may_have_run: bool
) -> None:
    turns = Turns(["a", "b"], 30.0, "always", options)
    carrying = Carrying(turns, repeatable=True, deadline=None)
    carrying.missed(0, from_rpc(error))
    assert [again.may_have_run for again in carrying.resubmissions] == [may_have_run]
