"""What all adapters share: one call through a batcher, and what a model is told of how it ended.

Knows no framework. A call that cannot be sent is that call's failure and no exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from typing_extensions import Unpack

from toolwave._batcher import Batcher, CallOptions
from toolwave._errors import InvalidRequestError, ParameterError
from toolwave._types import Tool, ToolResult
from toolwave.formats import _arguments
from toolwave.formats._content import Blocks, Json, shown
from toolwave.formats._ending import CallTrouble, error_of, error_text
from toolwave.formats._format import object_schema
from toolwave.formats._names import Names
from toolwave.formats._provider import Provider
from toolwave.formats._refused import refused, rejection


class Catalogue:
    """Tools by the names that models are told, which every provider takes."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self.tools = list(tools)
        # frameworks do not say which provider it will be: these are legal for all, but that Gemini wants a letter
        # or _ first
        self._names = Names(Provider.OPENAI_CHAT, self.tools)

    def offered(self) -> list[tuple[str, Tool, dict[str, Any]]]:
        """Each tool with its name for models and its schema as an object's."""
        return [
            (self._names.name(tool.name) or tool.name, tool, object_schema(tool.input_schema)) for tool in self.tools
        ]

    def find(self, name: str) -> str | None:
        """The tool that is told by this name; None for a name that is not of this catalogue."""
        tool = self._names.tool(name)
        return tool if tool is not None and self._names.name(tool) == name else None


async def call(
    batcher: Batcher, tool_name: str, parameters: Mapping[str, Any], **options: Unpack[CallOptions]
) -> ToolResult:
    """Runs one call. Raises only what is no fault of the call."""
    try:
        return await batcher.call(tool_name, parameters, **options)
    except ParameterError as error:
        return rejection(tool_name, "PARAMS_NOT_JSON", str(error))
    except InvalidRequestError as error:
        at_fault = [violation for violation in error.violations if violation.field.startswith("calls[")]
        if not at_fault:
            raise
        return refused({"tool_name": tool_name}, at_fault[0])


async def call_text(batcher: Batcher, tool_name: str, arguments: Any, **options: Unpack[CallOptions]) -> ToolResult:
    """The same, of arguments as a model wrote them: text that is no JSON object is the failure of this call."""
    try:
        parameters = json.loads(_arguments.read(arguments), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except CallTrouble as trouble:
        return rejection(tool_name, trouble.code, trouble.message)
    except RecursionError:
        return rejection(tool_name, "JSON_TOO_DEEP", "the arguments are nested too deeply")
    except ValueError as error:
        return rejection(tool_name, "PARAMS_NOT_JSON", f"the arguments cannot be read: {error}")
    return await call(batcher, tool_name, parameters, **options)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {twice!r} twice: keep one of them")
    return made


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def failure(result: ToolResult) -> str | None:
    """What a model is told of a call that did not succeed, as JSON text; None for one that did."""
    error = error_of(result)
    return None if error is None else error_text(error)


def answer(result: ToolResult) -> Blocks | Json:
    """What a model is shown of a call that succeeded."""
    return shown(result["result"])
