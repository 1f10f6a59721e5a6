"""PydanticAI, the real library, with a model that is a function."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("pydantic_ai")

from pydantic_ai import Agent
from pydantic_ai.capabilities import HandleDeferredToolCalls
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.tools import DeferredToolRequests
from turns import FIVE, HANG, MIXED, ODD, Hosted, unreachable

import toolwave
from toolwave.adapters import pydantic_ai


class Script:
    """One turn after another, then the end; keeps what the model was told last."""

    def __init__(self, *turns: list[tuple[str, Any]]) -> None:
        self._turns = iter(turns)
        self.told: list[ModelMessage] = []
        self.model = FunctionModel(self._answer)

    def _answer(self, messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        self.told = messages
        calls = next(self._turns, None)
        if calls is None:
            return ModelResponse([TextPart("done")])
        return ModelResponse(
            [ToolCallPart(name, args, tool_call_id=f"call_{index}") for index, (name, args) in enumerate(calls)]
        )

    def returns(self) -> list[Any]:
        parts = [part for part in self.told[-1].parts if hasattr(part, "tool_call_id")]
        return sorted(parts, key=lambda part: part.tool_call_id)


async def whole_batch(hosted: Hosted, script: Script) -> Any:
    return await pydantic_ai.run_with_toolwave(Agent(script.model), "go", client=hosted.client)


async def inside_of_one_run(hosted: Hosted, script: Script) -> Any:
    capability = HandleDeferredToolCalls(pydantic_ai.handler(hosted.client, hosted.catalogue))
    toolsets = [pydantic_ai.external_toolset(hosted.catalogue)]
    return await Agent(script.model, toolsets=toolsets, capabilities=[capability]).run("go")


async def call_by_call(hosted: Hosted, script: Script) -> Any:
    return await Agent(script.model, toolsets=[pydantic_ai.ToolwaveToolset(hosted.batcher, hosted.catalogue)]).run("go")


ways = pytest.mark.parametrize("run", [whole_batch, inside_of_one_run, call_by_call])


@ways
async def test_the_calls_of_a_turn_are_one_execution(hosted: Hosted, run: Any) -> None:
    script = Script(FIVE)
    result = await run(hosted, script)
    assert result.output == "done"
    assert [part.content["city"] for part in script.returns()] == ["Oslo", "Bern", "Rome", "Lima", "Cairo"]
    assert script.returns()[0].content["id"] == 2**53 + 1
    assert len(hosted.seen.executions) == 5
    assert len(set(hosted.seen.executions)) == 1


@ways
async def test_each_turn_is_an_execution_of_its_own(hosted: Hosted, run: Any) -> None:
    result = await run(hosted, Script(FIVE, FIVE[:2]))
    assert result.output == "done"
    assert len(hosted.seen.executions) == 7
    assert len(set(hosted.seen.executions)) == 2


@ways
async def test_failures_are_told_of_their_calls(hosted: Hosted, run: Any) -> None:
    script = Script(MIXED)
    result = await run(hosted, script)
    assert result.output == "done"
    parts = script.returns()
    assert len(parts) == 6
    assert parts[0].content["city"] == "Oslo"
    assert isinstance(parts[1], ToolReturnPart)
    assert parts[1].outcome == "failed"
    assert json.loads(parts[1].content)["error"]["code"] == "NO_ROUTE"
    assert "PARAMS_SCHEMA" in str(parts[2].content)
    assert getattr(parts[2], "outcome", "failed") != "success"
    assert parts[3].content == "${0.result} of $5"
    assert "a pixel" in str(parts[4].content)
    assert parts[5].outcome == "failed"
    assert parts[5].content == "no screen"


@ways
async def test_arguments_that_are_no_json_fail_alone(hosted: Hosted, run: Any) -> None:
    script = Script([("geo__find", '{"city": "Os'), ("geo__find", {"city": "Bern"})])
    result = await run(hosted, script)
    assert result.output == "done"
    first, second = script.returns()
    assert getattr(first, "outcome", "failed") != "success"
    assert second.content["city"] == "Bern"


@ways
async def test_parameters_may_have_names_that_the_framework_uses(hosted: Hosted, run: Any) -> None:
    script = Script(ODD)
    await run(hosted, script)
    assert [part.content for part in script.returns()] == ["abcd"]


@ways
async def test_cancelling_the_run_cancels_the_calls(hosted: Hosted, run: Any) -> None:
    running = asyncio.create_task(run(hosted, Script(HANG)))
    await hosted.seen.times(hosted.seen.started, 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await hosted.seen.times(hosted.seen.stopped, 5)


async def test_calls_that_the_model_gets_wrong_again_and_again_do_not_end_the_run(hosted: Hosted) -> None:
    wrong = [("geo__find", {"town": 1})]
    result = await call_by_call(hosted, Script(*[wrong] * 6, wrong * 6))
    assert result.output == "done"


async def test_a_coordinator_that_cannot_be_reached_ends_the_run(hosted: Hosted) -> None:
    async with unreachable() as client:
        with pytest.raises(toolwave.UnavailableError):
            agent: Agent[None, str] = Agent(Script(FIVE).model)
            await pydantic_ai.run_with_toolwave(agent, "go", client=client, tools=hosted.catalogue)


async def test_a_pause_for_others_is_returned_and_nothing_has_run(hosted: Hosted) -> None:
    agent: Agent[None, Any] = Agent(Script([*FIVE, ("delete_all", {})]).model)

    @agent.tool_plain(requires_approval=True)
    async def delete_all() -> str:
        return "deleted"

    result = await pydantic_ai.run_with_toolwave(agent, "go", client=hosted.client, tools=hosted.catalogue)
    assert isinstance(result.output, DeferredToolRequests)
    assert len(result.output.approvals) == 1
    assert hosted.seen.executions == []
