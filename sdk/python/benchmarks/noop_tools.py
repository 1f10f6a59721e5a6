"""Tools that do nothing, for measure.py."""

from __future__ import annotations

from toolwave import tool


@tool
def noop(n: int) -> int:
    """Returns its parameter, from a thread."""
    return n


@tool
async def noop_async(n: int) -> int:
    """Returns its parameter, from the loop."""
    return n
