"""Several coordinators: which errors make a client ask another, and what is never sent twice."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cluster import Coordinator, Process, rust_worker, terminate

from toolwave import AsyncClient, Client, ConfigurationError, Execution, ToolCall, UnavailableError
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


@pytest.mark.parametrize(
    ("resubmit", "keyed", "carries_on"),
    [("never", True, False), ("keyed", False, False), ("keyed", True, True), ("always", False, True)],
)
async def test_what_may_have_run_is_submitted_again_only_where_the_caller_says_so(
    two: Two, resubmit: Resubmit, keyed: bool, carries_on: bool
) -> None:
    async with AsyncClient(two.addresses, resubmit=resubmit) as client:
        assert (await client.execute_tools_parallel(echo()))[0]["success"]
        asked = client._turns._current
        execution = asyncio.create_task(client.execute(slow(keyed)))
        async with AsyncClient(two.coordinators[asked].address) as other:
            while not await runs(other):
                await asyncio.sleep(0.01)
        two.coordinators[asked].signal(signal.SIGKILL)
        if not carries_on:
            with pytest.raises(UnavailableError):
                await execution
            return
        answer = await execution
        assert answer.results[0]["success"]
        assert [again.may_have_run for again in answer.resubmissions] == [True]


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
