"""Each example runs as its page says, before and after."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import PATIENCE, Coordinator, Process

EXAMPLES = Path(__file__).parents[2] / "examples"
MODULES = {
    "langchain": "langchain",
    "openai_agents": "agents",
    "pydantic_ai": "pydantic_ai",
    "llama_index": "llama_index.core",
}
frameworks = pytest.mark.parametrize("framework", MODULES)


@pytest.fixture(scope="module")
def cities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Coordinator(tmp_path_factory.mktemp("examples")) as coordinator:
        path = os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "toolwave.worker", "cities", "--coordinator", coordinator.address]
        with Process(command, {"PYTHONPATH": path}) as worker:
            worker.wait_for("registered")
            yield coordinator.address


def run(name: str, address: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        env={**os.environ, "TOOLWAVE_COORDINATOR": address},
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    ).stdout


@frameworks
@pytest.mark.parametrize("when", ["before", "after"])
def test_five_calls_are_answered(framework: str, when: str, cities: str) -> None:
    pytest.importorskip(MODULES[framework])
    assert run(f"{framework}_{when}", cities).startswith("5 of 5 answered")


@frameworks
def test_a_call_that_fails_at_its_first_try_is_tried_again_by_the_cluster(framework: str, cities: str) -> None:
    pytest.importorskip(MODULES[framework])
    before = run(f"{framework}_before", cities, "--flaky")
    assert before.startswith(("0 of 5", "4 of 5")), before
    assert run(f"{framework}_after", cities, "--flaky").startswith("5 of 5 answered")
