"""Workers that are drained, killed, cut off, fenced, and outlive their coordinator."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from cluster import Coordinator, appears, python_worker, terminate
from wire import Wire

from toolwave import AsyncClient, ToolCall, Worker, tool


async def test_sigterm_lets_what_runs_end_and_loses_nothing(coordinator: Coordinator, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = python_worker(coordinator.address, "--slots", "4", name="first")
    with first:
        async with AsyncClient(coordinator.address) as client:
            names = ["wait_for_file", "wait_for_file_blocking"] * 2
            held: list[ToolCall] = [{"tool_name": name, "parameters": {"path": str(gate)}} for name in names]
            echoes: list[ToolCall] = [{"tool_name": "py_echo", "parameters": {"value": i}} for i in range(200)]
            execution = asyncio.create_task(client.execute_tools_parallel([*held, *echoes], "auto"))
            await appears(tmp_path / "gate.started")
            first.signal(signal.SIGTERM)
            await asyncio.to_thread(first.wait_for, "draining")
            with python_worker(coordinator.address, name="second"):
                gate.touch()
                results = await asyncio.wait_for(execution, 60)
                assert await asyncio.to_thread(first.wait) == 0
    assert [result["error"] for result in results if not result["success"]] == []
    assert {result["attempts"][-1]["worker"] for result in results} == {"first", "second"}
    # a worker that leaves on purpose costs no call an attempt
    assert all(len(result["attempts"]) == 1 for result in results)
    assert "drained lost=0" in first.log


def test_an_idle_worker_ends_at_once_when_asked(coordinator: Coordinator) -> None:
    with python_worker(coordinator.address) as worker:
        assert terminate(worker) == 0
        assert "drained lost=0 executed=0" in worker.log


async def test_a_second_signal_ends_the_worker_at_once(coordinator: Coordinator, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with python_worker(coordinator.address) as worker:
        async with AsyncClient(coordinator.address) as client:
            call: ToolCall = {"tool_name": "ignore_cancelling", "parameters": {"path": str(gate)}, "timeout": 60}
            execution = asyncio.create_task(client.execute_tools_parallel([call]))
            await appears(tmp_path / "gate.started")
            worker.signal(signal.SIGTERM)
            await asyncio.to_thread(worker.wait_for, "draining")
            worker.signal(signal.SIGINT)
            assert await asyncio.to_thread(worker.wait) == 128 + signal.SIGINT
            assert (await asyncio.wait_for(execution, 60))[0]["outcome"] == "UNKNOWN"


@pytest.mark.parametrize(("name", "safe"), [("get_weather", True), ("wait_for_file", False)])
async def test_a_killed_workers_calls_are_repeated_only_where_that_is_safe(
    coordinator: Coordinator, tmp_path: Path, name: str, safe: bool
) -> None:
    gate = tmp_path / "gate"
    async with AsyncClient(coordinator.address) as client:
        with python_worker(coordinator.address, "--slots", "1", name="dies") as dies:
            # the slot is taken by a call that is not safe to repeat, and lost with it
            held: ToolCall = {"tool_name": "wait_for_file", "parameters": {"path": str(gate)}}
            other: ToolCall = {"tool_name": "get_weather", "parameters": {"city": "Oslo"}}
            execution = asyncio.create_task(client.execute_tools_parallel([held, other], 2))
            await appears(tmp_path / "gate.started")
            dies.popen.kill()
        with python_worker(coordinator.address, name="lives"):
            results = await asyncio.wait_for(execution, 60)
    lost, repeated = results
    if safe:
        assert repeated["success"] and repeated["attempts"][-1]["worker"] == "lives"
    else:
        assert lost["tool_name"] == name
        assert (lost["outcome"], lost["error_code"], lost["may_have_run"]) == ("UNKNOWN", "WORKER_LOST", True)


async def test_results_are_kept_while_the_connection_is_broken(coordinator: Coordinator) -> None:
    runs, started, leave = 0, asyncio.Event(), asyncio.Event()

    @tool
    async def held() -> int:
        nonlocal runs
        runs += 1
        started.set()
        await leave.wait()
        return runs

    async with Wire(coordinator.address) as wire, AsyncClient(coordinator.address) as client:
        worker = Worker(held, coordinator=wire.address, name="kept")
        running = asyncio.create_task(worker.run())
        await worker.registered()
        execution = asyncio.create_task(client.execute_tools_parallel([{"tool_name": "held"}]))
        await started.wait()
        wire.up = False
        wire.break_all()
        while worker.is_registered:
            await asyncio.sleep(0)
        # it ends while there is no session to tell it to
        leave.set()
        await asyncio.sleep(0)
        wire.up = True
        results = await asyncio.wait_for(execution, 30)
        assert results[0]["result"] == 1 and len(results[0]["attempts"]) == 1
        worker.drain()
        await asyncio.wait_for(running, 30)


async def test_attempts_go_on_over_many_broken_connections(coordinator: Coordinator) -> None:
    ran: list[int] = []

    @tool
    async def step(n: int) -> int:
        ran.append(n)
        await asyncio.sleep(0.002)
        return n

    async with Wire(coordinator.address) as wire, AsyncClient(coordinator.address) as client:
        worker = Worker(step, coordinator=wire.address, name="flaky", slots=8)
        running = asyncio.create_task(worker.run())
        await worker.registered()
        calls: list[ToolCall] = [{"tool_name": "step", "parameters": {"n": n}} for n in range(400)]
        results = []
        broken = 0
        async for event in client.stream(calls, "auto"):
            if event.kind == "result":
                results.append(event.result)
                if len(results) in (50, 150, 250):
                    wire.break_all()
                    broken += 1
        assert broken == 3
        # not safe to repeat: each ran once at most, and what ran is known
        assert len(ran) == len(set(ran))
        assert all(result["success"] for result in results) and len(results) == 400
        assert sorted(ran) == list(range(400))
        worker.drain()
        await asyncio.wait_for(running, 30)


async def test_a_worker_that_hears_nothing_fences_itself(coordinator: Coordinator) -> None:
    started, stopped, leave = asyncio.Event(), asyncio.Event(), asyncio.Event()
    both = 0

    def arrive() -> None:
        nonlocal both
        both += 1
        if both == 2:
            started.set()

    @tool(read_only=True)
    async def safe() -> str:
        arrive()
        try:
            await leave.wait()
        except asyncio.CancelledError:
            stopped.set()
            raise
        return "safe"

    @tool
    async def unsafe() -> str:
        arrive()
        await leave.wait()
        return "unsafe"

    async with Wire(coordinator.address) as wire, AsyncClient(coordinator.address) as client:
        worker = Worker(safe, unsafe, coordinator=wire.address, name="fenced")
        running = asyncio.create_task(worker.run())
        await worker.registered()
        execution = asyncio.create_task(
            client.execute_tools_parallel([{"tool_name": "safe"}, {"tool_name": "unsafe"}], retry={"max_attempts": 1})
        )
        await started.wait()
        wire.fall_silent()
        # someone else may run what is safe to repeat; what is not goes on
        await asyncio.wait_for(stopped.wait(), 30)
        assert not leave.is_set()
        wire.speak()
        leave.set()
        results = await asyncio.wait_for(execution, 60)
        assert results[0]["success"] is False or results[0]["attempts"][-1]["number"] > 1
        await asyncio.wait_for(worker.registered(), 30)
        again = await asyncio.wait_for(client.execute_tools_parallel([{"tool_name": "unsafe"}]), 30)
        assert again[0]["result"] == "unsafe"
        worker.drain()
        await asyncio.wait_for(running, 30)


async def test_a_worker_outlives_its_coordinator_and_serves_the_next(tmp_path: Path) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    @tool
    async def held() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise

    @tool
    async def quick() -> str:
        return "quick"

    with Coordinator(tmp_path / "one") as first:
        worker = Worker(held, quick, coordinator=first.address, name="stays")
        running = asyncio.create_task(worker.run())
        await worker.registered()
        async with AsyncClient(first.address) as client:
            execution = asyncio.create_task(client.execute_tools_parallel([{"tool_name": "held"}]))
            await started.wait()
            first.popen.kill()
            await asyncio.gather(execution, return_exceptions=True)
        address = first.address
    with Coordinator(tmp_path / "two", address=address):
        # the next coordinator knows nothing of the attempt: nobody waits for it
        await asyncio.wait_for(stopped.wait(), 60)
        async with AsyncClient(address) as client:
            results = await asyncio.wait_for(client.execute_tools_parallel([{"tool_name": "quick"}]), 60)
        assert results[0]["result"] == "quick"
        worker.drain()
        await asyncio.wait_for(running, 30)


async def test_a_coordinator_that_stops_hears_the_end_of_what_runs(tmp_path: Path) -> None:
    started, leave = asyncio.Event(), asyncio.Event()

    @tool
    async def held() -> str:
        started.set()
        await leave.wait()
        return "done"

    with Coordinator(tmp_path / "one") as coordinator:
        worker = Worker(held, coordinator=coordinator.address, name="stays", drain_timeout=0.1)
        running = asyncio.create_task(worker.run())
        await worker.registered()
        async with AsyncClient(coordinator.address) as client:
            execution = asyncio.create_task(client.execute_tools_parallel([{"tool_name": "held"}]))
            await started.wait()
            coordinator.signal(signal.SIGTERM)
            leave.set()
            assert (await asyncio.wait_for(execution, 60))[0]["result"] == "done"
        assert await asyncio.to_thread(coordinator.wait) == 0
    # its last result may not have been acknowledged: nobody is left to wait for
    worker.drain()
    await asyncio.wait_for(running, 30)
