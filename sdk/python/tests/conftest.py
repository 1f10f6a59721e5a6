"""One cluster for the tests that change nothing of it; clients of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Coordinator, python_worker, rust_worker

import toolwave


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    """A coordinator, a worker with the built-in tools, a Python worker with those of hosted_tools.py."""
    with (
        Coordinator(tmp_path_factory.mktemp("cluster")) as coordinator,
        rust_worker(coordinator.address),
        python_worker(coordinator.address, "--slots", "8"),
    ):
        yield coordinator


@pytest_asyncio.fixture
async def client(cluster: Coordinator) -> AsyncIterator[toolwave.AsyncClient]:
    async with toolwave.AsyncClient(cluster.address) as client:
        yield client


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    """A coordinator of the test's own, without workers, with short heartbeats."""
    config = 'heartbeat_interval = "200ms"\nsuspect_after = "500ms"\nself_fence = "1s"\nlease = "2s"\n'
    with Coordinator(tmp_path, config) as coordinator:
        yield coordinator
