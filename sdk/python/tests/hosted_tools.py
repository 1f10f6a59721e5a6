"""Tools of the tests' Python workers."""

from __future__ import annotations

import asyncio
import enum
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import toolwave
from toolwave import Context, ToolError, tool


@tool(read_only=True)
def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> dict[str, Any]:
    """Tells the weather of a city.

    Args:
        city: The city's name.
        unit: Of the temperature.
    """
    return {"city": city, "temperature": 21, "unit": unit}


@tool
async def translate(text: str, to: str) -> str:
    """Translates a text."""
    await asyncio.sleep(0)
    return f"{to}:{text}"


@tool
def py_echo(value: Any) -> Any:
    """Returns what it is given."""
    return value


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int = 0


@tool
def kinds(colour: Colour, point: Point) -> dict[str, Any]:
    """Says which types it was called with."""
    return {"colour": colour.name, "point": point, "types": [type(colour).__name__, type(point).__name__]}


@tool
async def wait_for_file(path: str, ctx: Context) -> str:
    """Ends when the file is there; leaves a mark when it was cancelled."""
    Path(path + ".started").touch()
    try:
        while not Path(path).exists():
            ctx.progress(0.5, "waiting")
            await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        Path(path + ".cancelled").touch()
        raise
    return "seen"


@tool
def wait_for_file_blocking(path: str, ctx: Context) -> str:
    """The same in a thread: asks whether it is still wanted."""
    Path(path + ".started").touch()
    while not Path(path).exists():
        if ctx.wait_cancelled(0.005):
            Path(path + ".cancelled").touch()
            break
    return "seen"


@tool
def ignore_cancelling(path: str) -> str:
    """Blocks until the file is there, whatever else happens."""
    Path(path + ".started").touch()
    while not Path(path).exists():
        threading.Event().wait(0.005)
    return "seen"


@tool
def fail_as_told(code: str, message: str, retryable: bool = False, retry_after: float | None = None) -> None:
    """Fails as it is told."""
    raise ToolError(code, message, retryable=retryable, retry_after=retry_after, details={"why": [1, 2]})


@tool
def divide(a: int, b: int) -> float:
    """Divides; raises ZeroDivisionError."""
    return a / b


@tool
async def divide_async(a: int, b: int) -> float:
    """Divides; raises ZeroDivisionError."""
    return a / b


@tool
def no_json() -> Any:
    """Returns what is no JSON."""
    return {"here": {1, 2}}


@tool
def exits() -> None:
    """Tries to end the process."""
    raise SystemExit(3)


@tool
def large(size: int) -> str:
    """Returns a text of so many characters."""
    return "x" * size


@tool(max_result_bytes=1000)
def limited(size: int) -> str:
    """Returns a text of so many characters; at most 1,000 bytes are allowed."""
    return "x" * size


@tool
def measure(text: str) -> int:
    """The length of a text."""
    return len(text)


@tool
def whoami(ctx: Context) -> dict[str, Any]:
    """What the context knows."""
    return {
        "execution_id": ctx.execution_id,
        "call_id": ctx.call_id,
        "attempt": ctx.attempt,
        "idempotency_key": ctx.idempotency_key,
        "remaining": ctx.remaining,
        "cancelled": ctx.cancelled,
        "tool_name": ctx.tool_name,
        "pid": os.getpid(),
    }


@tool(idempotent=True, retry={"max_attempts": 3, "initial_backoff": 0.01})
def fails_first(ctx: Context) -> int:
    """Fails in a way worth another try, until the third attempt."""
    if ctx.attempt < 3:
        raise ToolError("NOT_YET", "come again", retryable=True)
    return ctx.attempt


@tool(name="files.append", effects=[toolwave.writes("file:{path}")])
def append(path: str, line: str) -> int:
    """Appends a line to a file; returns how many there are."""
    with Path(path).open("a") as file:
        file.write(line + "\n")
    return len(Path(path).read_text().splitlines())
