"""LangChain and LangGraph, the real libraries, with a model that reads its lines from a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

pytest.importorskip("langchain")

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from turns import FIVE, HANG, MIXED, ODD, Hosted, unreachable

import toolwave
from toolwave.adapters import langchain


class Scripted(GenericFakeChatModel):
    """Takes tools without looking at them."""

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        return self


def turn(calls: list[tuple[str, dict[str, Any]]]) -> AIMessage:
    made = [{"name": name, "args": args, "id": f"call_{index}"} for index, (name, args) in enumerate(calls)]
    return AIMessage("", tool_calls=made)


def model(*turns: list[tuple[str, dict[str, Any]]]) -> Scripted:
    return Scripted(messages=iter([*map(turn, turns), AIMessage("done")]))


Make = Callable[[Hosted, Scripted], Any]


def with_tools(hosted: Hosted, model: Scripted) -> Any:
    return create_agent(model, langchain.tools(hosted.batcher, hosted.catalogue))


def with_middleware(hosted: Hosted, model: Scripted) -> Any:
    return create_agent(model, middleware=[langchain.ToolwaveMiddleware(hosted.batcher, hosted.catalogue)])


def with_tool_node(hosted: Hosted, model: Scripted) -> Any:
    wrap = langchain.awrap_tool_call(hosted.batcher, hosted.catalogue)
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(langchain.tools(hosted.batcher, hosted.catalogue), awrap_tool_call=wrap))

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph.add_node("think", think)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    graph.add_edge("tools", "think")
    return graph.compile()


ways = pytest.mark.parametrize("make", [with_tools, with_middleware, with_tool_node])


async def answers(agent: Any) -> tuple[list[ToolMessage], str]:
    state = await agent.ainvoke({"messages": [("user", "go")]})
    messages = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    messages.sort(key=lambda message: message.tool_call_id)
    return messages, state["messages"][-1].content


@ways
async def test_the_calls_of_a_turn_are_one_execution(hosted: Hosted, make: Make) -> None:
    messages, last = await answers(make(hosted, model(FIVE)))
    assert [json.loads(str(message.content))["city"] for message in messages] == [
        "Oslo",
        "Bern",
        "Rome",
        "Lima",
        "Cairo",
    ]
    assert all(message.status == "success" for message in messages)
    assert messages[0].artifact["result"]["id"] == 2**53 + 1
    assert len(hosted.seen.executions) == 5
    assert len(set(hosted.seen.executions)) == 1
    assert last == "done"


@ways
async def test_failures_are_tool_messages_of_their_calls(hosted: Hosted, make: Make) -> None:
    messages, last = await answers(make(hosted, model(MIXED)))
    assert [message.status for message in messages] == ["success", "error", "error", "success", "success", "error"]
    assert json.loads(str(messages[1].content))["error"] == {
        "code": "NO_ROUTE",
        "message": "it does not work",
        "details": {"because": "so"},
    }
    rejected = json.loads(str(messages[2].content))["error"]
    assert rejected["code"] == "PARAMS_SCHEMA"
    assert {violation["path"] for violation in rejected["violations"]} >= {""}
    assert messages[3].content == "${0.result} of $5"
    assert [block["type"] for block in messages[4].content] == ["text", "image"]  # type: ignore[index]
    assert messages[5].content == "no screen"
    assert last == "done"


@ways
async def test_parameters_may_have_names_that_the_framework_uses(hosted: Hosted, make: Make) -> None:
    messages, _ = await answers(make(hosted, model(ODD)))
    assert [message.content for message in messages] == ["abcd"]


@ways
async def test_cancelling_the_run_cancels_the_calls(hosted: Hosted, make: Make) -> None:
    run = asyncio.create_task(make(hosted, model(HANG)).ainvoke({"messages": [("user", "go")]}))
    await hosted.seen.times(hosted.seen.started, 5)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await hosted.seen.times(hosted.seen.stopped, 5)


async def test_a_coordinator_that_cannot_be_reached_ends_the_run(hosted: Hosted) -> None:
    async with unreachable() as client, toolwave.Batcher(client) as batcher:
        agent = create_agent(model(FIVE), langchain.tools(batcher, hosted.catalogue))
        with pytest.raises(toolwave.UnavailableError):
            await answers(agent)


async def test_a_call_of_another_tool_stays_where_it_was(hosted: Hosted) -> None:
    async def local(x: int) -> int:
        """Local."""
        return x + 1

    middleware = langchain.ToolwaveMiddleware(hosted.batcher, hosted.catalogue)
    agent = create_agent(
        model([("local", {"x": 1}), ("geo__find", {"city": "Oslo"})]), [local], middleware=[middleware]
    )
    messages, _ = await answers(agent)
    assert messages[0].content == "2"
    assert json.loads(str(messages[1].content))["city"] == "Oslo"
    assert len(hosted.seen.executions) == 1


async def test_a_model_is_told_the_schema_of_the_cluster(hosted: Hosted) -> None:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    told = {tool.name: tool for tool in langchain.tools(hosted.batcher, hosted.catalogue)}
    function = convert_to_openai_tool(told["geo__find"])["function"]
    assert function["description"].startswith("Finds a city.")
    assert function["parameters"]["properties"]["city"]["type"] == "string"
    assert function["parameters"]["required"] == ["city"]
