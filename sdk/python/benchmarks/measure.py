#!/usr/bin/env python3
"""Calls a second of the Python client and of the Python worker, against release binaries, all on the same cores.

    python benchmarks/measure.py [--binaries DIR] [--cores 0,1] [--rounds N] [--slots N]

`client`: executions of 1,000 echo calls from the asynchronous client, on a worker in Rust.
`worker`: the same from the blocking client, on a Python worker, for tools that block, that await, and that do neither.
Each figure is the median of all rounds after a warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import toolwave
from toolwave import ToolCall

HERE = Path(__file__).resolve().parent
CALLS = 1000
WARM_UP = 10


@contextmanager
def process(cores: str, pattern: str, *command: str) -> Iterator[re.Match[str]]:
    """A process on these cores, once a line of its log matches."""
    popen = subprocess.Popen(
        ["taskset", "-c", cores, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(HERE)},
    )
    try:
        assert popen.stderr is not None
        for line in popen.stderr:
            if match := re.search(pattern, line):
                break
        else:
            raise SystemExit(f"{command[0]} does not start")
        yield match
    finally:
        popen.terminate()
        popen.wait(30)


def tell(name: str, seconds: list[float]) -> None:
    best, median = min(seconds), statistics.median(seconds)
    print(
        f"{name:<34} {CALLS / median:>9,.0f} calls/s (median of {len(seconds)}; "
        f"best {CALLS / best:,.0f}; {median * 1e3:.2f} ms an execution)",
        flush=True,
    )


async def client(address: str, rounds: int) -> None:
    calls: list[ToolCall] = [{"tool_name": "echo", "parameters": {"n": index}} for index in range(CALLS)]
    async with toolwave.AsyncClient(address) as client:
        seconds = []
        for number in range(WARM_UP + rounds):
            started = time.perf_counter()
            results = await client.execute_tools_parallel(calls, max_concurrency="auto")
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - started)
            assert all(result["success"] for result in results) and results[7]["result"] == {"n": 7}
    tell("client, execute_tools_parallel", seconds)


async def batched(address: str, rounds: int) -> None:
    async with toolwave.AsyncClient(address) as client, toolwave.Batcher(client) as batcher:
        seconds = []
        for number in range(WARM_UP + rounds):
            started = time.perf_counter()
            results = await asyncio.gather(*(batcher.call("echo", {"n": index}) for index in range(CALLS)))
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - started)
            assert results[7]["result"] == {"n": 7}
    tell("client, 1,000 calls of a Batcher", seconds)


def worker(address: str, rounds: int, tool: str) -> None:
    calls: list[ToolCall] = [{"tool_name": tool, "parameters": {"n": index}} for index in range(CALLS)]
    with toolwave.Client(address) as client:
        seconds = []
        for number in range(WARM_UP + rounds):
            started = time.perf_counter()
            results = client.execute_tools_parallel(calls, max_concurrency="auto")
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - started)
            assert all(result["success"] for result in results)
    tell(f"worker, {tool}", seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", type=Path, default=HERE.parents[2] / "target" / "release")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--slots", default="64")
    given = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in given.cores.split(",")})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "coordinator.toml").write_text('startup_grace = "0s"\n')
        coordinator = str(given.binaries / "toolwave-coordinator")
        found = stack.enter_context(
            process(
                given.cores,
                r"(127\.0\.0\.1:[1-9]\d*)",
                *(coordinator, "--listen", "127.0.0.1:0", "--config", str(folder / "coordinator.toml")),
            )
        )
        address = found.group(1)
        rust = [str(given.binaries / "toolwave-worker"), "--coordinator", f"http://{address}", "--slots", "256"]
        with process(given.cores, "registered", *rust):
            asyncio.run(client(address, given.rounds))
            asyncio.run(batched(address, given.rounds))
        module = [sys.executable, "-m", "toolwave.worker", "noop_tools", "--coordinator", address]
        with process(given.cores, "registered", *module, "--slots", given.slots):
            for tool in ("noop", "noop_async"):
                worker(address, given.rounds // 4, tool)


if __name__ == "__main__":
    main()
