"""OpenAI Agents, the real library, with its own scripted model."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("agents")

from agents import Agent, RunConfig, Runner, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call
from turns import FIVE, HANG, MIXED, ODD, Hosted, unreachable

import toolwave
from toolwave.adapters import openai_agents

set_tracing_disabled(True)


def agent(hosted: Hosted, *turns: list[tuple[str, Any]]) -> tuple[Any, ScriptedModel]:
    script: list[Any] = [
        [function_call(name, args, call_id=f"call_{index}") for index, (name, args) in enumerate(calls)]
        for calls in turns
    ]
    model = ScriptedModel([*script, [assistant_message("done")]])
    return Agent(name="a", model=model, tools=openai_agents.tools(hosted.batcher, hosted.catalogue)), model


async def outputs(hosted: Hosted, *turns: list[tuple[str, Any]]) -> list[Any]:
    made, model = agent(hosted, *turns)
    result = await Runner.run(made, "go", run_config=RunConfig(tracing_disabled=True))
    assert result.final_output == "done"
    assert model.last_call is not None
    told = [item for item in model.last_call.input if item.get("type") == "function_call_output"]  # type: ignore
    told.sort(key=lambda item: item["call_id"])
    return [item["output"] for item in told]


async def test_the_calls_of_a_turn_are_one_execution(hosted: Hosted) -> None:
    told = await outputs(hosted, FIVE)
    assert [json.loads(each)["city"] for each in told] == ["Oslo", "Bern", "Rome", "Lima", "Cairo"]
    assert json.loads(told[0])["id"] == 2**53 + 1
    assert len(hosted.seen.executions) == 5
    assert len(set(hosted.seen.executions)) == 1


async def test_failures_are_outputs_of_their_calls(hosted: Hosted) -> None:
    told = await outputs(hosted, MIXED)
    assert json.loads(told[0])["city"] == "Oslo"
    assert json.loads(told[1])["error"]["code"] == "NO_ROUTE"
    assert json.loads(told[2])["error"]["code"] == "PARAMS_SCHEMA"
    assert told[3] == "${0.result} of $5"
    assert [part["type"] for part in told[4]] == ["input_text", "input_image"]
    assert json.loads(told[5]) == {"error": [{"type": "text", "text": "no screen"}]}


async def test_arguments_that_are_no_json_object_fail_alone(hosted: Hosted) -> None:
    broken = [
        ("geo__find", '{"city": "Os'),
        ("geo__find", "[1]"),
        ("geo__find", '{"city": "Oslo", "city": "Rome"}'),
        ("geo__find", '{"city": NaN}'),
        ("geo__find", '{"city": ' + "[" * 70 + "]" * 70 + "}"),
        ("geo__find", {"city": "Oslo"}),
    ]
    told = [json.loads(each) for each in await outputs(hosted, broken)]
    assert [each.get("error", {}).get("code") for each in told] == [
        "PARAMS_NOT_JSON",
        "PARAMS_NOT_OBJECT",
        "PARAMS_NOT_JSON",
        "PARAMS_NOT_JSON",
        "JSON_TOO_DEEP",
        None,
    ]
    assert told[-1]["city"] == "Oslo"


async def test_parameters_may_have_names_that_the_framework_uses(hosted: Hosted) -> None:
    assert await outputs(hosted, ODD) == ["abcd"]


async def test_cancelling_the_run_cancels_the_calls(hosted: Hosted) -> None:
    made, _ = agent(hosted, HANG)
    run = asyncio.create_task(Runner.run(made, "go"))
    await hosted.seen.times(hosted.seen.started, 5)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await hosted.seen.times(hosted.seen.stopped, 5)


async def test_a_coordinator_that_cannot_be_reached_ends_the_run(hosted: Hosted) -> None:
    async with unreachable() as client, toolwave.Batcher(client) as batcher:
        model = ScriptedModel([[function_call("geo__find", {"city": "Oslo"}, call_id="c")]])
        made: Any = Agent(name="a", model=model, tools=openai_agents.tools(batcher, hosted.catalogue))
        with pytest.raises(Exception) as raised:
            await Runner.run(made, "go")
    causes = [raised.value, raised.value.__cause__]
    assert any(isinstance(cause, toolwave.UnavailableError) for cause in causes)


async def test_strict_is_said_of_the_schemas_that_qualify(hosted: Hosted) -> None:
    told = {tool.name: tool for tool in openai_agents.tools(hosted.batcher, hosted.catalogue)}
    assert told["geo__find"].strict_json_schema
    assert told["geo__find"].params_json_schema["required"] == ["city"]
