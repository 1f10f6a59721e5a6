"""The Python worker against a real coordinator: results and errors, stopping, slots, progress, large payloads."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Coordinator, appears

import toolwave
from toolwave import AsyncClient, Context, ToolCall, ToolError, Worker, tool


@contextlib.asynccontextmanager
async def hosted(coordinator: Coordinator, *tools: Any, **options: Any) -> AsyncIterator[tuple[Worker, AsyncClient]]:
    """A worker in the test's own loop, drained at the end."""
    worker = Worker(*tools, coordinator=coordinator.address, name=options.pop("name", "here"), **options)
    running = asyncio.create_task(worker.run())
    async with AsyncClient(coordinator.address) as client:
        try:
            await asyncio.wait_for(worker.registered(), 30)
            yield worker, client
        finally:
            worker.drain()
            await asyncio.wait_for(running, 60)


async def outcome(client: AsyncClient, name: str, **parameters: Any) -> toolwave.ToolResult:
    return (await client.execute_tools_parallel([{"tool_name": name, "parameters": parameters}]))[0]


async def test_parameters_become_the_annotated_types_and_results_become_json(client: AsyncClient) -> None:
    result = await outcome(client, "kinds", colour="blue", point={"x": 3})
    assert result["result"] == {"colour": "BLUE", "point": {"x": 3, "y": 0}, "types": ["Colour", "Point"]}


async def test_what_a_tool_raises_is_its_calls_error(client: AsyncClient) -> None:
    failed = await outcome(client, "fail_as_told", code="NO_STOCK", message="none left", retry_after=7.5)
    assert (failed["outcome"], failed["error_code"], failed["error"]) == ("FAILED", "NO_STOCK", "none left")
    assert failed["details"] == {"why": [1, 2]} and failed["retry_after"] == 7.5 and not failed["retryable"]
    for name in ("divide", "divide_async"):
        raised = await outcome(client, name, a=1, b=0)
        assert (raised["outcome"], raised["error_code"]) == ("FAILED", "ZERO_DIVISION_ERROR")
        assert raised["error"] == "ZeroDivisionError: division by zero"


async def test_a_broken_contract_fails_its_call_and_nothing_else(client: AsyncClient) -> None:
    assert (await outcome(client, "no_json"))["error_code"] == "BROKEN_OUTPUT"
    assert (await outcome(client, "exits"))["error_code"] == "SYSTEM_EXIT"
    assert (await outcome(client, "py_echo", value=1))["result"] == 1


async def test_a_retryable_error_is_tried_again(client: AsyncClient) -> None:
    result = await outcome(client, "fails_first")
    assert result["result"] == 3 and [each["number"] for each in result["attempts"]] == [1, 2, 3]


async def test_large_payloads_travel_in_pieces_both_ways(client: AsyncClient) -> None:
    text = "é" * 1_000_000
    results = await client.execute_tools_parallel(
        [
            {"tool_name": "measure", "parameters": {"text": text}},
            {"tool_name": "py_echo", "parameters": {"value": text}},
            {"tool_name": "large", "parameters": {"size": 7_000_000}},
        ]
    )
    assert results[0]["result"] == 1_000_000 and results[1]["result"] == text
    assert len(results[2]["result"]) == 7_000_000


async def test_a_result_over_a_limit_fails_its_call(client: AsyncClient) -> None:
    assert (await outcome(client, "limited", size=998))["success"]
    for name, size in (("limited", 999), ("large", 9 << 20)):
        assert (await outcome(client, name, size=size))["error_code"] == "RESULT_TOO_LARGE"


async def test_integers_beyond_a_doubles_precision_pass_unchanged(client: AsyncClient) -> None:
    for number in (2**53 + 1, 2**63 - 1, -(2**63), 2**64):
        assert (await outcome(client, "py_echo", value=number))["result"] == number


@pytest.mark.parametrize("name", ["wait_for_file", "wait_for_file_blocking"])
async def test_a_tool_past_its_timeout_is_stopped(client: AsyncClient, tmp_path: Path, name: str) -> None:
    gate = tmp_path / "gate"
    results = await client.execute_tools_parallel(
        [{"tool_name": name, "parameters": {"path": str(gate)}, "timeout": 0.2}]
    )
    assert results[0]["outcome"] == "TIMED_OUT" and results[0]["may_have_run"]
    await appears(tmp_path / "gate.cancelled")


@pytest.mark.parametrize("name", ["wait_for_file", "wait_for_file_blocking"])
async def test_an_aborted_tool_is_stopped(client: AsyncClient, tmp_path: Path, name: str) -> None:
    gate = tmp_path / "gate"
    task = asyncio.create_task(outcome(client, name, path=str(gate)))
    await appears(tmp_path / "gate.started")
    task.cancel()
    await appears(tmp_path / "gate.cancelled")


async def test_a_thread_that_goes_on_keeps_its_slot(coordinator: Coordinator) -> None:
    entered, leave = threading.Event(), threading.Event()

    @tool
    def stubborn() -> str:
        entered.set()
        leave.wait(60)
        return "late"

    @tool
    def quick() -> str:
        return "quick"

    async with hosted(coordinator, stubborn, quick, slots=1) as (_, client):
        stuck = asyncio.create_task(client.execute_tools_parallel([{"tool_name": "stubborn", "timeout": 0.1}]))
        await asyncio.to_thread(entered.wait, 30)
        waiting = asyncio.create_task(client.execute_tools_parallel([{"tool_name": "quick"}]))
        refused = await client.execute_tools_parallel([{"tool_name": "quick", "queue_timeout": 0.3}])
        assert refused[0]["error_code"] == "QUEUE_TIMEOUT" and not waiting.done()
        leave.set()
        assert (await stuck)[0]["outcome"] == "TIMED_OUT"
        assert (await waiting)[0]["result"] == "quick"


@pytest.mark.parametrize("is_async", [True, False])
async def test_no_more_attempts_run_than_there_are_slots(coordinator: Coordinator, is_async: bool) -> None:
    lock, running, most, done = threading.Lock(), 0, 0, threading.Barrier(3)

    def enter(change: int) -> None:
        nonlocal running, most
        with lock:
            running += change
            most = max(most, running)

    @tool(name="held")
    def blocking() -> None:
        enter(1)
        done.wait(30)
        enter(-1)

    together = asyncio.Condition()
    arrived = 0

    @tool(name="held")
    async def awaiting() -> None:
        nonlocal arrived
        enter(1)
        async with together:
            arrived += 1
            together.notify_all()
            target = (arrived + 2) // 3 * 3
            await together.wait_for(lambda: arrived >= target)
        enter(-1)

    async with hosted(coordinator, awaiting if is_async else blocking, slots=3) as (_, client):
        calls: list[ToolCall] = [{"tool_name": "held"} for _ in range(30)]
        results = await client.execute_tools_parallel(calls, "auto")
    # every three had to be there at once for any of them to end
    assert all(result["success"] for result in results) and most == 3


async def test_progress_reaches_the_stream_from_loop_and_thread(coordinator: Coordinator) -> None:
    seen = threading.Event()

    @tool
    def blocking(ctx: Context) -> None:
        ctx.progress(0.25, "quarter")
        seen.wait(30)

    @tool
    async def awaiting(ctx: Context) -> None:
        ctx.progress(message="m" * 5000)
        await asyncio.to_thread(seen.wait, 30)

    async with hosted(coordinator, blocking, awaiting) as (_, client):
        progress = {}
        async for event in client.stream([{"tool_name": "blocking"}, {"tool_name": "awaiting"}]):
            if event.kind == "progress":
                progress[event.call_index] = (event.fraction, event.message)
                if len(progress) == 2:
                    seen.set()
    assert progress == {0: (0.25, "quarter"), 1: (None, "m" * 1024)}


async def test_an_operators_drain_is_obeyed_and_taken_back(coordinator: Coordinator) -> None:
    from cluster import BINARIES

    @tool
    def quick() -> str:
        return "quick"

    async def operator(*arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            str(BINARIES / "toolwave"), *arguments, "--coordinator", f"http://{coordinator.address}",
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await process.wait() == 0

    async with hosted(coordinator, quick) as (_, client):
        await operator("drain", "here")
        waits = await client.execute_tools_parallel([{"tool_name": "quick", "queue_timeout": 0.2}])
        assert waits[0]["outcome"] == "UNAVAILABLE"
        await operator("drain", "here", "--resume")
        assert (await client.execute_tools_parallel([{"tool_name": "quick"}]))[0]["success"]


async def test_a_drained_worker_says_goodbye_and_its_run_returns(coordinator: Coordinator) -> None:
    started, leave = asyncio.Event(), asyncio.Event()

    @tool
    async def held() -> str:
        started.set()
        await leave.wait()
        return "done"

    worker = Worker(held, coordinator=coordinator.address, name="leaves")
    running = asyncio.create_task(worker.run())
    await worker.registered()
    async with AsyncClient(coordinator.address) as client:
        call = asyncio.create_task(client.execute_tools_parallel([{"tool_name": "held"}]))
        await started.wait()
        worker.drain()
        await asyncio.sleep(0)
        assert not running.done()
        leave.set()
        assert (await call)[0]["result"] == "done"
        await asyncio.wait_for(running, 30)
        assert not worker.is_registered
        listed = {each.name: each.workers for each in await client.list_tools()}
        assert listed.get("held", 0) == 0


async def test_a_drain_that_takes_too_long_stops_what_runs(coordinator: Coordinator) -> None:
    started = asyncio.Event()

    @tool
    async def held() -> None:
        started.set()
        await asyncio.Event().wait()

    worker = Worker(held, coordinator=coordinator.address, name="cut", drain_timeout=0.1)
    running = asyncio.create_task(worker.run())
    await worker.registered()
    async with AsyncClient(coordinator.address) as client:
        call = asyncio.create_task(client.execute_tools_parallel([{"tool_name": "held"}]))
        await started.wait()
        worker.drain()
        await asyncio.wait_for(running, 30)
        assert (await call)[0]["success"] is False


def test_a_worker_that_cannot_be_is_refused_at_once() -> None:
    @tool(name="same")
    def one() -> None: ...

    @tool(name="same")
    def two() -> None: ...

    with pytest.raises(toolwave.ToolDefinitionError, match="two tools are named 'same'"):
        Worker(one, two)
    with pytest.raises(toolwave.ConfigurationError, match="name"):
        Worker(one, name="no spaces")
    with pytest.raises(toolwave.ConfigurationError, match="slots"):
        Worker(one, slots=-1)
    with pytest.raises(toolwave.ConfigurationError, match="address"):
        Worker(one, coordinator="nowhere:port")
    with pytest.raises(toolwave.ConfigurationError, match="one coordinator"):
        Worker(one, coordinator="a:7421,b:7421")
    with pytest.raises(ToolError):
        raise ToolError("X")
