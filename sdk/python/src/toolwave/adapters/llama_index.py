"""LlamaIndex: the cluster's tools as AsyncBaseTools.

Agents run each tool call as a step of their workflow, four of them at a time unless told otherwise; `unlimited` tells
them. A failure is a ToolOutput with `is_error`, whose raw output is the whole ToolResult.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar, cast

from llama_index.core.agent.workflow.workflow_events import ToolCall, ToolCallResult
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.tools import AsyncBaseTool, ToolMetadata, ToolOutput
from llama_index.core.workflow import Context, step
from pydantic import BaseModel, ConfigDict
from typing_extensions import Unpack

from toolwave._batcher import Batcher, CallOptions
from toolwave._types import Tool, ToolResult
from toolwave.adapters._calling import Catalogue, answer, call, failure
from toolwave.formats._content import Block, Blocks, Image, Text, plain
from toolwave.formats._ending import compact, result_text

__all__ = ["ToolwaveTool", "tools", "unlimited"]

MAX_CALLS_AT_ONCE = 1000
"""Calls of one agent that `unlimited` lets go at once: as many as a batcher puts into one execution."""
_Agent = TypeVar("_Agent", bound=type)


class ToolwaveTool(AsyncBaseTool):
    """A tool of the cluster. Asynchronous only: its calls gather in the batcher's loop."""

    def __init__(self, batcher: Batcher, tool: str, metadata: ToolMetadata, options: CallOptions) -> None:
        self._batcher, self._tool, self._metadata, self._options = batcher, tool, metadata, options

    @property
    def metadata(self) -> ToolMetadata:
        """Name, description and schema."""
        return self._metadata

    def call(self, *_: Any, **__: Any) -> ToolOutput:
        """Not there: see the class."""
        raise NotImplementedError(f"the tool {self._metadata.name} runs asynchronously only; expected acall")

    async def acall(self, /, *args: Any, **parameters: Any) -> ToolOutput:
        """Runs one call. One positional argument is the whole of the parameters."""
        given = args[0] if args and isinstance(args[0], dict) else parameters
        return _output(self._metadata.get_name(), given, await call(self._batcher, self._tool, given, **self._options))


def tools(batcher: Batcher, catalogue: Iterable[Tool], **options: Unpack[CallOptions]) -> list[AsyncBaseTool]:
    """The tools of a catalogue, as `await client.list_tools()` has it, for `FunctionAgent(tools=...)`.

    `options` go with each call, such as `timeout`.
    """
    return [
        ToolwaveTool(batcher, tool.name, _Metadata(tool.description, name, _model(name, schema)), options)
        for name, tool, schema in Catalogue(catalogue).offered()
    ]


def unlimited(agent: _Agent, *, at_once: int = MAX_CALLS_AT_ONCE) -> _Agent:
    """The same class of agents or of AgentWorkflow, without the bound of four tool calls at a time.

    `unlimited(FunctionAgent)(tools=..., llm=...)`. The cluster's own limits hold instead.
    """

    async def call_tool(self: Any, ctx: Context, ev: ToolCall) -> ToolCallResult:
        return cast(ToolCallResult, await base.call_tool(self, ctx, ev))

    base = cast(Any, agent)
    # by its name the decorator tells a method from a function
    call_tool.__qualname__ = f"{agent.__name__}.call_tool"
    made = type(agent.__name__, (agent,), {"call_tool": step(num_workers=at_once)(call_tool), "__module__": __name__})
    return cast(_Agent, made)


class _Metadata(ToolMetadata):
    """With the schema as the cluster has it; the base keeps only some of its keywords."""

    def get_parameters_dict(self) -> dict[str, Any]:
        return cast("type[_Parameters]", self.fn_schema).model_json_schema()


class _Parameters(BaseModel):
    """Takes everything: the coordinator holds parameters against the schema and names every violation."""

    model_config = ConfigDict(extra="allow")
    told: ClassVar[dict[str, Any]] = {}

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """The cluster's."""
        return dict(cls.told)


def _model(name: str, schema: dict[str, Any]) -> type[BaseModel]:
    return cast(type[BaseModel], type(name, (_Parameters,), {"told": schema, "__annotations__": {"told": ClassVar}}))


def _output(name: str, parameters: dict[str, Any], result: ToolResult) -> ToolOutput:
    failed = failure(result)
    if failed is not None:
        blocks: list[Any] = [TextBlock(text=failed)]
        is_error = True
    else:
        said = answer(result)
        is_error = isinstance(said, Blocks) and said.is_error
        blocks = (
            [_block(block) for block in said.blocks]
            if isinstance(said, Blocks)
            else [TextBlock(text=result_text(said.value))]
        )
    return ToolOutput(tool_name=name, blocks=blocks, raw_input=parameters, raw_output=result, is_error=is_error)


def _block(block: Block) -> Any:
    if isinstance(block, Image):
        return ImageBlock(image=block.data.encode(), image_mimetype=block.media_type)
    return TextBlock(text=block.text if isinstance(block, Text) else compact(plain(block)))
