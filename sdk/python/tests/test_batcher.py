"""The micro-batcher against a real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cluster import appears

import toolwave
from toolwave import AsyncClient, Batcher


class Counting(AsyncClient):
    """A client that knows how many calls each of its executions had."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.executions: list[int] = []

    async def stream(self, tool_calls: Any, *arguments: Any, **options: Any) -> AsyncIterator[toolwave.Event]:
        self.executions.append(len(tool_calls))
        async for event in super().stream(tool_calls, *arguments, **options):
            yield event


@pytest.fixture
async def counting(cluster: Any) -> AsyncIterator[Counting]:
    async with Counting(cluster.address) as client:
        yield client


async def test_calls_made_at_the_same_time_travel_as_one_execution(counting: Counting) -> None:
    async with Batcher(counting, window=0.05) as batcher:
        results = await asyncio.gather(*(batcher.call("py_echo", {"value": index}) for index in range(50)))
    assert [result["result"] for result in results] == list(range(50))
    assert counting.executions == [50]


async def test_a_full_batch_leaves_at_once(counting: Counting) -> None:
    async with Batcher(counting, window=3600, max_batch=10) as batcher:
        await asyncio.gather(*(batcher.call("py_echo", {"value": index}) for index in range(20)))
    assert counting.executions == [10, 10]


async def test_each_caller_hears_as_soon_as_its_own_call_has_ended(client: AsyncClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with Batcher(client) as batcher:
        slow = asyncio.create_task(batcher.call("wait_for_file", {"path": str(gate)}))
        fast = await batcher.call("py_echo", {"value": 1})
        assert fast["success"] and not slow.done()
        gate.touch()
        assert (await slow)["result"] == "seen"


async def test_one_callers_failure_is_its_own(client: AsyncClient) -> None:
    async with Batcher(client) as batcher:
        results = await asyncio.gather(
            batcher.call("py_echo", {"value": 1}),
            batcher.call("fail_as_told", {"code": "NO", "message": "no"}),
            batcher.call("no_such_tool"),
            batcher.call("../no name", {}),
            batcher.call("py_echo", {"value": 2}, priority=9),
            batcher.call("py_echo", {"value": float("inf")}),
            batcher.call("py_echo", {"value": 3}),
            return_exceptions=True,
        )
    ends = [each["outcome"] if isinstance(each, dict) else type(each).__name__ for each in results]
    assert ends == [
        *("SUCCEEDED", "FAILED", "REJECTED"),
        *("InvalidRequestError", "InvalidRequestError", "ParameterError", "SUCCEEDED"),
    ]


async def test_text_that_looks_like_a_reference_stays_text(counting: Counting) -> None:
    texts = ["${0.result}", "$${x}", "a ${ b", "$$${", "${HOME}"]
    async with Batcher(counting, window=0.05) as batcher:
        results = await asyncio.gather(*(batcher.call("py_echo", {"value": {"${key}": [text]}}) for text in texts))
    assert [result["result"] for result in results] == [{"${key}": [text]} for text in texts]
    assert counting.executions == [5]


async def test_a_caller_that_is_cancelled_does_not_disturb_the_others(client: AsyncClient, tmp_path: Path) -> None:
    gate, other = tmp_path / "gate", tmp_path / "other"
    async with Batcher(client) as batcher:
        leaves = asyncio.create_task(batcher.call("wait_for_file", {"path": str(gate)}))
        stays = asyncio.create_task(batcher.call("wait_for_file", {"path": str(other)}))
        await appears(tmp_path / "gate.started")
        await appears(tmp_path / "other.started")
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        other.touch()
        assert (await stays)["result"] == "seen"


async def test_the_execution_is_cancelled_when_all_callers_have_gone(client: AsyncClient, tmp_path: Path) -> None:
    async with Batcher(client) as batcher:
        tasks = [
            asyncio.create_task(batcher.call("wait_for_file", {"path": str(tmp_path / name)})) for name in ("a", "b")
        ]
        await appears(tmp_path / "a.started")
        await appears(tmp_path / "b.started")
        for task in tasks:
            task.cancel()
        await appears(tmp_path / "a.cancelled")
        await appears(tmp_path / "b.cancelled")


async def test_callers_that_left_before_the_window_closed_are_not_sent(counting: Counting) -> None:
    async with Batcher(counting, window=3600) as batcher:
        gone = asyncio.create_task(batcher.call("py_echo", {"value": 1}))
        stays = asyncio.create_task(batcher.call("py_echo", {"value": 2}))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        await batcher.flush()
        assert (await stays)["result"] == 2
    assert counting.executions == [1]


async def test_different_execution_options_travel_apart(counting: Counting) -> None:
    async with Batcher(counting, window=0.05) as batcher:
        results = await asyncio.gather(
            batcher.call("py_echo", {"value": 1}),
            batcher.call("py_echo", {"value": 2}, execution_timeout=30),
            batcher.call("sleep", {"milliseconds": 60_000}, execution_timeout=0.2, timeout=60),
            batcher.call("py_echo", {"value": 3}),
        )
    assert [result["outcome"] for result in results] == ["SUCCEEDED", "SUCCEEDED", "DEADLINE_EXCEEDED", "SUCCEEDED"]
    assert sorted(counting.executions) == [1, 1, 2]


async def test_closing_sends_what_waits_and_refuses_what_comes_later(counting: Counting) -> None:
    batcher = Batcher(counting, window=3600)
    call = asyncio.create_task(batcher.call("py_echo", {"value": 1}))
    await asyncio.sleep(0)
    await batcher.close()
    assert (await call)["result"] == 1
    with pytest.raises(toolwave.ToolwaveError, match="closed"):
        await batcher.call("py_echo", {"value": 1})


async def test_a_coordinator_that_is_not_there_is_told_to_every_caller() -> None:
    async with AsyncClient("127.0.0.1:1") as client, Batcher(client) as batcher:
        results = await asyncio.gather(*(batcher.call("x") for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in results] == [toolwave.UnavailableError] * 3
