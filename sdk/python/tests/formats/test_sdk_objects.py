"""Replies as the providers' own SDKs give them, where those are installed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from toolwave import formats

NAMES = ["geo.find"]


def check(module: Any, reply: Any) -> None:
    assert formats.detect(reply) is module
    read = module.read(reply, NAMES)
    assert [(call.id, call.tool) for call in read.calls] == [("c1", "geo.find")]
    assert json.loads(read.tool_calls()[0]["parameters_json"]) == {"q": "Oslo"}


def test_a_chat_completion_of_openai() -> None:
    types = pytest.importorskip("openai.types.chat")
    call = {"id": "c1", "type": "function", "function": {"name": "geo__find", "arguments": '{"q":"Oslo"}'}}
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "logprobs": None, "message": message}
    reply = types.ChatCompletion.model_validate(
        {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )
    check(formats.openai_chat, reply)
    check(formats.openai_chat, reply.choices[0].message)
    check(formats.openai_chat, reply.choices[0].message.tool_calls)


def test_a_response_of_openai() -> None:
    types = pytest.importorskip("openai.types.responses")
    item = types.ResponseFunctionToolCall(
        type="function_call", call_id="c1", name="geo__find", arguments='{"q":"Oslo"}', future="kept"
    )
    check(formats.openai_responses, [item])
    assert formats.openai_responses.read([item], NAMES).calls[0].item["future"] == "kept"


def test_a_message_of_anthropic() -> None:
    types = pytest.importorskip("anthropic.types")
    block = {"type": "tool_use", "id": "c1", "name": "geo__find", "input": {"q": "Oslo"}}
    reply = types.Message.model_validate(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": "x"}, block],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    check(formats.anthropic, reply)
    check(formats.anthropic, reply.content)


def test_a_response_of_gemini() -> None:
    types = pytest.importorskip("google.genai.types")
    call = types.FunctionCall(id="c1", name="geo.find", args={"q": "Oslo"})
    part = types.Part(function_call=call, thought_signature=b"\x00\xff")
    content = types.Content(role="model", parts=[types.Part(text="x"), part])
    reply = types.GenerateContentResponse(candidates=[types.Candidate(content=content)])
    check(formats.gemini, reply)
    check(formats.gemini, content)
    check(formats.gemini, content.parts)
