"""Replies that no provider sends: they are read, or refused with ReplyError, and nothing else."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest

from toolwave import formats
from toolwave.formats._refused import rejection

WORDS = ["", "function", "function_call", "tool_use", "search", "{", '{"q":1}', "\ud800", "é", "${0.result}"]
KEYS = [
    *("choices", "message", "tool_calls", "function", "arguments", "name", "id", "type", "call_id", "output"),
    *("content", "input", "candidates", "parts", "functionCall", "args", "error", "role", "caller", "toolset_name"),
]
SEEDS = range(3000)


def value(random: random.Random, depth: int) -> Any:
    kind = random.randrange(10)
    if depth == 0 or kind < 4:
        return random.choice([None, True, 0, -1.5, 2**70, *WORDS])
    if kind < 6:
        return [value(random, depth - 1) for _ in range(random.randrange(3))]
    return {random.choice(KEYS): value(random, depth - 1) for _ in range(random.randrange(5))}


@pytest.mark.parametrize("provider", list(formats.Provider))
def test_any_json_is_read_or_refused(provider: formats.Provider) -> None:
    module = formats.of(provider)
    read = asked = 0
    for seed in SEEDS:
        reply = value(random.Random(seed), 6)
        if isinstance(reply, str):
            reply = [reply]
        formats.detect(reply)
        try:
            found = module.read(reply, ["search"])
        except formats.ReplyError:
            continue
        read += 1
        calls = found.tool_calls()
        asked += len(found.calls)
        messages = found.messages([rejection(call["tool_name"], "X", "x", call["id"]) for call in calls])
        assert (messages == []) == (found.calls == [])
        assert len({call["id"] for call in calls}) == len(calls)
    assert read > 0
    assert asked > 0


def test_arguments_of_any_shape_are_that_calls_alone() -> None:
    shapes: list[Any] = [None, True, 7, 1.5, "", "x", "[", "[]", "{}", [], {}, {"a": float("nan")}, "9" * 5000]
    for arguments, other in itertools.product(shapes, [{"q": 1}, '{"q":1}']):
        items = [
            {"type": "tool_use", "id": f"t{index}", "name": "search", "input": each}
            for index, each in enumerate((arguments, other))
        ]
        reply = formats.anthropic.read(items, ["search"])
        good = reply.tool_calls()[-1]
        assert good["id"] == "t1"
        assert json.loads(good["parameters_json"]) == {"q": 1}
