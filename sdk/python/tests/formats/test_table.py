"""Every case of tests/data/provider_formats.json, to which the Rust side holds itself as well."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toolwave import Tool, formats
from toolwave.formats import _arguments
from toolwave.formats._refused import rejection

TABLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[4] / "tests" / "data" / "provider_formats.json").read_text(encoding="utf-8")
)
NO_TOOL = Tool(
    name="",
    description="",
    input_schema={},
    output_schema=None,
    effects=[],
    read_only=False,
    idempotent=False,
    honours_idempotency_key=False,
    timeout=None,
    max_concurrency=0,
    max_concurrency_per_worker=0,
    rate_per_second=0.0,
    rate_burst=0,
    max_result_bytes=0,
    labels={},
    workers=1,
    queued=0,
    in_flight=0,
)


def cases(part: str) -> Any:
    return pytest.mark.parametrize("case", TABLE[part], ids=lambda case: case["name"])


def readable(value: Any) -> Any:
    """JSON text inside of messages is compared by what it says and not by its spaces."""
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        return ("json", json.loads(value))
    return value


@cases("manglings")
def test_every_tool_gets_the_name_of_the_table_and_has_it_back(case: dict[str, Any]) -> None:
    names = formats.of(case["provider"]).names(case["names"])
    for tool, expected in case["names"].items():
        assert names.name(tool) == expected
        assert names.tool(expected) == tool
        assert len(expected) <= 64
    assert names.tool("unknown.tool") == "unknown.tool"
    assert names.name("unknown.tool") is None


@cases("literals")
def test_what_begins_a_reference_is_made_literal_and_nothing_else_changes(case: dict[str, Any]) -> None:
    assert _arguments.literal(case["parameters"]) == case["literal"]


@cases("strict")
def test_strict_is_said_of_the_schemas_that_qualify_and_of_no_other(case: dict[str, Any]) -> None:
    assert formats.is_strict(case["schema"]) is case["strict"]


@cases("definitions")
def test_a_catalogue_becomes_the_definitions_of_each_provider(case: dict[str, Any]) -> None:
    tools = [
        replace(NO_TOOL, **{**tool, "input_schema": tool["input_schema"] or {"type": "object"}})
        for tool in case["catalogue"]
    ]
    for word, expected in case["expected"].items():
        # as text: the order in which a model reads properties is their order here
        assert json.dumps(formats.of(word).definitions(tools)) == json.dumps(expected)


@cases("replies")
@pytest.mark.parametrize("as_text", [False, True])
def test_calls_are_found_in_replies_and_their_endings_become_messages(case: dict[str, Any], as_text: bool) -> None:
    given = json.dumps(case["reply"]) if as_text else case["reply"]
    reply = formats.of(case["provider"]).read(given, case["catalogue"])
    assert len(reply.calls) == len(case["calls"])
    assert reply.left_alone == case.get("left_alone", [])
    if "call_ids" in case:
        assert reply.call_ids == case["call_ids"]
    results = []
    for id, call, expected, ending in zip(reply.call_ids, reply.calls, case["calls"], case["endings"], strict=True):
        assert (call.id, call.name, call.error) == (expected["id"], expected["name"], expected.get("error"))
        if call.parameters_json is None:
            assert ending is None
            continue
        assert call.tool == expected["tool"]
        assert json.loads(call.parameters_json) == json.loads(expected["parameters"])
        results.append(result(call.tool, id, ending))
    assert [call["id"] for call in reply.tool_calls()] == [each["id"] for each in results]
    assert readable(reply.messages(results)) == readable(case["messages"])


def result(tool: str | None, id: str, ending: dict[str, Any]) -> Any:
    made = rejection(tool or "", "", "", id)
    if "result" in ending:
        return {**made, "success": True, "result": ending["result"], "outcome": "SUCCEEDED", "error": None}
    error = dict(ending["error"])
    after = error.pop("retry_after_ms", None)
    return {
        **made,
        **error,
        "error": error["message"],
        "error_code": error["code"],
        "retry_after": None if after is None else after / 1000,
    }


@cases("openai")
def test_the_formats_of_openai_are_told_apart(case: dict[str, Any]) -> None:
    if case["reply"] != []:
        assert formats.detect(case["reply"]) is formats.of(case["provider"])


@pytest.mark.parametrize("case", [each for each in TABLE["replies"] if each["calls"]], ids=lambda case: case["name"])
def test_the_provider_of_a_reply_with_calls_is_found_out(case: dict[str, Any]) -> None:
    assert formats.detect(case["reply"]) is formats.of(case["provider"])


@cases("refused")
def test_what_is_no_reply_of_the_provider_is_refused_with_what_it_is(case: dict[str, Any]) -> None:
    with pytest.raises(formats.ReplyError) as refused:
        formats.of(case["provider"]).read(case["reply_text"])
    assert case["says"] in str(refused.value)
