"""JSON text from Python values: exact, compact, and with the path of what is no JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

_DEFAULT_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_DEEP = "is nested too deeply, or contains itself"


class NotJson(ValueError):
    """`path` begins with what the caller named the value."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def encoder(default: Callable[[Any], Any]) -> Callable[[Any], str]:
    """An encoder that asks `default` about what JSON does not know."""
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default).encode


def encode(
    value: Any,
    path: Callable[[], str],
    encode: Callable[[Any], str] = _DEFAULT_ENCODE,
) -> bytes:
    """UTF-8 JSON text; `NotJson` where there is none for it."""
    try:
        return encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _where(value, path(), error) from None


def _where(value: Any, path: str, error: Exception) -> NotJson:
    try:
        found = _search(value, path)
    except RecursionError:
        return NotJson(path, _DEEP)
    if found is None:
        return NotJson(path, _DEEP if "Circular" in str(error) else str(error))
    return NotJson(*found)


def _search(value: Any, path: str) -> tuple[str, str] | None:
    """The first place that is no JSON."""
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, str):
        return (path, "holds half of a surrogate pair, which UTF-8 cannot write") if _is_broken(value) else None
    if isinstance(value, float):
        return None if math.isfinite(value) else (path, f"is {value}; JSON has finite numbers only")
    if isinstance(value, Mapping) and isinstance(value, dict):
        for key, item in value.items():
            if not (key is None or isinstance(key, str | int | float)):
                return path, f"has a key of type {type(key).__name__}; expected str"
            found = _search(key, f"{path}.{key}") if isinstance(key, str) else None
            if found := found or _search(item, f"{path}.{key}"):
                return found
        return None
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if found := _search(item, f"{path}[{index}]"):
                return found
        return None
    return path, f"is of type {type(value).__name__}, which JSON does not know"


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
