"""OpenAI Agents: the cluster's tools as FunctionTools.

The runner starts the calls of a turn together; the batcher makes one execution of them. A failure is the tool's
output, as JSON text with `error` in it: the framework has no other way to tell a model, and an exception would end
the run together with the other calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from copy import deepcopy
from typing import Any

from agents import FunctionTool, ToolOutputImage, ToolOutputText
from agents.tool_context import ToolContext
from typing_extensions import Unpack

from toolwave._batcher import Batcher, CallOptions
from toolwave._types import Tool, ToolResult
from toolwave.adapters._calling import Catalogue, answer, call_text, failure
from toolwave.formats._content import Blocks, Image, Text, plain
from toolwave.formats._ending import compact, result_text
from toolwave.formats._strict import is_strict

__all__ = ["tools"]


def tools(batcher: Batcher, catalogue: Iterable[Tool], **options: Unpack[CallOptions]) -> list[Any]:
    """The tools of a catalogue, as `await client.list_tools()` has it, for `Agent(tools=...)`.

    Schemas are strict where they qualify. `options` go with each call, such as `timeout`.
    """
    return [
        FunctionTool(
            name=name,
            description=tool.description,
            params_json_schema=deepcopy(schema),
            on_invoke_tool=_invoker(batcher, tool.name, options),
            strict_json_schema=is_strict(schema),
        )
        for name, tool, schema in Catalogue(catalogue).offered()
    ]


def _invoker(batcher: Batcher, tool: str, options: CallOptions) -> Callable[[ToolContext[Any], str], Awaitable[Any]]:
    async def invoke(_: ToolContext[Any], arguments: str) -> Any:
        return _output(await call_text(batcher, tool, arguments, **options))

    return invoke


def _output(result: ToolResult) -> Any:
    failed = failure(result)
    if failed is not None:
        return failed
    said = answer(result)
    if not isinstance(said, Blocks):
        return result_text(said.value)
    if said.is_error:
        return compact({"error": [plain(block) for block in said.blocks]})
    parts = [
        ToolOutputImage(image_url=f"data:{block.media_type};base64,{block.data}")
        if isinstance(block, Image)
        else ToolOutputText(text=block.text if isinstance(block, Text) else compact(plain(block)))
        for block in said.blocks
    ]
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], ToolOutputText) else parts
