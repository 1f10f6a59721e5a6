"""The tool of the examples: 100 ms of waiting for each city, and one city that is found at the second try only.

python -m toolwave.worker cities        hosts it on a cluster
"""

from __future__ import annotations

import asyncio

import toolwave

TURN = ["Oslo", "Bern", "Rome", "Lima", "Cairo"]
FLAKY_TURN = ["Oslo", "Bern", "Rome", "Lima", "Atlantis"]
tries: dict[str, int] = {}


async def look_up(city: str) -> str:
    """Looks up a city.

    Args:
        city: its name
    """
    tries[city] = tries.get(city, 0) + 1
    await asyncio.sleep(0.1)
    if city == "Atlantis" and tries[city] % 2 == 1:
        raise ConnectionError("the line broke")
    return f"{city} is found"


@toolwave.tool(name="look_up", read_only=True)
async def hosted(city: str) -> str:
    """Looks up a city.

    Args:
        city: its name
    """
    try:
        return await look_up(city)
    except ConnectionError as error:
        raise toolwave.ToolError("LINE_BROKE", str(error), retryable=True) from None
