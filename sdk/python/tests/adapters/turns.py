"""What the tests of adapters share: the turns that models are scripted to take, and what their tools saw."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

from cluster import PATIENCE

import toolwave


@dataclass
class Seen:
    """What the tools of one test saw."""

    executions: list[str] = field(default_factory=list)
    started: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    stopped: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def times(self, events: asyncio.Semaphore, count: int) -> None:
        """Waits until something has happened so often."""
        for _ in range(count):
            await asyncio.wait_for(events.acquire(), PATIENCE)


@dataclass
class Hosted:
    """What a test of an adapter needs."""

    client: toolwave.AsyncClient
    batcher: toolwave.Batcher
    catalogue: list[toolwave.Tool]
    seen: Seen


FIVE = [("geo__find", {"city": city}) for city in ("Oslo", "Bern", "Rome", "Lima", "Cairo")]
"""The calls of one turn, as a model writes them."""
MIXED = [
    ("geo__find", {"city": "Oslo"}),
    ("fail", {"code": "NO_ROUTE"}),
    ("geo__find", {"town": 7}),
    ("say", {"text": "${0.result} of $5"}),
    ("shot", {"broken": False}),
    ("shot", {"broken": True}),
]
"""A turn in which the second, the third and the last fail, and nothing else."""
ODD: list[tuple[str, dict[str, object]]] = [("odd", {"self": "a", "config": "b", "run_manager": "c", "input": "d"})]
HANG = [("hang", {"n": n}) for n in range(5)]


def unreachable() -> toolwave.AsyncClient:
    """A client of a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return toolwave.AsyncClient(f"127.0.0.1:{free.getsockname()[1]}")
