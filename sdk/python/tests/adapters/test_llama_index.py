"""LlamaIndex, the real library, with its own mock model."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("llama_index.core")

from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from turns import FIVE, HANG, MIXED, ODD, Hosted, unreachable

import toolwave
from toolwave.adapters import llama_index


def agent(hosted: Hosted, *turns: list[tuple[str, Any]], kind: Any = None, batcher: Any = None) -> Any:
    script = iter(turns)

    def answer(messages: Any, **_: Any) -> Any:
        calls = next(script, None)
        blocks: list[Any] = [TextBlock(text="done")]
        if calls is not None:
            blocks = [
                ToolCallBlock(tool_call_id=f"call_{index}", tool_name=name, tool_kwargs=args)
                for index, (name, args) in enumerate(calls)
            ]
        return ChatMessage(role="assistant", blocks=blocks)

    return (kind or llama_index.unlimited(FunctionAgent))(
        tools=llama_index.tools(batcher or hosted.batcher, hosted.catalogue),
        llm=MockFunctionCallingLLM(response_generator=answer, is_chat_model=True),
        streaming=False,
    )


async def run(made: Any) -> tuple[list[Any], str]:
    handler = made.run("go")
    ended = [event.model_copy() async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    ended.sort(key=lambda event: event.tool_id)
    return [event.tool_output for event in ended], str(await handler)


async def test_the_calls_of_a_turn_are_one_execution(hosted: Hosted) -> None:
    outputs, last = await run(agent(hosted, FIVE))
    assert [json.loads(output.content)["city"] for output in outputs] == ["Oslo", "Bern", "Rome", "Lima", "Cairo"]
    assert not any(output.is_error for output in outputs)
    assert outputs[0].raw_output["result"]["id"] == 2**53 + 1
    assert len(hosted.seen.executions) == 5
    assert len(set(hosted.seen.executions)) == 1
    assert last == "done"


async def test_without_unlimited_a_turn_of_five_is_two_executions(hosted: Hosted) -> None:
    outputs, _ = await run(agent(hosted, FIVE, kind=FunctionAgent))
    assert len(outputs) == 5
    assert len(set(hosted.seen.executions)) == 2


async def test_a_coordinator_that_cannot_be_reached_is_told_as_a_failure(hosted: Hosted) -> None:
    async with unreachable() as client, toolwave.Batcher(client) as batcher:
        outputs, last = await run(agent(hosted, FIVE, batcher=batcher))
    assert all(isinstance(output.exception, toolwave.UnavailableError) for output in outputs)
    assert last == "done"


async def test_failures_are_outputs_of_their_calls(hosted: Hosted) -> None:
    outputs, last = await run(agent(hosted, MIXED))
    assert [output.is_error for output in outputs] == [False, True, True, False, False, True]
    assert json.loads(outputs[1].content)["error"]["code"] == "NO_ROUTE"
    assert json.loads(outputs[2].content)["error"]["code"] == "PARAMS_SCHEMA"
    assert outputs[3].content == "${0.result} of $5"
    assert [block.block_type for block in outputs[4].blocks] == ["text", "image"]
    assert outputs[5].content == "no screen"
    assert last == "done"


async def test_parameters_may_have_names_that_the_framework_uses(hosted: Hosted) -> None:
    outputs, _ = await run(agent(hosted, ODD))
    assert [output.content for output in outputs] == ["abcd"]


async def test_cancelling_the_run_cancels_the_calls(hosted: Hosted) -> None:
    handler = agent(hosted, HANG).run("go")
    await hosted.seen.times(hosted.seen.started, 5)
    await handler.cancel_run()
    await hosted.seen.times(hosted.seen.stopped, 5)


async def test_a_model_is_told_the_schema_of_the_cluster(hosted: Hosted) -> None:
    told = {tool.metadata.name: tool for tool in llama_index.tools(hosted.batcher, hosted.catalogue)}
    function = told["geo__find"].metadata.to_openai_tool()["function"]
    assert function["parameters"]["properties"]["city"]["type"] == "string"
    assert function["parameters"]["additionalProperties"] is False
