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

from toolwave import AsyncClient, Client, ConfigurationError, ToolCall, UnavailableError
from toolwave._failover import Resubmit
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
            execution = await client.execute(echo(), timeout=60)
            assert all(result["success"] for result in execution.results)
            answers += 1
        return answers

    # grpc does not say whether a request that meets a closing connection was sent: it may have run
    first, second = (AsyncClient(two.addresses, resubmit="always") for _ in range(2))
    async with first, second:
        load = [asyncio.create_task(ask(client)) for client in (first, second) for _ in range(3)]
        for at in range(2):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(two.restart, at, tmp_path / f"again{at}")
            # one that is back has its worker before the other goes
            async with AsyncClient(two.coordinators[at].address, patience=30) as alone:
                assert (await alone.execute_tools_parallel(echo(), timeout=60))[0]["success"]
        stop.set()
        assert all(answers > 0 for answers in await asyncio.gather(*load))


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


def notices(client: Client, way: int) -> None:
    """Waits until its connection is known to be gone."""
    for _ in range(1000):
        if client._ways[way]._state is not grpc.ChannelConnectivity.READY:
            return
        time.sleep(0.01)
    raise AssertionError("the connection is still thought to be there")


def test_the_blocking_client_asks_another_and_says_so(two: Two) -> None:
    with Client(two.addresses) as client:
        assert client.execute(echo()).resubmissions == []
        asked = client._turns._current
        assert terminate(two.coordinators[asked]) == 0
        notices(client, asked)
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
