"""Replies of models, run against a real cluster whose worker lives in the test's own loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from cluster import PATIENCE, Coordinator

import toolwave
from toolwave.formats import anthropic, gemini, openai_chat, openai_responses


@toolwave.tool(name="geo.find")
async def find(city: str, context: toolwave.Context) -> dict[str, Any]:
    """Finds a city."""
    return {"city": city, "id": 2**64 - 1, "execution": context.execution_id}


@pytest_asyncio.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    with Coordinator(tmp_path) as coordinator:
        worker = toolwave.Worker(find, coordinator=coordinator.address, name="formats")
        running = asyncio.create_task(worker.run())
        await asyncio.wait_for(worker.registered(), PATIENCE)
        yield coordinator.address
        worker.drain()
        await asyncio.wait_for(running, PATIENCE)


@pytest_asyncio.fixture
async def client(address: str) -> AsyncIterator[toolwave.AsyncClient]:
    async with toolwave.AsyncClient(address) as client:
        yield client


def chat(*arguments: str, name: str = "geo__find") -> list[Any]:
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": text}}
        for index, text in enumerate(arguments)
    ]


async def test_a_reply_is_run_and_answered_in_one_call(client: toolwave.AsyncClient) -> None:
    reply = {"content": [{"type": "tool_use", "id": "toolu_1", "name": "geo__find", "input": {"city": "Oslo"}}]}
    [message] = await anthropic.run(client, reply)
    [block] = message["content"]
    assert (block["tool_use_id"], block["is_error"]) == ("toolu_1", False)
    assert json.loads(block["content"][0]["text"])["id"] == 2**64 - 1


async def test_calls_that_are_refused_or_broken_fail_alone(client: toolwave.AsyncClient) -> None:
    deep = '{"city": ' + "[" * 70 + "]" * 70 + "}"
    very_deep = '{"city": ' + "[" * 100_000 + "]" * 100_000 + "}"
    reply = chat(
        '{"city": "Oslo"}',
        deep,
        '{"city": "Os',
        very_deep,
        '{"city": "\\ud800"}',
        '{"city": "a", "city": "b"}',
        "[1]",
        '{"town": 1}',
        '{"city": "' + "x" * (5 << 20) + '"}',
        '{"city": "Bern"}',
    )
    messages = await openai_chat.run(client, reply)
    told = [json.loads(message["content"]) for message in messages]
    assert [each.get("error", {}).get("code") for each in told] == [
        None,
        "JSON_TOO_DEEP",
        "PARAMS_NOT_JSON",
        "JSON_TOO_DEEP",
        "PARAMS_NOT_JSON",
        "DUPLICATE_KEY",
        "PARAMS_NOT_OBJECT",
        "PARAMS_SCHEMA",
        "PARAMS_TOO_LARGE",
        None,
    ]
    assert told[0]["city"] == "Oslo"
    assert told[9]["city"] == "Bern"
    assert told[0]["execution"] == told[9]["execution"]


async def test_what_a_model_writes_is_never_a_reference(client: toolwave.AsyncClient) -> None:
    reply = chat('{"city": "secret"}', '{"city": "${call_0.result.city}"}', '{"city": "\\u0024{call_0.result} ${"}')
    told = [json.loads(message["content"]) for message in await openai_chat.run(client, reply)]
    assert [each["city"] for each in told] == ["secret", "${call_0.result.city}", "${call_0.result} ${"]


async def test_an_unknown_tool_is_answered_with_the_nearest_names(client: toolwave.AsyncClient) -> None:
    [message] = await openai_chat.run(client, chat('{"city": "Oslo"}', name="geo.fnd"))
    error = json.loads(message["content"])["error"]
    assert error["code"] == "UNKNOWN_TOOL"
    assert "geo.find" in error["message"]


async def test_a_reply_without_calls_runs_nothing(client: toolwave.AsyncClient) -> None:
    assert await gemini.run(client, {"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}}]}) == []


async def test_a_blocking_client_does_the_same(address: str) -> None:
    def run() -> list[dict[str, Any]]:
        with toolwave.Client(address) as client:
            item = {"type": "function_call", "call_id": "c", "name": "geo__find", "arguments": '{"city": "Oslo"}'}
            return openai_responses.run_blocking(client, [item])

    [message] = await asyncio.to_thread(run)
    assert json.loads(message["output"])["city"] == "Oslo"
