"""The table of docs/adapters.md: each example, before and after, the median of some runs.

TOOLWAVE_COORDINATOR=127.0.0.1:7420 python measure.py [RUNS]
"""

from __future__ import annotations

import asyncio
import importlib
import statistics
import sys

import cities

FRAMEWORKS = ["langchain", "openai_agents", "pydantic_ai", "llama_index"]


async def measure(runs: int) -> None:
    print("| framework | | five calls | one of them fails at its first try |")
    print("| --- | --- | --- | --- |")
    for framework in FRAMEWORKS:
        for when in ("before", "after"):
            turn = importlib.import_module(f"{framework}_{when}").turn
            await turn(cities.TURN)
            fine = [await turn(cities.TURN) for _ in range(runs)]
            if not all(report.answered == 5 for report in fine):
                raise SystemExit(f"{framework}_{when}: {fine}")
            median = statistics.median(report.seconds for report in fine) * 1000
            cities.tries.clear()
            flaky = await turn(cities.FLAKY_TURN)
            print(f"| {framework} | {when} | {median:.0f} ms | {flaky} |")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 21))
