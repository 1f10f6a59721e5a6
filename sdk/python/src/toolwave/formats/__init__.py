"""The tool calls of a model's reply as the provider says them, and the messages to send back.

One module for each provider; each has `read`, `definitions`, `names`, `run` and `run_blocking`:

    tools = await client.list_tools()
    reply = await model.messages.create(..., tools=anthropic.definitions(tools))
    messages += [{"role": "assistant", "content": reply.content}, *await anthropic.run(client, reply, tools)]

A call with broken arguments fails alone, and what a model writes is never taken for a reference.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from toolwave.formats import _detect, anthropic, gemini, openai_chat, openai_responses
from toolwave.formats._names import Names
from toolwave.formats._provider import Provider
from toolwave.formats._reply import Reply, ReplyCall, ReplyError, as_json
from toolwave.formats._strict import is_strict

_MODULES: dict[Provider, ModuleType] = {
    Provider.OPENAI_CHAT: openai_chat,
    Provider.OPENAI_RESPONSES: openai_responses,
    Provider.ANTHROPIC: anthropic,
    Provider.GEMINI: gemini,
}


def detect(reply: Any) -> ModuleType | None:
    """The module of the provider whose shapes the reply has; None where there is nothing to go by."""
    found = _detect.detect(as_json(reply))
    return None if found is None else _MODULES[found]


def of(provider: Provider | str) -> ModuleType:
    """The module of a provider: openai, openai-responses, anthropic or gemini."""
    return _MODULES[Provider(provider)]


__all__ = [
    "Names",
    "Provider",
    "Reply",
    "ReplyCall",
    "ReplyError",
    "anthropic",
    "detect",
    "gemini",
    "is_strict",
    "of",
    "openai_chat",
    "openai_responses",
]
