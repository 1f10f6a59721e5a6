"""LangChain and LangGraph: the cluster's tools as LangChain tools, and a middleware that sends tool calls there.

`create_agent` and `ToolNode` start the calls of a turn together, one task each; the batcher makes one execution of
them. Failures reach the model as a ToolMessage with `status="error"`; the whole ToolResult is its artifact.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.tools.tool_node import ToolCallRequest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr
from typing_extensions import Unpack

from toolwave._batcher import Batcher, CallOptions
from toolwave._types import Tool, ToolResult
from toolwave.adapters._calling import Catalogue, answer, call, failure
from toolwave.formats._content import Blocks, Image, Text, plain
from toolwave.formats._ending import compact, result_text

__all__ = ["ToolwaveMiddleware", "ToolwaveTool", "awrap_tool_call", "tools"]

Content = str | list[str | dict[str, Any]]
Handler = Callable[[ToolCallRequest], Awaitable[Any]]


class ToolwaveTool(BaseTool):
    """A tool of the cluster. Asynchronous only: its calls gather in the batcher's loop."""

    _batcher: Batcher = PrivateAttr()
    _tool: str = PrivateAttr()
    _options: CallOptions = PrivateAttr()

    def __init__(self, batcher: Batcher, tool: str, options: CallOptions, **fields: Any) -> None:
        super().__init__(response_format="content_and_artifact", handle_tool_error=_told, **fields)
        self._batcher, self._tool, self._options = batcher, tool, options

    def _run(self, **_: Any) -> Any:
        raise NotImplementedError(f"the tool {self.name} runs asynchronously only; expected ainvoke")

    async def _arun(self, /, **parameters: Any) -> tuple[Content, ToolResult]:
        result = await call(self._batcher, self._tool, parameters, **self._options)
        content, is_error = _content(result)
        if is_error:
            raise _Failed(content)
        return content, result


class _Failed(ToolException):
    """Carries what the model is told."""

    def __init__(self, content: Content) -> None:
        super().__init__(content if isinstance(content, str) else compact(content))
        self.content = content


def _told(error: ToolException) -> Any:
    return error.content if isinstance(error, _Failed) else str(error)


def tools(batcher: Batcher, catalogue: Iterable[Tool], **options: Unpack[CallOptions]) -> list[BaseTool]:
    """The tools of a catalogue, as `await client.list_tools()` has it, for `create_agent`, `ToolNode` or a model.

    `options` go with each call, such as `timeout`.
    """
    return [
        ToolwaveTool(batcher, tool.name, options, name=name, description=tool.description, args_schema=schema)
        for name, tool, schema in Catalogue(catalogue).offered()
    ]


def awrap_tool_call(
    batcher: Batcher, catalogue: Iterable[Tool], **options: Unpack[CallOptions]
) -> Callable[[ToolCallRequest, Handler], Awaitable[Any]]:
    """For `ToolNode(tools, awrap_tool_call=...)`: calls of tools that the catalogue names run on the cluster.

    Others run where they did, so that tools can move one by one.
    """
    known = Catalogue(catalogue)

    async def wrap(request: ToolCallRequest, handler: Handler) -> Any:
        tool_call = request.tool_call
        tool = known.find(tool_call["name"])
        if tool is None:
            return await handler(request)
        result = await call(batcher, tool, tool_call["args"], **options)
        content, is_error = _content(result)
        return ToolMessage(
            content,
            artifact=result,
            name=tool_call["name"],
            tool_call_id=tool_call["id"],
            status="error" if is_error else "success",
        )

    return wrap


class ToolwaveMiddleware(AgentMiddleware[Any, Any]):
    """For `create_agent(model, middleware=[...])`: brings the catalogue's tools, and runs their calls on the cluster.

    An agent that has tools of its own under these names keeps their definitions: say `definitions=False`.
    """

    def __init__(
        self, batcher: Batcher, catalogue: Iterable[Tool], *, definitions: bool = True, **options: Unpack[CallOptions]
    ) -> None:
        super().__init__()
        listed = list(catalogue)
        self.tools = tools(batcher, listed, **options) if definitions else []
        self._wrap = awrap_tool_call(batcher, listed, **options)

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Handler) -> Any:
        """Runs the call on the cluster, or leaves it to the agent."""
        return await self._wrap(request, handler)


def _content(result: ToolResult) -> tuple[Content, bool]:
    failed = failure(result)
    if failed is not None:
        return failed, True
    said = answer(result)
    if not isinstance(said, Blocks):
        return result_text(said.value), False
    blocks: list[str | dict[str, Any]] = []
    for block in said.blocks:
        if isinstance(block, Image):
            blocks.append({"type": "image", "base64": block.data, "mime_type": block.media_type})
        else:
            blocks.append({"type": "text", "text": block.text if isinstance(block, Text) else compact(plain(block))})
    if len(blocks) == 1 and isinstance(blocks[0], dict) and blocks[0]["type"] == "text":
        return str(blocks[0]["text"]), said.is_error
    return blocks, said.is_error
