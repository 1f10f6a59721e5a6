"""A cluster whose worker lives in the test's own loop, so that tests see what its tools do without asking a clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from cluster import PATIENCE, Coordinator
from turns import Hosted, Seen

import toolwave

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="session")
def idle_coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    """Each test brings its own worker."""
    with Coordinator(tmp_path_factory.mktemp("adapters")) as coordinator:
        yield coordinator


@pytest_asyncio.fixture
async def hosted(idle_coordinator: Coordinator) -> AsyncIterator[Hosted]:
    seen = Seen()
    worker = toolwave.Worker(*_tools(seen), coordinator=idle_coordinator.address, name="adapters", slots=64)
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(worker.registered(), PATIENCE)
    # a window that a busy machine cannot miss: what is measured here is who travels together, and not how fast
    async with (
        toolwave.AsyncClient(idle_coordinator.address) as client,
        toolwave.Batcher(client, window=0.25) as batcher,
    ):
        yield Hosted(client, batcher, await client.list_tools(), seen)
    worker.drain()
    await asyncio.wait_for(running, PATIENCE)


def _tools(seen: Seen) -> list[Any]:
    @toolwave.tool(name="geo.find")
    async def find(city: str, context: toolwave.Context) -> dict[str, Any]:
        """Finds a city.

        Args:
            city: its name
        """
        seen.executions.append(context.execution_id)
        return {"city": city, "id": 2**53 + 1}

    @toolwave.tool(name="say")
    async def say(text: str) -> str:
        """Says it."""
        return text

    @toolwave.tool(name="fail")
    async def fail(code: str) -> None:
        """Fails."""
        raise toolwave.ToolError(code, "it does not work", details={"because": "so"})

    @toolwave.tool(name="shot")
    async def shot(broken: bool) -> dict[str, Any]:
        """Answers as an MCP server does."""
        if broken:
            return {"content": [{"type": "text", "text": "no screen"}], "isError": True}
        image = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
        return {"content": [{"type": "text", "text": "a pixel"}, image]}

    @toolwave.tool(name="hang")
    async def hang(n: int) -> None:
        """Never ends by itself."""
        seen.started.release()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.stopped.release()

    @toolwave.tool(name="odd")
    async def odd(self: str, config: str, run_manager: str, input: str) -> str:
        """Has parameters that frameworks have words for."""
        return self + config + run_manager + input

    return [find, say, fail, shot, hang, odd]
