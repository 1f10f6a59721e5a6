"""PydanticAI: whole batches through its external tools, or call by call through a toolset of its own.

As external tools, all calls of a turn are one execution by construction (`run_with_toolwave`, or `handler` inside of
one run). As a `ToolwaveToolset`, each call goes through the batcher. Failures reach the model as ModelRetry where
other parameters may mend them, and as ToolFailed else.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic_ai import Agent, ModelRetry, RunContext, ToolDefinition, ToolFailed
from pydantic_ai.messages import BinaryContent, ToolCallPart, ToolReturn
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults
from pydantic_ai.toolsets import AbstractToolset, ExternalToolset
from pydantic_ai.toolsets.abstract import ToolsetTool
from typing_extensions import Unpack

from toolwave._async_client import AsyncClient
from toolwave._batcher import Batcher, CallOptions
from toolwave._calls import ExecutionOptions
from toolwave._errors import InvalidRequestError
from toolwave._types import Tool, ToolCall, ToolResult
from toolwave.adapters._calling import Catalogue, answer, call, call_text, failure
from toolwave.formats import _arguments
from toolwave.formats._content import Blocks, Image, Text, plain
from toolwave.formats._ending import CallTrouble
from toolwave.formats._refused import Refusals, rejection
from toolwave.formats._strict import is_strict

__all__ = ["ToolwaveToolset", "external_toolset", "handler", "resolve", "run_with_toolwave"]

Handler = Callable[[RunContext[Any], DeferredToolRequests], Awaitable[DeferredToolResults | None]]
DEFAULT_RETRIES = 3
_AS_WRITTEN = "\0arguments"
"""Under this key go arguments that are no JSON object, to where they become the failure of their own call."""


class _Anything:
    """Takes what a model writes, whatever it is: the framework ends a run over arguments that it cannot read."""

    def validate_json(self, input: str | bytes | bytearray, **_: Any) -> dict[str, Any]:
        try:
            return self.validate_python(json.loads(input))
        except (ValueError, RecursionError):
            return {_AS_WRITTEN: input}

    def validate_python(self, input: Any, **_: Any) -> dict[str, Any]:
        return input if isinstance(input, dict) else {_AS_WRITTEN: input}


class _External(ExternalToolset[Any]):
    """With arguments that are looked at when the calls are run, each for itself."""

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        tools = await super().get_tools(ctx)
        return {name: replace(tool, args_validator=_Anything()) for name, tool in tools.items()}


def _definitions(catalogue: Catalogue) -> list[ToolDefinition]:
    return [
        ToolDefinition(
            name=name,
            description=tool.description or None,
            parameters_json_schema=schema,
            strict=True if is_strict(schema) else None,
        )
        for name, tool, schema in catalogue.offered()
    ]


class ToolwaveToolset(AbstractToolset[Any]):
    """The cluster's tools, call by call: for agents whose runs are not to be paused.

    A call that the coordinator rejects is tried again by the model, up to `max_retries` times a tool.
    """

    def __init__(
        self,
        batcher: Batcher,
        catalogue: Iterable[Tool],
        *,
        id: str | None = None,
        max_retries: int = DEFAULT_RETRIES,
        **options: Unpack[CallOptions],
    ) -> None:
        self._batcher = batcher
        self._catalogue = Catalogue(catalogue)
        self._id = id
        self._max_retries = max_retries
        self._options = options

    @property
    def id(self) -> str | None:
        """As it was given."""
        return self._id

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """All tools of the catalogue."""
        return {
            definition.name: ToolsetTool(
                toolset=self, tool_def=definition, max_retries=self._max_retries, args_validator=_Anything()
            )
            for definition in _definitions(self._catalogue)
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Runs one call."""
        known = self._catalogue.find(name) or name
        if _AS_WRITTEN in tool_args:
            result = await call_text(self._batcher, known, tool_args[_AS_WRITTEN], **self._options)
        else:
            result = await call(self._batcher, known, tool_args, **self._options)
        ended = _ended(result, may_retry=not ctx.last_attempt)
        if isinstance(ended, Exception):
            raise ended
        return ended


def external_toolset(catalogue: Iterable[Tool], *, id: str | None = None) -> ExternalToolset[Any]:
    """The cluster's tools as tools that are run outside of the agent's run: see `run_with_toolwave` and `handler`."""
    return _External(_definitions(Catalogue(catalogue)), id=id)


async def resolve(
    client: AsyncClient,
    requests: DeferredToolRequests,
    catalogue: Iterable[Tool],
    max_concurrency: int | Literal["auto"] = "auto",
    **options: Unpack[ExecutionOptions],
) -> DeferredToolResults:
    """Runs all calls of a pause as one execution. Calls of other external tools are left to whoever offered them."""
    known = Catalogue(catalogue)
    calls: list[ToolCall] = []
    ids: list[str] = []
    ended: dict[str, Any] = {}
    for part in requests.calls:
        tool = known.find(part.tool_name)
        if tool is None:
            continue
        try:
            calls.append(_call(part, tool, len(calls)))
            ids.append(part.tool_call_id)
        except CallTrouble as trouble:
            ended[part.tool_call_id] = _ended(rejection(tool, trouble.code, trouble.message), may_retry=False)
    refusals = Refusals(calls)
    results: Sequence[ToolResult] = []
    while refusals.left:
        try:
            results = await client.execute_tools_parallel(refusals.left, max_concurrency, **options)
            break
        except InvalidRequestError as error:
            refusals.take_out(error)
    for result in refusals.with_results(results):
        ended[ids[int(result["id"])]] = _ended(result, may_retry=False)
    return requests.build_results(calls=ended)


def _call(part: ToolCallPart, tool: str, index: int) -> ToolCall:
    parameters = _arguments.literal(_arguments.read(part.args))
    return {"id": str(index), "tool_name": tool, "parameters_json": parameters}


def handler(
    client: AsyncClient,
    catalogue: Iterable[Tool],
    max_concurrency: int | Literal["auto"] = "auto",
    **options: Unpack[ExecutionOptions],
) -> Handler:
    """For `HandleDeferredToolCalls(handler=...)`: resolves external calls inside of a run, each turn one execution."""
    listed = list(catalogue)

    async def handle(_: RunContext[Any], requests: DeferredToolRequests) -> DeferredToolResults | None:
        results = await resolve(client, requests, listed, max_concurrency, **options)
        return results if results.calls else None

    return handle


async def run_with_toolwave(
    agent: Agent[Any, Any],
    user_prompt: Any = None,
    *,
    client: AsyncClient,
    tools: Iterable[Tool] | None = None,
    max_concurrency: int | Literal["auto"] = "auto",
    timeout: float | None = None,
    **run: Any,
) -> AgentRunResult[Any]:
    """`agent.run(user_prompt, **run)` with the cluster's tools, each turn's calls as one execution.

    The cluster is asked for its tools unless `tools` says them; `timeout` is that of each execution. A pause for
    calls that are not the cluster's, or for approvals, is returned as it is: a DeferredToolRequests as output, and
    no call of the cluster's has run in that turn.
    """
    catalogue = list(await client.list_tools() if tools is None else tools)
    known = Catalogue(catalogue)
    output_type = run.pop("output_type", None)
    declared = agent.output_type if output_type is None else output_type
    outputs = list(declared) if isinstance(declared, list | tuple) else [declared]
    toolsets = [*(run.pop("toolsets", None) or ()), external_toolset(catalogue)]
    while True:
        result: AgentRunResult[Any] = await agent.run(
            user_prompt, output_type=[*outputs, DeferredToolRequests], toolsets=toolsets, **run
        )
        requests = result.output
        if not isinstance(requests, DeferredToolRequests):
            return result
        if requests.approvals or any(known.find(part.tool_name) is None for part in requests.calls):
            return result
        results = await resolve(client, requests, catalogue, max_concurrency, timeout=timeout)
        user_prompt = None
        run |= {
            "message_history": result.all_messages(),
            "deferred_tool_results": results,
            "usage": result.usage,
        }


def _ended(result: ToolResult, *, may_retry: bool) -> Any:
    """A value for the model, or the exception that tells it of the failure."""
    failed = failure(result)
    if failed is not None:
        return ModelRetry(failed) if may_retry and result["outcome"] == "REJECTED" else ToolFailed(failed)
    said = answer(result)
    if not isinstance(said, Blocks):
        return said.value
    texts: list[Any] = [
        block.text if isinstance(block, Text) else plain(block) for block in said.blocks if not isinstance(block, Image)
    ]
    text = texts[0] if len(texts) == 1 else texts
    if said.is_error:
        return ToolFailed(text if isinstance(text, str) else str(text))
    images = [
        BinaryContent.from_data_uri(f"data:{block.media_type};base64,{block.data}")
        for block in said.blocks
        if isinstance(block, Image)
    ]
    return ToolReturn(text, content=images) if images else text
